"""How techniques act in the simulated world of :mod:`search.simulated`: what they draw, see, and cost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from archon.architecture import Architecture, component_to_data
from archon.errors import ConfigError
from archon.technique import Technique
from search.laws import WRONG, Flags, Floats, Ints, Laws, Role, SimulatedModel

MOST = 16
"""How many samples there can be of one kind."""
PROMPT, ANSWER, SHOWN, REMARK, VERDICT, RANKED = 137, 27, 35, 80, 130, 5
"""Tokens, as they were in the samples that the laws are fitted to: of a prompt around what it shows, of an answer as it
is written and as it is shown, of a remark, of a verdict with its reasons, and of a candidate's place in a ranking."""
SECONDS_PER_TOKEN = 0.01


@dataclass(frozen=True)
class Candidates:
    """The candidates of all problems at one layer.

    Attributes:
        answers: Which answer each candidate gives, 0 the right one; shape (problems, candidates).
        present: Which of them there are.
        score: The last score of each; 0 where nothing scored it.
        remarked: Whether there are remarks on them.
        tokens: Prompt and completion tokens so far, per problem.
        usd: Dollars so far, per problem.
        calls: Requests so far, per problem.
        paid: Requests that nobody had made before, per problem.
        latency: Seconds on the critical path, per problem.
    """

    answers: Ints
    present: Flags
    score: Floats
    remarked: bool
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
    laws: Laws
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

    def number(self, name: str, default: int) -> int:
        """A setting that is a number."""
        value = getattr(self.technique, name, None)
        return default if value is None else int(value)

    def flag(self, name: str) -> bool:
        """A setting that is yes or no."""
        return bool(getattr(self.technique, name, False))

    def normal(self, what: str, shape: tuple[int, ...] = ()) -> Floats:
        """Numbers that stay what they are: those of problems, models and judges."""
        return lasting(self.world, what, shape)[self.places]

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
        quirk = self.normal(f"quirk {self.reference}")
        return self.world.laws.chance(self.model.ability, self.normal("difficulty"), quirk, temperature)

    def answers(self, luck: Floats, temperature: float) -> Ints:
        """Answers from two uniform numbers each; at temperature 0 all draws are the first one."""
        luck = np.repeat(luck[:, :1], luck.shape[1], axis=1) if temperature == 0 else luck
        right = luck[:, :, 0] < self.solves(temperature)[:, None]
        common, own = self.normal("popular", (WRONG,)), self.normal(f"popular {self.reference}", (WRONG,))
        return np.where(right, 0, self.world.laws.wrong(common, own, luck[:, :, 1]))

    def view(self, role: Role, answers: Ints, *, remarked: bool = False, look: str = "view") -> Floats:
        """What the model, as a judge, sees of each candidate; ``look`` tells one look from another."""
        lasting = np.take_along_axis(self.normal(f"fooled {self.reference}", (WRONG + 1,)), answers, axis=1)
        passing = self.fresh(look, answers.shape[1])
        return self.world.laws.view(role, self.model.ability, answers == 0, lasting, passing, remarked)

    def fresh(self, what: str, count: int) -> Floats:
        """Numbers from N(0, 1) that belong to this act, ``count`` for each problem."""
        return generator(self.world, f"{self.key}|{what}").standard_normal((self._all, count))[self.places]

    def reading(self, pool: Candidates) -> Floats:
        """Tokens of a prompt that shows all candidates, with the remarks on them."""
        return np.asarray(reading(pool.present.sum(axis=1), remarked=pool.remarked), dtype=np.float64)

    def spend(self, requests: int | Ints, prompt: int | Floats, reply: int | Ints) -> None:
        """Count requests, of one sample each, and which of them nobody made before."""
        one = np.ones(len(self.places))
        wanted = np.asarray(requests * one)
        have = self.drawn.setdefault(self.key, np.zeros(self._all, dtype=np.int64))
        self.paid = np.maximum(wanted - have[self.places], 0)
        have[self.places] = np.maximum(have[self.places], wanted.astype(np.int64))
        sent, written = np.asarray(prompt * wanted), np.asarray(reply * wanted)
        price_in, price_out = self.model.price
        self.tokens = sent + written
        self.usd = (sent * price_in + written * price_out) / 1e6
        self.calls = wanted
        self.latency = np.where(wanted > 0, 0.2 + SECONDS_PER_TOKEN * np.asarray(reply * one), 0.0)

    def charged(self, pool: Candidates) -> Candidates:
        """The pool with this technique's own costs in place of all earlier ones."""
        return replace(pool, tokens=self.tokens, usd=self.usd, calls=self.calls, paid=self.paid, latency=self.latency)


def reading(count: int | Ints, *, remarked: bool) -> int | Ints:
    """Tokens of a prompt that shows so many candidates, with remarks on them or without."""
    return PROMPT + (SHOWN + (REMARK if remarked else 0)) * count


def concatenate(before: Candidates, parts: Sequence[Candidates]) -> Candidates:
    """Parallel techniques: all candidates; costs add up, also to those of the layers before."""
    return Candidates(
        np.concatenate([part.answers for part in parts], axis=1),
        np.concatenate([part.present for part in parts], axis=1),
        np.concatenate([part.score for part in parts], axis=1),
        any(part.remarked for part in parts),
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


def anew(pool: Candidates, answers: Ints) -> Candidates:
    """The pool with new answers in place of all candidates, which nobody has judged."""
    present, score = np.ones_like(answers, dtype=bool), np.zeros_like(answers, dtype=float)
    return replace(pool, answers=answers, present=present, score=score, remarked=False)


def lasting(world: Ground, what: str, shape: tuple[int, ...] = ()) -> Floats:
    """Numbers from N(0, 1) that belong to every problem of a world, and to a name."""
    if what not in world.lasting:
        world.lasting[what] = generator(world, what).standard_normal((world.problems + world.unseen, *shape))
    return world.lasting[what]


def generator(world: Ground, what: str) -> np.random.Generator:
    """Random numbers that belong to a world and a name."""
    digest = hashlib.blake2b(f"{world.seed}|{what}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
