"""Formulas of first-order logic with equality, as values that print in the form in which they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from archon.errors import ParseError

Connective = Literal["∧", "∨", "⊕", "→", "↔"]
Quantifier = Literal["∀", "∃"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A term that a quantifier around it binds."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Application:
    """A function applied to terms; without any it is a constant."""

    name: str
    arguments: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return _applied(self.name, self.arguments)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A predicate of terms; without any it is a proposition."""

    name: str
    arguments: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return _applied(self.name, self.arguments)


@dataclass(frozen=True, slots=True)
class Equality:
    """Two terms that name the same thing."""

    left: Term
    right: Term

    def __str__(self) -> str:
        return f"{self.left} = {self.right}"


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite of a formula."""

    operand: Formula

    def __str__(self) -> str:
        if isinstance(self.operand, Equality):
            return f"{self.operand.left} ≠ {self.operand.right}"
        return f"¬{_enclosed(self.operand)}"


@dataclass(frozen=True, slots=True)
class Connection:
    """Formulas joined by a connective: two or more by ∧ or ∨, exactly two by the others."""

    connective: Connective
    operands: tuple[Formula, ...]

    def __str__(self) -> str:
        return f" {self.connective} ".join(map(_enclosed, self.operands))


@dataclass(frozen=True, slots=True)
class Quantification:
    """A formula that holds for every thing there is, or for at least one."""

    quantifier: Quantifier
    variable: str
    body: Formula

    def __str__(self) -> str:
        return f"{self.quantifier}{self.variable} {_enclosed(self.body)}"


Term = Variable | Application
Formula = Predicate | Equality | Negation | Connection | Quantification


def check_symbols(formulas: Iterable[Formula]) -> None:
    """See that every name means one thing throughout: a predicate, a function or a constant, of one arity.

    Raises:
        ParseError: One does not; the message names its two uses.
    """
    meanings: dict[str, str] = {}
    for formula in formulas:
        for name, meaning in _meanings(formula):
            if meanings.setdefault(name, meaning) != meaning:
                raise ParseError(f"'{name}' is used as {meanings[name]} and as {meaning}")


def _applied(name: str, arguments: tuple[Term, ...]) -> str:
    return f"{name}({', '.join(map(str, arguments))})" if arguments else name


def _enclosed(formula: Formula) -> str:
    """In parentheses where a neighbour could bind tighter; ``a ≠ b`` is a negation that is written like an equality."""
    shown = formula.operand if isinstance(formula, Negation) else formula
    loose = isinstance(formula, Connection) or isinstance(shown, Equality)
    return f"({formula})" if loose else str(formula)


def _meanings(formula: Formula) -> Iterator[tuple[str, str]]:
    """Every use of a name in a formula, described in words."""
    match formula:
        case Predicate(name, arguments):
            yield name, f"a predicate of {_counted(arguments)}" if arguments else "a proposition"
            for argument in arguments:
                yield from _term_meanings(argument)
        case Equality(left, right):
            yield from _term_meanings(left)
            yield from _term_meanings(right)
        case Negation(operand):
            yield from _meanings(operand)
        case Connection(_, operands):
            for operand in operands:
                yield from _meanings(operand)
        case Quantification(_, _, body):
            yield from _meanings(body)


def _term_meanings(term: Term) -> Iterator[tuple[str, str]]:
    if isinstance(term, Application):
        yield term.name, f"a function of {_counted(term.arguments)}" if term.arguments else "a constant"
        for argument in term.arguments:
            yield from _term_meanings(argument)


def _counted(arguments: tuple[Term, ...]) -> str:
    return f"{len(arguments)} argument{'s' if len(arguments) > 1 else ''}"
