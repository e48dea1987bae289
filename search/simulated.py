"""A simulated world to search in: models of known ability, problems of known difficulty, judges that err.

Simulated: a world of laws, calibrated to nothing but plausibility. It says how well a *search* works when the truth is
known, and nothing about any language model. The laws:

- A problem p has a difficulty b ~ N(0, 1.2) and one right and :data:`WRONG` wrong answers, of which some are popular.
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

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from archon.architecture import Architecture, component_to_data
from archon.errors import ConfigError
from archon.technique import Technique
from evals.statistics.pools import Pool
from search.evaluator import Outcome

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WRONG = 6
MOST = 16
PROMPT, ANSWER, REMARK, VERDICT = 150, 250, 80, 60
SECONDS_PER_TOKEN = 0.01


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model of the world.

    Attributes:
        ability: On the scale of the difficulties.
        price: US dollars per million tokens, in and out.
    """

    ability: float
    price: tuple[float, float]


@dataclass(frozen=True)
class Candidates:
    """The candidates of all problems at one layer.

    Attributes:
        answers: Which answer each candidate gives, 0 the right one; shape (problems, candidates).
        present: Which of them there are.
        score: What scored them saw last; 0 where nothing did.
        sharpened: By how much remarks sharpen the next judgement.
        tokens: Prompt and completion tokens so far, per problem.
        usd: Dollars so far, per problem.
        calls: Requests so far, per problem.
        paid: Requests that nobody had made before, per problem.
        latency: Seconds on the critical path, per problem.
    """

    answers: Ints
    present: NDArray[np.bool_]
    score: Floats
    sharpened: float
    tokens: Floats
    usd: Floats
    calls: Floats
    paid: Floats
    latency: Floats


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
        act = _Act.of(self, architecture.layers[0][0], architecture, places, self._drawn)
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
            pool = _concatenate(pool, parts)
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
        act = _Act.of(self, technique, architecture, places, drawn, said, ordinal)
        return step(pool, act)  # type: ignore[no-any-return]

    def _generate(self, pool: Candidates, act: _Act) -> Candidates:
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

    def _critique(self, pool: Candidates, act: _Act) -> Candidates:
        count = pool.present.sum(axis=1)
        act.spend(act.key, 1, PROMPT + ANSWER * count, REMARK * count)
        return act.charged(replace(pool, sharpened=0.35 * act.acuity))

    def _rank(self, pool: Candidates, act: _Act) -> Candidates:
        count = pool.present.sum(axis=1)
        blur = 1 + 0.03 * (count - 1)[:, None]
        view = act.view(pool, blur)
        act.spend(act.key, 1, PROMPT + ANSWER * count, 5 * count)
        return act.charged(_best(pool, view, act.number("keep", 5)))

    def _score(self, pool: Candidates, act: _Act) -> Candidates:
        view = act.view(pool, 1.25)
        count = pool.present.sum(axis=1)
        act.spend(act.key, count, PROMPT + ANSWER, 1)
        keep = act.number("keep", 0)
        scored = replace(pool, score=view)
        return act.charged(_best(scored, view, keep) if keep else scored)

    def _verify(self, pool: Candidates, act: _Act) -> Candidates:
        passed = (act.view(pool, 0.9) > 0) & pool.present
        count = pool.present.sum(axis=1)
        act.spend(act.key, 2 * count, PROMPT + ANSWER, VERDICT)
        nobody = np.logical_not(passed.any(axis=1, keepdims=True))
        kept = replace(pool, present=np.where(nobody, pool.present, passed))
        return act.charged(_best(kept, np.zeros(kept.answers.shape), kept.answers.shape[1]))

    def _vote(self, pool: Candidates, act: _Act) -> Candidates:
        weights = np.where(pool.present, 1.0, 0.0)
        if act.flag("weighted"):
            weights = weights * (1 / (1 + np.exp(-pool.score)))
        votes = np.stack([(weights * (pool.answers == a)).sum(axis=1) for a in range(WRONG + 1)], axis=1)
        # Ties go to whoever comes first among the candidates.
        first = np.stack(
            [np.where((pool.answers == a) & pool.present, 1.0, 0.0).argmax(axis=1) for a in range(WRONG + 1)], axis=1
        )
        chosen = (votes - 1e-6 * first).argmax(axis=1)
        return act.charged(_single(pool, chosen))

    def _fuse(self, pool: Candidates, act: _Act) -> Candidates:
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

    def _self_refine(self, pool: Candidates, act: _Act) -> Candidates:
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


