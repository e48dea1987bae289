"""Ways to choose: every setting in turn, one at random, the one that was given."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from search.parameters import Parameter, Trial, Value
from search.template import Choose

T = TypeVar("T")


@dataclass(slots=True)
class _Turn:
    values: Sequence[Value]
    index: int = 0


class Recorded(Generic[T]):
    """What something becomes under choices, and which choices those were.

    Args:
        realise: Makes it, asking for what there is to choose.
        choose: Answers.
    """

    def __init__(self, realise: Callable[[Choose], T], choose: Choose) -> None:
        self.params: dict[str, Value] = {}

        def recorded(parameter: Parameter) -> Value:
            value = self.params[parameter.name] = choose(parameter)
            return value

        self.made: T = realise(recorded)


def every(realise: Callable[[Choose], T], values: Callable[[Parameter], Sequence[Value]]) -> Iterator[Recorded[T]]:
    """Everything that something can become, the last choice varying fastest.

    Args:
        realise: Makes it, asking for what there is to choose, in an order that earlier answers decide.
        values: The values to try of a parameter.
    """
    turns: list[_Turn] = []
    while True:
        yield Recorded(realise, _Replay(turns, values))
        while turns and turns[-1].index + 1 == len(turns[-1].values):
            turns.pop()
        if not turns:
            return
        turns[-1].index += 1


class _Replay:
    """Answers as planned, and with the first value where nothing is planned yet."""

    def __init__(self, turns: list[_Turn], values: Callable[[Parameter], Sequence[Value]]) -> None:
        self._turns = turns
        self._values = values
        self._asked = 0

    def __call__(self, parameter: Parameter) -> Value:
        if self._asked == len(self._turns):
            self._turns.append(_Turn(self._values(parameter)))
        turn = self._turns[self._asked]
        self._asked += 1
        return turn.values[turn.index]


def all_values(parameter: Parameter) -> Sequence[Value]:
    """Every value of a parameter that has finitely many."""
    size = parameter.domain.size
    assert not math.isinf(size)
    return [parameter.domain.at(index) for index in range(int(size))]


def suggested(trial: Trial) -> Choose:
    """Ask a trial of a study."""

    def choose(parameter: Parameter) -> Value:
        # A sampler's rounding must not make another value of what is meant to be the same.
        value = parameter.domain.suggest(parameter.name, trial)
        return parameter.domain.read(value) if parameter.holds(value) else value

    return choose


def drawn(rng: random.Random) -> Choose:
    """Every parameter at random by itself, as a random search does."""
    return lambda parameter: parameter.domain.draw(rng)


class Even:
    """Chooses nearly evenly among settings: a value as often as there are settings that begin with it.

    Attributes:
        stands_for: Of how many settings what was chosen is one, to an even eye: one over the probability of having
            been chosen. Its mean is the number of settings; a range without steps counts as one value.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.stands_for = 1.0

    def __call__(self, parameter: Parameter) -> Value:
        """One value."""
        if math.isinf(parameter.domain.size):
            return parameter.domain.draw(self._rng)
        weights = parameter.weights or [1] * int(parameter.domain.size)
        (index,) = self._rng.choices(range(len(weights)), weights)
        self.stands_for *= sum(weights) / weights[index]
        return parameter.domain.at(index)


def given(params: Mapping[str, Value], missing: Callable[[Parameter], Value]) -> Choose:
    """What is given, and what ``missing`` says where nothing is."""
    return lambda parameter: params[parameter.name] if parameter.name in params else missing(parameter)
