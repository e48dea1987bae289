"""A simulated world to search in: models of known ability, problems of known difficulty, judges that err.

Simulated: a world of laws, calibrated to nothing but plausibility. It says how well a *search* works when the truth is
known, and nothing about any language model. The laws:

- A problem p has a difficulty b ~ N(0, 1.2), one right answer and six wrong ones, of which some are popular.
- A model m of ability a answers p rightly with probability ``logistic(sharp(T) * (a - b - e))``, where e ~ N(0, 0.7)
  belongs to (m, p), so that the errors of one model are correlated, and ``sharp`` falls with the temperature T. A wrong
  answer is drawn by popularity, so that a majority can be wrong for good.
- A judge sees ``acuity(a) * (+1 right / -1 wrong)`` plus noise that belongs to (judge, p, answer), so that it is fooled
  by the same answer again and again, plus fresh noise. It ranks, scores and verifies by what it sees.
- A critique sharpens what the next judge or fuser sees. A fuser takes up the answers it is shown by their number and
  its view of them, and its own attempt as one more; its view blurs with the number shown. A refinement mends and
  breaks answers, as the model's ability says.
- Calls cost what the model's price and the length of prompts and replies say.

Draws belong to (world, what drew them, p, index): architectures that share their first layers share their samples, as
in the sample store, and only what nobody drew before is paid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from archon.architecture import Architecture, component_to_data
from archon.errors import ConfigError
from archon.technique import Technique
from evals.statistics.pools import Pool
from search.acting import (
    ANSWER,
    PROMPT,
    REMARK,
    SECONDS_PER_TOKEN,
    VERDICT,
    WRONG,
    Act,
    Candidates,
    Floats,
    Ints,
    SimulatedModel,
    best,
    concatenate,
    single,
)
from search.evaluator import Outcome

__all__ = ["SimulatedModel", "World"]

_KNOWN = ("generate", "critique", "rank", "score", "verify", "vote", "fuse", "self_refine")


@dataclass
class World:
    """Problems and models; evaluates architectures on its first ``problems`` problems.

    An :class:`search.evaluator.Evaluator`. Knows ``generate``, ``critique``, ``rank``, ``score``, ``verify``, ``vote``,
    ``fuse`` and ``self_refine``.

    Args:
        seed: Decides everything.
        problems: How many problems the search sees.
        models: The models by the reference that architectures use.
        share: Whether samples that an earlier architecture drew are free.
        unseen: How many more problems there are, on which :meth:`truth` measures.
        paid: Requests that :meth:`evaluate` has really made so far.
        lasting: The numbers of problems, models and judges, by what they are.
    """

    seed: int
    problems: int
    models: Mapping[str, SimulatedModel]
    share: bool = True
    unseen: int = 0
    paid: int = 0
    lasting: dict[str, Floats] = field(default_factory=dict)
    _drawn: dict[str, Ints] = field(default_factory=dict)

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        """What the architecture comes to on some of the problems the search sees."""
        places = np.asarray(positions, dtype=np.int64)
        pool = self._run(architecture, places, self._drawn if self.share else {})
        self.paid += int(pool.paid.sum())
        right = (pool.answers[:, 0] == 0).astype(float)
        return [
            Outcome(
                float(right[i]),
                float(pool.usd[i]),
                float(pool.tokens[i]) * SECONDS_PER_TOKEN,
                int(pool.tokens[i]),
                int(pool.calls[i]),
                float(pool.latency[i]),
                int(pool.paid[i]),
            )
            for i in range(len(places))
        ]

    def drawn(self, architecture: Architecture, positions: Sequence[int]) -> list[Pool]:
        """The samples of a single ``generate`` in front that there are already; without rewards."""
        places = np.asarray(positions, dtype=np.int64)
        act = Act.of(self, architecture.layers[0][0], architecture, places, self._drawn)
        have = self._drawn.get(act.key, np.zeros(self.problems + self.unseen, dtype=np.int64))[places]
        answers = act.answers(act.luck(), act.temperature)
        return [Pool.of(row[:n] == 0, [str(a) for a in row[:n]]) for row, n in zip(answers, have, strict=True)]

    def truth(self, architecture: Architecture, part: slice = slice(None)) -> tuple[float, float]:
        """The share of right answers on the unseen problems, or on some of them, and the dollars an answer costs."""
        places = np.arange(self.problems, self.problems + self.unseen)[part]
        pool = self._run(architecture, places, {})
        return float((pool.answers[:, 0] == 0).mean()), float(pool.usd.mean())

    def _run(self, architecture: Architecture, places: Ints, drawn: dict[str, Ints]) -> Candidates:
        zero = np.zeros(len(places))
        empty = np.zeros((len(places), 0), dtype=np.int64)
        nothing = Candidates(empty, empty.astype(bool), empty.astype(float), 0.0, zero, zero, zero, zero, zero)
        pool, said = nothing, f"{self.seed}"
        for layer in architecture.layers:
            parts = []
            for place, technique in enumerate(layer):
                ordinal = layer[:place].count(technique)
                parts.append(self._apply(technique, architecture, pool, places, said, drawn, ordinal))
            pool = concatenate(pool, parts)
            said += "|" + json.dumps([component_to_data(technique) for technique in layer], sort_keys=True, default=str)
        return pool

    def _apply(
        self,
        technique: Technique,
        architecture: Architecture,
        pool: Candidates,
        places: Ints,
        said: str,
        drawn: dict[str, Ints],
        ordinal: int,
    ) -> Candidates:
        kind = technique.kind
        step = getattr(self, f"_{kind}", None)
        if step is None:
            raise ConfigError(f"The simulated world has no '{kind}'; it knows {', '.join(_KNOWN)}.")
        act = Act.of(self, technique, architecture, places, drawn, said, ordinal)
        return step(pool, act)  # type: ignore[no-any-return]

    def _generate(self, pool: Candidates, act: Act) -> Candidates:
        n = act.number("n", 1)
        answers = act.answers(act.luck()[:, :n], act.temperature)
        act.spend(act.key, n, PROMPT, ANSWER, prompts=1)
        own = Candidates(
            answers,
            np.ones_like(answers, dtype=bool),
            np.zeros_like(answers, dtype=float),
            0.0,
            *(act.totals()),
        )
        return own

    def _critique(self, pool: Candidates, act: Act) -> Candidates:
        count = pool.present.sum(axis=1)
        act.spend(act.key, 1, PROMPT + ANSWER * count, REMARK * count)
        return act.charged(replace(pool, sharpened=0.35 * act.acuity))

    def _rank(self, pool: Candidates, act: Act) -> Candidates:
        count = pool.present.sum(axis=1)
        blur = 1 + 0.03 * (count - 1)[:, None]
        view = act.view(pool, blur)
        act.spend(act.key, 1, PROMPT + ANSWER * count, 5 * count)
        return act.charged(best(pool, view, act.number("keep", 5)))

    def _score(self, pool: Candidates, act: Act) -> Candidates:
        view = act.view(pool, 1.25)
        count = pool.present.sum(axis=1)
        act.spend(act.key, count, PROMPT + ANSWER, 1)
        keep = act.number("keep", 0)
        scored = replace(pool, score=view)
        return act.charged(best(scored, view, keep) if keep else scored)

    def _verify(self, pool: Candidates, act: Act) -> Candidates:
        passed = (act.view(pool, 0.9) > 0) & pool.present
        count = pool.present.sum(axis=1)
        act.spend(act.key, 2 * count, PROMPT + ANSWER, VERDICT)
        nobody = np.logical_not(passed.any(axis=1, keepdims=True))
        kept = replace(pool, present=np.where(nobody, pool.present, passed))
        return act.charged(best(kept, np.zeros(kept.answers.shape), kept.answers.shape[1]))

    def _vote(self, pool: Candidates, act: Act) -> Candidates:
        weights = np.where(pool.present, 1.0, 0.0)
        if act.flag("weighted"):
            weights = weights * (1 / (1 + np.exp(-pool.score)))
        votes = np.stack([(weights * (pool.answers == a)).sum(axis=1) for a in range(WRONG + 1)], axis=1)
        # Ties go to whoever comes first among the candidates.
        first = np.stack(
            [np.where((pool.answers == a) & pool.present, 1.0, 0.0).argmax(axis=1) for a in range(WRONG + 1)], axis=1
        )
        chosen = (votes - 1e-6 * first).argmax(axis=1)
        return act.charged(single(pool, chosen))

    def _fuse(self, pool: Candidates, act: Act) -> Candidates:
        n, count = act.number("n", 1), pool.present.sum(axis=1)
        blur = 1 + 0.06 * (count - 1)[:, None]
        view = np.where(pool.present, act.view(pool, blur), 0.0)
        belief = np.full((len(act.places), WRONG + 1), -np.inf)
        for answer in range(WRONG + 1):
            here = (pool.answers == answer) & pool.present
            number = here.sum(axis=1)
            mean = (view * here).sum(axis=1) / np.maximum(number, 1)
            belief[:, answer] = np.where(number > 0, np.log(np.maximum(number, 1)) + 0.8 * mean, -np.inf)
        uniform = act.uniform(act.key, (max(n, 1), 3))
        own = act.answers(uniform[:, :, :2], 0.7)
        gumbel = -np.log(-np.log(act.uniform(act.key + "|gumbel", (n, WRONG + 1))))
        with_own = np.repeat(belief[:, None, :], n, axis=1)
        rows, columns = np.indices((len(act.places), n))
        with_own[rows, columns, own] = np.logaddexp(with_own[rows, columns, own], 0.0)
        answers = (1.6 * with_own + gumbel).argmax(axis=2)
        act.spend(act.key, n, PROMPT + ANSWER * count, ANSWER)
        fused = replace(
            pool,
            answers=answers,
            present=np.ones_like(answers, dtype=bool),
            score=np.zeros_like(answers, dtype=float),
            sharpened=0.0,
        )
        return act.charged(fused)

    def _self_refine(self, pool: Candidates, act: Act) -> Candidates:
        solves = act.solves(0.7)[:, None]
        answers = pool.answers
        for turn in range(act.number("rounds", 1)):
            luck = act.uniform(f"{act.key}|{turn}", (answers.shape[1], 3))
            mended = (answers != 0) & (luck[:, :, 0] < 0.3 * solves)
            broken = (answers == 0) & (luck[:, :, 0] < 0.12 * (1 - solves))
            answers = np.where(mended, 0, np.where(broken, act.wrong(luck[:, :, 1]), answers))
        count = pool.present.sum(axis=1)
        act.spend(act.key, 2 * count * act.number("rounds", 1), PROMPT + 2 * ANSWER, ANSWER)
        return act.charged(replace(pool, answers=answers))
