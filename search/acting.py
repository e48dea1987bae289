"""How techniques act in the simulated world of :mod:`search.simulated`: what they draw, see, and cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from archon.architecture import Architecture, component_to_data
from archon.errors import ConfigError
from archon.technique import Technique

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


class Ground(Protocol):
    """What a technique at work knows of its world."""

    seed: int
    problems: int
    unseen: int
    models: Mapping[str, SimulatedModel]
    lasting: dict[str, Floats]


@dataclass
class Act:
    """One technique at work on some problems."""

    world: Ground
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
        world: Ground,
        technique: Technique,
        architecture: Architecture,
        places: Ints,
        drawn: dict[str, Ints],
        said: str = "",
        ordinal: int = 0,
    ) -> Act:
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
        """What decides its draws: all that went before, and itself."""
        if self.technique.kind == "generate":
            # How many are drawn changes nothing in each.
            return f"generate|{self.reference}|{self.temperature}|{self.ordinal}"
        return f"{self.said}|{self.ordinal}|{self.reference}|{component_to_data(self.technique)}"

    @property
    def temperature(self) -> float:
        """Its own, or that of its model, or 0.7."""
        own = getattr(self.technique, "temperature", None)
        role = getattr(self.technique, "model", "")
        spec = self.architecture.models.get(role)
        value = own if own is not None else getattr(spec, "temperature", None)
        return 0.7 if value is None else float(value)

    @property
    def model(self) -> SimulatedModel:
        """Who does it."""
        if self.reference not in self.world.models:
            raise ConfigError(f"The simulated world has no model '{self.reference}'.")
        return self.world.models[self.reference]

    @property
    def acuity(self) -> float:
        """How well the model tells right from wrong."""
        return float(0.25 + 0.9 / (1 + np.exp(-1.2 * self.model.ability)))

    def number(self, name: str, default: int) -> int:
        """A setting that is a number."""
        value = getattr(self.technique, name, None)
        return default if value is None else int(value)

    def flag(self, name: str) -> bool:
        """A setting that is yes or no."""
        return bool(getattr(self.technique, name, False))

    def normal(self, what: str, shape: tuple[int, ...] = ()) -> Floats:
        """Numbers that stay what they are: those of problems, models and judges."""
        lasting = self.world.lasting
        if what not in lasting:
            lasting[what] = generator(self.world, what).standard_normal((self._all, *shape))
        return lasting[what][self.places]

    def luck(self) -> Floats:
        """The draws of samples: two uniform numbers for each of the most there can be."""
        lasting = self.world.lasting
        if self.key not in lasting:
            lasting[self.key] = generator(self.world, self.key).random((self._all, MOST, 2))
        return lasting[self.key][self.places]

    def uniform(self, what: str, shape: tuple[int, ...]) -> Floats:
        """Fresh uniform numbers."""
        return generator(self.world, what).random((self._all, *shape))[self.places]

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
        passing = 0.5 * fresh(self.uniform(self.key + "|view", (max(pool.answers.shape[1], 1),)))
        return signal + blur * (lasting + passing[:, : pool.answers.shape[1]])

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
        """Tokens, dollars, calls, paid calls and seconds, per problem."""
        return self.tokens, self.usd, self.calls, self.paid, self.latency

    def charged(self, pool: Candidates) -> Candidates:
        """The pool with this technique's own costs in place of all earlier ones."""
        tokens, usd, calls, paid, latency = self.totals()
        return replace(pool, tokens=tokens, usd=usd, calls=calls, paid=paid, latency=latency)


def concatenate(before: Candidates, parts: Sequence[Candidates]) -> Candidates:
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


def best(pool: Candidates, view: Floats, keep: int) -> Candidates:
    """The candidates that look best, in that order; those that are not there come last."""
    order = np.argsort(-np.where(pool.present, view, -np.inf), axis=1, kind="stable")[:, :keep]
    return replace(
        pool,
        answers=np.take_along_axis(pool.answers, order, axis=1),
        present=np.take_along_axis(pool.present, order, axis=1),
        score=np.take_along_axis(pool.score, order, axis=1),
    )


def single(pool: Candidates, answers: Ints) -> Candidates:
    """One candidate per problem, with these answers."""
    one = answers[:, None]
    return replace(pool, answers=one, present=np.ones_like(one, dtype=bool), score=np.zeros(one.shape), sharpened=0.0)


def generator(world: Ground, what: str) -> np.random.Generator:
    """Random numbers that belong to a world and a name."""
    digest = hashlib.blake2b(f"{world.seed}|{what}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def fresh(uniform: Floats) -> Floats:
    """Logistic noise of unit variance."""
    clipped = np.clip(uniform, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)) * math.sqrt(3) / math.pi)
