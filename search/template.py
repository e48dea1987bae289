"""An architecture with parts left open: a tree that choices turn into an architecture's data.

Settings (:data:`Setting`) become the value of one field; sections (:data:`Section`) become any number of layers, or of
components inside a layer. Every node knows three things: what it becomes, of how many settings it is, and which
parameters it has. Only parameters on the way that was chosen are ever asked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from search.parameters import Choices, Parameter, Value

Choose = Callable[[Parameter], Value]
"""Told a parameter, the value to take."""

Tally = Counter[tuple[frozenset[str], bool]]
"""Of how many settings something is, by the models they name and by whether they leave anything at all."""

NOTHING: tuple[frozenset[str], bool] = (frozenset(), False)


def ask(parameter: Parameter, choose: Choose) -> Value:
    """The value of a parameter; one that has no choice is not asked for."""
    return parameter.domain.at(0) if parameter.domain.size == 1 else choose(parameter)


def product(tallies: Iterable[Tally]) -> Tally:
    """The tally of things that are chosen independently of each other."""
    total: Tally = Counter({NOTHING: 1})
    for tally in tallies:
        joined: Tally = Counter()
        for (roles, some), count in total.items():
            for (more, too), number in tally.items():
                joined[roles | more, some or too] += count * number
        total = joined
    return total


def union(tallies: Iterable[Tally]) -> Tally:
    """The tally of things of which one is chosen."""
    total: Tally = Counter()
    for tally in tallies:
        total.update(tally)
    return total


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as it stands; ``roles`` are the models of the architecture that it names."""

    value: Any
    roles: frozenset[str] = frozenset()

    def realise(self, choose: Choose, used: set[str]) -> Any:
        """The value; the models it names are added to ``used``."""
        used |= self.roles
        return self.value

    def tally(self) -> Tally:
        """There is one."""
        return Counter({(self.roles, False): 1})

    def parameters(self) -> Iterator[Parameter]:
        """None."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Range:
    """A number from a range."""

    parameter: Parameter

    def realise(self, choose: Choose, used: set[str]) -> Any:
        """The number."""
        return ask(self.parameter, choose)

    def tally(self) -> Tally:
        """As many as there are numbers; a range without steps counts as one."""
        size = self.parameter.domain.size
        return Counter({NOTHING: 1 if math.isinf(size) else int(size)})

    def parameters(self) -> Iterator[Parameter]:
        """One, unless there is but one number."""
        if self.parameter.domain.size > 1:
            yield self.parameter


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several settings, or of several sections, which may have parameters of their own."""

    parameter: Parameter
    options: tuple[Setting | Section, ...]

    def realise(self, choose: Choose, used: set[str]) -> Any:
        """What the chosen one becomes."""
        chosen = ask(self.parameter, choose)
        assert isinstance(self.parameter.domain, Choices)
        index = self.parameter.domain.index(chosen)
        assert index is not None
        return self.options[index].realise(choose, used)

    def tally(self) -> Tally:
        """The sum over the options."""
        return union(option.tally() for option in self.options)

    def parameters(self) -> Iterator[Parameter]:
        """Which one, and then those of all options."""
        if self.parameter.domain.size > 1:
            yield self.parameter
        for option in self.options:
            yield from option.parameters()


@dataclass(frozen=True, slots=True)
class Settings:
    """A mapping or a list of settings."""

    keys: tuple[str, ...] | None
    values: tuple[Setting, ...]

    def realise(self, choose: Choose, used: set[str]) -> Any:
        """The same with everything chosen."""
        done = [value.realise(choose, used) for value in self.values]
        return done if self.keys is None else dict(zip(self.keys, done, strict=True))

    def tally(self) -> Tally:
        """The product over the values."""
        return product(value.tally() for value in self.values)

    def parameters(self) -> Iterator[Parameter]:
        """Those of all values, in order."""
        for value in self.values:
            yield from value.parameters()


Setting = Constant | Range | Choice | Settings


@dataclass(frozen=True, slots=True)
class Single:
    """One component."""

    component: Setting

    def realise(self, choose: Choose, used: set[str]) -> list[Any]:
        """A list of it alone."""
        return [self.component.realise(choose, used)]

    def tally(self) -> Tally:
        """That of the component, which is always there."""
        return _some(self.component.tally())

    def parameters(self) -> Iterator[Parameter]:
        """Those of the component."""
        return self.component.parameters()


