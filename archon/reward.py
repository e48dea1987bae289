"""What a reward is: a frozen, validated configuration that says how good candidates are.

A new reward is a class in a file of its own, found through the same entry points as techniques::

    class Brevity(Reward, kind="brevity"):
        '''Prefer short answers.'''

        async def measure(self, state: State, context: Context) -> list[float | Failure]:
            return [1 / (1 + len(candidate.text)) for candidate in state.candidates]

Techniques hold one in a field of type :data:`RewardField`, written in YAML as ``reward: {judge: {model: m}}``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, SerializeAsAny

from archon.kinds import Configuration, Overrides, Registry, kind_to_data
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef


class Reward(Configuration, ABC):
    """Says how good each of a state's candidates is, as an answer or as the beginning of one.

    A candidate's text may stop anywhere: search scores the beginnings of answers with the rewards that best-of-N
    scores answers with. Whether that makes sense is a matter of the kind, which says so in :attr:`scores_beginnings`.
    """

    kinds: ClassVar[Registry[Reward]] = Registry("reward")

    @property
    def low(self) -> float:
        """The least score there can be."""
        return 0.0

    @property
    def high(self) -> float:
        """The highest score there can be."""
        return 1.0

    @property
    def scores_beginnings(self) -> bool:
        """Whether an answer that is not finished can be scored."""
        return False

    def for_beginnings(self) -> Reward:
        """The reward that scores answers which break off, where this one scores whole ones.

        Raises:
            ValueError: There is none; the message says what to do about it.
        """
        if not self.scores_beginnings:
            remedy = "; write `unfinished: true` if it does" if "unfinished" in type(self).model_fields else ""
            raise ValueError(f"{self.kind} is not known to score beginnings of answers, which a search needs{remedy}")
        return self

    @abstractmethod
    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Score the candidates, of which there is at least one; what is wrong with a score :meth:`score` finds out."""

    async def score(self, state: State, context: Context) -> list[float | Failure]:
        """How good each candidate of the state is.

        Args:
            state: The task, the candidates, and the unit tests that some kinds judge by.
            context: Where to draw; a technique passes a fork of its own.

        Returns:
            For every candidate, in order, a number from :attr:`low` to :attr:`high`, or why there is none.

        Raises:
            ConfigError: The reward cannot work here, whatever the candidates are.
        """
        if not state.candidates:
            return []
        scores = await self.measure(state, context)
        if len(scores) != len(state.candidates):
            problem = f"{self.kind} gave {len(scores)} scores for {len(state.candidates)} candidates"
            return [Failure(context.layer, "parse", problem)] * len(state.candidates)
        return [self._checked(score, context) for score in scores]

    def plan(self, candidates: int) -> tuple[Ask, ...] | None:
        """What is asked to score that many candidates, its first step numbered 0; ``None`` if that is not known.

        A pure function whose bounds do not fall when there are more candidates.
        """
        return None

    def _checked(self, score: object, context: Context) -> float | Failure:
        if isinstance(score, Failure):
            return score
        # Text and truth values are no scores even where Python would count with them.
        if isinstance(score, bool) or not isinstance(score, Real):
            return Failure(context.layer, "parse", f"{self.kind} gave a {type(score).__name__} instead of a number")
        try:
            number = float(score)
        except OverflowError:
            number = math.inf
        if not (self.low <= number <= self.high and math.isfinite(number)):
            problem = f"{self.kind} gave {number:g}, which is not a number from {self.low:g} to {self.high:g}"
            return Failure(context.layer, "parse", problem)
        return number


class SampledReward(Reward, Overrides, ABC):
    """A reward that draws from a model and may override the model's own sampling settings."""

    model: ModelRef


def parse_reward(value: Any) -> Reward:
    """A reward from ``{kind: settings}``, from a bare ``kind``, or from itself.

    Raises:
        ValidationError: It is neither, or its settings are wrong; locations start with the kind.
    """
    return Reward.kinds.parse(value, "a reward is one kind with its settings, such as `judge: {model: m}`")


RewardField = Annotated[SerializeAsAny[Reward], BeforeValidator(parse_reward), PlainSerializer(kind_to_data)]
"""A reward among a technique's settings."""


def rewards() -> dict[str, type[Reward]]:
    """Every reward there is, by kind, the entry points' included.

    Raises:
        ConfigError: No package provides any, or a user's module hides the built-in ones.
    """
    return Reward.kinds.all()


def reward(kind: str) -> type[Reward]:
    """The reward of that kind.

    Raises:
        ConfigError: There is none; the message names the nearest and lists what exists.
    """
    return Reward.kinds.get(kind)
