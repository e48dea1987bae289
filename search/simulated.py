"""A simulated world to search in: models of known ability, problems of known difficulty, judges that err.

Simulated: it says how well a *search* works when the truth is known. Its laws are plain; the numbers in them
(:mod:`search.laws`) are fitted to real samples of two small models. The laws:

- A problem p has a difficulty b ~ N(0, difficulty), one right answer and twenty wrong ones, of which some are popular.
- A model m of ability a answers p rightly with probability ``logistic(sharp(T) * (a - b - e))``, where e ~ N(0, quirk)
  belongs to (m, p), so that the errors of one model are correlated, and ``sharp`` falls with the temperature T. A wrong
  answer is drawn by popularity, with everybody and with m, so that a majority can be wrong for good.
- A judge sees right and wrong answers as far apart as its ability says, through noise of which a part belongs to
  (judge, p, answer), so that it is fooled by the same answer again and again, and the rest is fresh. It ranks, scores
  and verifies by what it sees; remarks change how far apart they look.
- A fuser takes up the candidate that looks best to it, or answers by itself.
- Every sample is a call of its own, and costs what the model's price and the length of prompt and reply say.

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
    RANKED,
    REMARK,
    SECONDS_PER_TOKEN,
    VERDICT,
    Act,
    Candidates,
    anew,
    best,
    concatenate,
)
from search.evaluator import Outcome
from search.laws import WRONG, Floats, Ints, Laws, SimulatedModel

__all__ = ["World"]

_KNOWN = ("generate", "critique", "rank", "score", "verify", "vote", "fuse")


@dataclass
class World:
    """Problems and models; evaluates architectures on its first ``problems`` problems.

    An :class:`search.evaluator.Evaluator`. Knows ``generate``, ``critique``, ``rank``, ``score``, ``verify``, ``vote``
    and ``fuse``.

    Args:
        seed: Decides everything.
        problems: How many problems the search sees.
        models: The models by the reference that architectures use.
        share: Whether samples that an earlier architecture drew are free.
        unseen: How many more problems there are, on which :meth:`truth` measures.
        laws: The numbers of the world.
        paid: Requests that :meth:`evaluate` has really made so far.
        lasting: The numbers of problems, models and judges, by what they are.
    """

    seed: int
    problems: int
    models: Mapping[str, SimulatedModel]
    share: bool = True
    unseen: int = 0
    laws: Laws = Laws()  # noqa: RUF009 - frozen
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
        nothing = Candidates(empty, empty.astype(bool), empty.astype(float), False, zero, zero, zero, zero, zero)
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
        act.spend(n, PROMPT, ANSWER)
        return act.charged(anew(pool, answers))

    def _critique(self, pool: Candidates, act: Act) -> Candidates:
        count = pool.present.sum(axis=1)
        act.spend(1, act.reading(pool), REMARK * count)
        return act.charged(replace(pool, remarked=True))

    def _rank(self, pool: Candidates, act: Act) -> Candidates:
        count = pool.present.sum(axis=1)
        view = act.view("rank", pool.answers, remarked=pool.remarked)
        # Nobody is asked to rank one candidate.
        act.spend(np.minimum(count - 1, 1), act.reading(pool), RANKED * count)
        return act.charged(best(pool, view, act.number("keep", 5)))

    def _score(self, pool: Candidates, act: Act) -> Candidates:
        view = act.view("score", pool.answers)
        count = pool.present.sum(axis=1)
        act.spend(count, PROMPT + ANSWER, 1)
        keep = act.number("keep", 0)
        scored = replace(pool, score=self.laws.probability(act.model.ability, view))
        return act.charged(best(scored, view, keep) if keep else scored)

    def _verify(self, pool: Candidates, act: Act) -> Candidates:
        passed = (act.view("verify", pool.answers) > 0) & pool.present
        count = pool.present.sum(axis=1)
        act.spend(2 * count, PROMPT + ANSWER + VERDICT // 2, VERDICT // 2)
        nobody = np.logical_not(passed.any(axis=1, keepdims=True))
        kept = replace(pool, present=np.where(nobody, pool.present, passed), remarked=True)
        return act.charged(best(kept, np.zeros(kept.answers.shape), kept.answers.shape[1]))

    def _vote(self, pool: Candidates, act: Act) -> Candidates:
        weights = np.where(pool.present, pool.score if act.flag("weighted") else 1.0, 0.0)
        votes = np.stack([(weights * (pool.answers == a)).sum(axis=1) for a in range(WRONG + 1)], axis=1)
        # Ties go to anybody.
        chosen = (votes + 1e-9 * act.fresh("tie", WRONG + 1)).argmax(axis=1)
        return act.charged(anew(pool, chosen[:, None]))

    def _fuse(self, pool: Candidates, act: Act) -> Candidates:
        n = act.number("n", 1)
        luck = act.uniform(act.key, (n, 3))
        own = act.answers(luck[:, :, :2], act.temperature)
        taken = []
        for draw in range(n):
            view = act.view("fuse", pool.answers, remarked=pool.remarked, look=f"view {draw}")
            first = np.where(pool.present, view, -np.inf).argmax(axis=1)
            taken.append(np.take_along_axis(pool.answers, first[:, None], axis=1))
        answers = np.where(luck[:, :, 2] < self.laws.alone, own, np.concatenate(taken, axis=1))
        act.spend(n, act.reading(pool), ANSWER)
        return act.charged(anew(pool, answers))