@dataclass(frozen=True, slots=True)
class Row:
    """Sections one after the other; with none it leaves nothing."""

    sections: tuple[Section, ...]

    def realise(self, choose: Choose, used: set[str]) -> list[Any]:
        """All that they leave."""
        return [item for section in self.sections for item in section.realise(choose, used)]

    def tally(self) -> Tally:
        """The product over the sections."""
        return product(section.tally() for section in self.sections)

    def parameters(self) -> Iterator[Parameter]:
        """Those of all sections, in order."""
        for section in self.sections:
            yield from section.parameters()


@dataclass(frozen=True, slots=True)
class Parallel:
    """Components side by side in one layer: none at all leaves no layer, and one alone is a layer by itself."""

    sections: tuple[Section, ...]

    def realise(self, choose: Choose, used: set[str]) -> list[Any]:
        """The layer."""
        items = Row(self.sections).realise(choose, used)
        return [items] if len(items) > 1 else items

    def tally(self) -> Tally:
        """The product over the sections."""
        return product(section.tally() for section in self.sections)

    def parameters(self) -> Iterator[Parameter]:
        """Those of all sections, in order."""
        return Row(self.sections).parameters()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same section several times, each with choices of its own."""

    parameter: Parameter
    copies: tuple[Section, ...]

    def realise(self, choose: Choose, used: set[str]) -> list[Any]:
        """All that the first copies leave."""
        times = ask(self.parameter, choose)
        assert isinstance(times, int)
        return Row(self.copies[:times]).realise(choose, used)

    def tally(self) -> Tally:
        """The sum over the numbers of copies."""
        least = self.parameter.domain.at(0)
        assert isinstance(least, int)
        return union(Row(self.copies[:times]).tally() for times in range(least, len(self.copies) + 1))

    def parameters(self) -> Iterator[Parameter]:
        """How often, and then those of every copy."""
        if self.parameter.domain.size > 1:
            yield self.parameter
        yield from Row(self.copies).parameters()


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """Sections in an order to be chosen; the order is asked for among those that leave something.

    Attributes:
        labels: What each section is called in the names of the orders.
        orders: The parameter for every set of sections of which there are at least two.
    """

    sections: tuple[Section, ...]
    labels: tuple[str, ...]
    orders: dict[tuple[int, ...], Parameter]

    @classmethod
    def of(cls, name: str, when: str, sections: Sequence[Section], labels: Sequence[str]) -> AnyOrder:
        """Name the orders of every set of sections."""
        orders = {}
        for size in range(2, len(sections) + 1):
            for present in combinations(range(len(sections)), size):
                named = [" > ".join(labels[index] for index in order) for order in permutations(present)]
                who = ",".join(labels[index] for index in present)
                reason = " and ".join(filter(None, [when, f"{who} are there"]))
                orders[present] = Parameter(f"{name}({who})", Choices(tuple(named)), reason)
        return cls(tuple(sections), tuple(labels), orders)

    def realise(self, choose: Choose, used: set[str]) -> list[Any]:
        """All that they leave, in the chosen order."""
        made = [section.realise(choose, used) for section in self.sections]
        present = tuple(index for index, items in enumerate(made) if items)
        if len(present) > 1:
            order = ask(self.orders[present], choose)
            assert isinstance(order, str)
            by_label = {self.labels[index]: index for index in present}
            present = tuple(by_label[label] for label in order.split(" > "))
        return [item for index in present for item in made[index]]

    def tally(self) -> Tally:
        """The product over the sections, times the orders of those that leave something."""
        totals: Counter[tuple[frozenset[str], int]] = Counter({(frozenset(), 0): 1})
        for section in self.sections:
            joined: Counter[tuple[frozenset[str], int]] = Counter()
            for (roles, present), count in totals.items():
                for (more, some), number in section.tally().items():
                    joined[roles | more, present + some] += count * number
            totals = joined
        tally: Tally = Counter()
        for (roles, present), count in totals.items():
            tally[roles, present > 0] += count * math.factorial(present)
        return tally

    def parameters(self) -> Iterator[Parameter]:
        """Those of the sections, and then the orders."""
        yield from Row(self.sections).parameters()
        yield from self.orders.values()


Section = Single | Row | Parallel | Repeated | AnyOrder | Choice


def _some(tally: Tally) -> Tally:
    changed: Tally = Counter()
    for (roles, _), count in tally.items():
        changed[roles, True] += count
    return changed


def weights_of(options: Iterable[Setting | Section]) -> tuple[int, ...]:
    """Of how many settings each option is the beginning."""
    return tuple(sum(option.tally().values()) for option in options)