_KNOWN = ("generate", "critique", "rank", "score", "verify", "vote", "fuse", "self_refine")


@dataclass
class _Act:
    """One technique at work on some problems."""

    world: World
    technique: Technique
    reference: str
    architecture: Architecture
    places: Ints
    said: str
    drawn: dict[str, Ints]
    ordinal: int
    tokens: Floats = field(init=False)
    usd: Floats = field(init=False)
    calls: Floats = field(init=False)
    paid: Floats = field(init=False)
    latency: Floats = field(init=False)

    @classmethod
    def of(
        cls,
        world: World,
        technique: Technique,
        architecture: Architecture,
        places: Ints,
        drawn: dict[str, Ints],
        said: str = "",
        ordinal: int = 0,
    ) -> _Act:
        """The technique with the model that it asks."""
        asks = technique.reward if technique.kind == "score" else technique  # type: ignore[attr-defined]
        role = getattr(asks, "model", None)
        reference = architecture.models[role].use if role in architecture.models else str(role)
        return cls(world, technique, reference, architecture, places, said, drawn, ordinal)

    def __post_init__(self) -> None:
        zero = np.zeros(len(self.places))
        self.tokens = self.usd = self.calls = self.paid = self.latency = zero

    @property
    def key(self) -> str:
        if self.technique.kind == "generate":
            # How many are drawn changes nothing in each.
            return f"generate|{self.reference}|{self.temperature}|{self.ordinal}"
        return f"{self.said}|{self.ordinal}|{self.reference}|{component_to_data(self.technique)}"

    @property
    def temperature(self) -> float:
        own = getattr(self.technique, "temperature", None)
        role = getattr(self.technique, "model", "")
        spec = self.architecture.models.get(role)
        value = own if own is not None else getattr(spec, "temperature", None)
        return 0.7 if value is None else float(value)

    @property
    def model(self) -> SimulatedModel:
        if self.reference not in self.world.models:
            raise ConfigError(f"The simulated world has no model '{self.reference}'.")
        return self.world.models[self.reference]

    @property
    def acuity(self) -> float:
        return float(0.25 + 0.9 / (1 + np.exp(-1.2 * self.model.ability)))

    def number(self, name: str, default: int) -> int:
        value = getattr(self.technique, name, None)
        return default if value is None else int(value)

    def flag(self, name: str) -> bool:
        return bool(getattr(self.technique, name, False))

    def normal(self, what: str, shape: tuple[int, ...] = ()) -> Floats:
        """Numbers that stay what they are: those of problems, models and judges."""
        lasting = self.world.lasting
        if what not in lasting:
            lasting[what] = _generator(self.world, what).standard_normal((self._all, *shape))
        return lasting[what][self.places]

    def luck(self) -> Floats:
        """The draws of samples: two uniform numbers for each of the most there can be."""
        lasting = self.world.lasting
        if self.key not in lasting:
            lasting[self.key] = _generator(self.world, self.key).random((self._all, MOST, 2))
        return lasting[self.key][self.places]

    def uniform(self, what: str, shape: tuple[int, ...]) -> Floats:
        """Fresh uniform numbers."""
        return _generator(self.world, what).random((self._all, *shape))[self.places]

    @property
    def _all(self) -> int:
        return self.world.problems + self.world.unseen

    def solves(self, temperature: float) -> Floats:
        """How likely the model is to answer each problem rightly."""
        difficulty = 1.2 * self.normal("difficulty")
        quirk = 0.7 * self.normal(f"quirk {self.reference}")
        sharp = 1.6 / (0.45 + temperature)
        return 1 / (1 + np.exp(-sharp * (self.model.ability - difficulty - quirk)))

    def wrong(self, luck: Floats) -> Ints:
        """Wrong answers by their popularity."""
        popular = np.exp(1.1 * self.normal("popular", (WRONG,)))
        edges = np.cumsum(popular / popular.sum(axis=1, keepdims=True), axis=1)
        return np.asarray(1 + np.minimum((luck[:, :, None] > edges[:, None, :]).sum(axis=2), WRONG - 1))

    def answers(self, luck: Floats, temperature: float) -> Ints:
        """Answers from two uniform numbers each; at temperature 0 all draws are the first one."""
        luck = np.repeat(luck[:, :1], luck.shape[1], axis=1) if temperature == 0 else luck
        right = luck[:, :, 0] < self.solves(temperature)[:, None]
        return np.where(right, 0, self.wrong(luck[:, :, 1]))

    def view(self, pool: Candidates, blur: float | Floats) -> Floats:
        """What the model, as a judge, sees of each candidate: above 0 looks right."""
        fooled = self.normal(f"fooled {self.reference}", (WRONG + 1,))
        signal = np.where(pool.answers == 0, 1.0, -1.0) * (self.acuity + pool.sharpened)
        lasting = 0.7 * np.take_along_axis(fooled, pool.answers, axis=1)
        fresh = 0.5 * _fresh(self.uniform(self.key + "|view", (max(pool.answers.shape[1], 1),)))
        return signal + blur * (lasting + fresh[:, : pool.answers.shape[1]])

    def spend(self, key: str, requests: int | Ints, prompt: int | Ints, reply: int | Ints, prompts: int = 0) -> None:
        """Count requests, and which of them nobody made before; ``prompts`` 1 sends the prompt once for all."""
        one = np.ones(len(self.places))
        wanted = np.asarray(requests * one)
        sent = np.asarray(prompt * one) * (one if prompts else wanted)
        written = np.asarray(reply * one) * wanted
        have = self.drawn.setdefault(key, np.zeros(self._all, dtype=np.int64))
        self.paid = np.maximum(wanted - have[self.places], 0)
        have[self.places] = np.maximum(have[self.places], wanted.astype(np.int64))
        price_in, price_out = self.model.price
        self.tokens = sent + written
        self.usd = (sent * price_in + written * price_out) / 1e6
        self.calls = wanted
        self.latency = np.where(wanted > 0, 0.2 + SECONDS_PER_TOKEN * np.asarray(reply * one), 0.0)

    def totals(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        return self.tokens, self.usd, self.calls, self.paid, self.latency

    def charged(self, pool: Candidates) -> Candidates:
        """The pool with this technique's own costs in place of all earlier ones."""
        tokens, usd, calls, paid, latency = self.totals()
        return replace(pool, tokens=tokens, usd=usd, calls=calls, paid=paid, latency=latency)


def _concatenate(before: Candidates, parts: Sequence[Candidates]) -> Candidates:
    """Parallel techniques: all candidates; costs add up, also to those of the layers before."""
    return Candidates(
        np.concatenate([part.answers for part in parts], axis=1),
        np.concatenate([part.present for part in parts], axis=1),
        np.concatenate([part.score for part in parts], axis=1),
        max(part.sharpened for part in parts),
        before.tokens + np.sum([part.tokens for part in parts], axis=0),
        before.usd + np.sum([part.usd for part in parts], axis=0),
        before.calls + np.sum([part.calls for part in parts], axis=0),
        before.paid + np.sum([part.paid for part in parts], axis=0),
        before.latency + np.max([part.latency for part in parts], axis=0),
    )


def _best(pool: Candidates, view: Floats, keep: int) -> Candidates:
    """The candidates that look best, in that order; those that are not there come last."""
    order = np.argsort(-np.where(pool.present, view, -np.inf), axis=1, kind="stable")[:, :keep]
    return replace(
        pool,
        answers=np.take_along_axis(pool.answers, order, axis=1),
        present=np.take_along_axis(pool.present, order, axis=1),
        score=np.take_along_axis(pool.score, order, axis=1),
    )


def _single(pool: Candidates, answers: Ints) -> Candidates:
    one = answers[:, None]
    return replace(pool, answers=one, present=np.ones_like(one, dtype=bool), score=np.zeros(one.shape), sharpened=0.0)


def _generator(world: World, what: str) -> np.random.Generator:
    digest = hashlib.blake2b(f"{world.seed}|{what}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _fresh(uniform: Floats) -> Floats:
    """Logistic noise of unit variance."""
    clipped = np.clip(uniform, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)) * math.sqrt(3) / math.pi)
