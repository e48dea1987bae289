"""Finds the choices that lead to something known, so that a study can start from architectures that people wrote.

The search follows the template and backtracks; a match says what to try, not that it is right. Whoever asks builds what
was found and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from search.parameters import Choices, Parameter, Value
from search.template import (
    AnyOrder,
    Choice,
    Constant,
    Parallel,
    Range,
    Repeated,
    Row,
    Section,
    Setting,
    Settings,
    Single,
)


@dataclass(frozen=True, slots=True)
class Match:
    """Choices that go together.

    Attributes:
        params: By parameter.
        roles: For models of the template, the model of the known architecture that stands in their place.
    """

    params: Mapping[str, Value] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def choosing(self, parameter: Parameter, value: Value) -> Match:
        """With one more choice; a parameter with one value is never asked for."""
        return self if parameter.domain.size == 1 else Match({**self.params, parameter.name: value}, self.roles)

    def naming(self, role: str, ref: str) -> Iterator[Match]:
        """With one more model, unless that role is taken by another."""
        if self.roles.get(role, ref) == ref:
            yield Match(self.params, {**self.roles, role: ref})


def setting(node: Setting | Section, value: Any, match: Match) -> Iterator[Match]:
    """The choices by which a setting may become a value; defaults that the value spells out are not looked at."""
    if isinstance(node, Constant):
        yield from _constant(node.value, node.roles, value, match)
    elif isinstance(node, Range):
        if node.parameter.holds(value):
            yield match.choosing(node.parameter, node.parameter.domain.read(value))
    elif isinstance(node, Choice):
        for option, label in _options(node):
            yield from setting(option, value, match.choosing(node.parameter, label))
    elif isinstance(node, Settings):
        if node.keys is not None and isinstance(value, Mapping):
            yield from _all(node.values, [value.get(key) for key in node.keys], match)
        elif node.keys is None and isinstance(value, list) and len(value) == len(node.values):
            yield from _all(node.values, value, match)


def sections(row: Sequence[Section], items: Sequence[Any], match: Match) -> Iterator[Match]:
    """The choices by which sections may become exactly these layers, or components of one layer."""
    yield from (found for found, end in _row(row, items, 0, match) if end == len(items))


def _all(nodes: Sequence[Setting], values: Sequence[Any], match: Match) -> Iterator[Match]:
    if not nodes:
        yield match
        return
    for found in setting(nodes[0], values[0], match):
        yield from _all(nodes[1:], values[1:], found)


def _constant(constant: Any, roles: frozenset[str], value: Any, match: Match) -> Iterator[Match]:
    if isinstance(constant, str) and constant in roles:
        if isinstance(value, str):
            yield from match.naming(constant, value)
    elif isinstance(constant, Mapping):
        if isinstance(value, Mapping):
            parts = tuple(Constant(part, roles) for part in constant.values())
            yield from _all(parts, [value.get(key) for key in constant], match)
    elif isinstance(constant, list):
        if isinstance(value, list) and len(value) == len(constant):
            yield from _all(tuple(Constant(part, roles) for part in constant), value, match)
    # A kind without settings is written as its name alone; what is not set is read as unset.
    elif constant == value or constant is None or (isinstance(value, Mapping) and list(value) == [constant]):
        yield match


def _options(node: Choice) -> Iterator[tuple[Setting | Section, Value]]:
    assert isinstance(node.parameter.domain, Choices)
    yield from zip(node.options, node.parameter.domain.values, strict=True)


def _row(row: Sequence[Section], items: Sequence[Any], start: int, match: Match) -> Iterator[tuple[Match, int]]:
    if not row:
        yield match, start
        return
    for found, end in _section(row[0], items, start, match):
        yield from _row(row[1:], items, end, found)


def _section(node: Section, items: Sequence[Any], start: int, match: Match) -> Iterator[tuple[Match, int]]:
    """The choices by which a section may become the items from ``start`` on, and where those end."""
    if isinstance(node, Single):
        if start < len(items) and not isinstance(items[start], list):
            yield from ((found, start + 1) for found in setting(node.component, items[start], match))
    elif isinstance(node, Row):
        yield from _row(node.sections, items, start, match)
    elif isinstance(node, Parallel):
        yield from ((found, start) for found in sections(node.sections, (), match))
        if start < len(items):
            layer = items[start] if isinstance(items[start], list) else [items[start]]
            yield from ((found, start + 1) for found in sections(node.sections, layer, match))
    elif isinstance(node, Repeated):
        least = node.parameter.domain.at(0)
        assert isinstance(least, int)
        for times in range(least, len(node.copies) + 1):
            yield from _row(node.copies[:times], items, start, match.choosing(node.parameter, times))
    elif isinstance(node, AnyOrder):
        yield from _any_order(node, items, start, match)
    else:
        for option, label in _options(node):
            assert not isinstance(option, Setting) or isinstance(option, Choice)
            yield from _section(option, items, start, match.choosing(node.parameter, label))


def _any_order(node: AnyOrder, items: Sequence[Any], start: int, match: Match) -> Iterator[tuple[Match, int]]:
    def follow(order: Sequence[int], at: int, found: Match, there: tuple[int, ...]) -> Iterator[tuple[Match, int]]:
        if order:
            for more, end in _section(node.sections[order[0]], items, at, found):
                yield from follow(order[1:], end, more, (*there, order[0]) if end > at else there)
        elif len(there) < 2:
            yield found, at
        else:
            chosen = " > ".join(node.labels[index] for index in there)
            yield found.choosing(node.orders[tuple(sorted(there))], chosen), at

    for order in permutations(range(len(node.sections))):
        yield from follow(order, start, match, ())
