"""What a search may set: named parameters, the values each may take, and whoever chooses among them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Value = str | int | float | bool | None
"""A value of a parameter, of a kind that every storage of studies keeps as it is."""

Params = Mapping[str, Value]
"""The values of the parameters that are active together, by name: one setting of a space."""

# A step that does not divide a range, or a value between two steps, is off by more than rounding makes it.
TOLERANCE = 1e-9
DIGITS = 12


class Trial(Protocol):
    """Whoever suggests values, such as :class:`optuna.trial.Trial`."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from ``low`` to ``high``."""
        ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number from ``low`` to ``high``."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True, slots=True)
class Ints:
    """Whole numbers from ``low`` to ``high``, both included, ``step`` apart; ``log`` suggests them by ratio."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    @property
    def size(self) -> int:
        """How many values."""
        return (self.high - self.low) // self.step + 1

    def at(self, index: int) -> int:
        """The value with that index, ascending."""
        return self.low + index * self.step

    def read(self, value: Value) -> int | None:
        """The value as this domain writes it, ``None`` if it is not among its values."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != round(value):
            return None
        inside = self.low <= value <= self.high and (value - self.low) % self.step == 0
        return round(value) if inside else None

    def suggest(self, name: str, trial: Trial) -> Value:
        """Ask for one value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def draw(self, rng: random.Random) -> int:
        """One value at random, by ratio if ``log``."""
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
            return min(self.high, max(self.low, round(drawn)))
        return self.at(rng.randrange(self.size))

    @property
    def extremes(self) -> tuple[Value, ...]:
        """The values that a constraint would turn down first."""
        return (self.low, self.at(self.size - 1))

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"{self.low} to {self.high}{steps}{' (log)' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Floats:
    """Real numbers from ``low`` to ``high``, both included, ``step`` apart if given; ``log`` suggests by ratio."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def size(self) -> int | float:
        """How many values; infinite without steps."""
        return math.inf if self.step is None else round((self.high - self.low) / self.step) + 1

    def at(self, index: int) -> float:
        """The value with that index, ascending; without steps there is only the first one.

        Raises:
            ValueError: There are no steps to count.
        """
        if self.step is None:
            raise ValueError("a range without steps has no numbered values")
        return round(self.low + index * self.step, DIGITS)

    def read(self, value: Value) -> float | None:
        """The value as this domain writes it, ``None`` if it is not among its values."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not self.low - TOLERANCE <= value <= self.high + TOLERANCE:
            return None
        if self.step is None:
            return float(min(max(value, self.low), self.high))
        index = round((value - self.low) / self.step)
        return self.at(index) if abs(self.at(index) - value) <= TOLERANCE else None

    def suggest(self, name: str, trial: Trial) -> Value:
        """Ask for one value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def draw(self, rng: random.Random) -> float:
        """One value at random, by ratio if ``log``."""
        if self.step is not None:
            return self.at(rng.randrange(int(self.size)))
        if self.log:
            return min(self.high, max(self.low, math.exp(rng.uniform(math.log(self.low), math.log(self.high)))))
        return rng.uniform(self.low, self.high)

    @property
    def extremes(self) -> tuple[Value, ...]:
        """The values that a constraint would turn down first."""
        return (self.low, self.high)

    def __str__(self) -> str:
        steps = f" in steps of {self.step:g}" if self.step is not None else ""
        return f"{self.low:g} to {self.high:g}{steps}{' (log)' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Choices:
    """One of a fixed set of values."""

    values: tuple[Value, ...]

    @property
    def size(self) -> int:
        """How many values."""
        return len(self.values)

    def at(self, index: int) -> Value:
        """The value with that index, in the order of the document."""
        return self.values[index]

    def index(self, value: Value) -> int | None:
        """Where a value stands, ``None`` if it does not; ``True`` is not 1 here."""
        same = (i for i, known in enumerate(self.values) if known == value and type(known) is type(value))
        return next(same, None)

    def read(self, value: Value) -> Value:
        """The value itself, ``None`` if it is not among them (or is ``None`` itself)."""
        index = self.index(value)
        return None if index is None else self.values[index]

    def suggest(self, name: str, trial: Trial) -> Value:
        """Ask for one value."""
        chosen: Value = trial.suggest_categorical(name, self.values)
        return chosen

    def draw(self, rng: random.Random) -> Value:
        """One value at random."""
        return self.values[rng.randrange(len(self.values))]

    @property
    def extremes(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values

    def __str__(self) -> str:
        return ", ".join("null" if value is None else str(value) for value in self.values)


Domain = Ints | Floats | Choices


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing to choose.

    Attributes:
        name: Its place in the template, the branches that lead there included, so that one name always stands for one
            domain.
        domain: Its values.
        when: The choices that make it matter, in words; empty if it always does.
        weights: Of how many settings each value is the beginning, as far as this branch alone decides that.
    """

    name: str
    domain: Domain
    when: str = ""
    weights: tuple[int, ...] | None = field(default=None, compare=False)

    def holds(self, value: Value) -> bool:
        """Whether a value is one of its own."""
        if isinstance(self.domain, Choices):
            return self.domain.index(value) is not None
        return self.domain.read(value) is not None
