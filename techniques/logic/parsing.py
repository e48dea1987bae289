"""Reads formulas as people and models write them, in Unicode or ASCII.

From the tightest to the loosest: ``¬`` and the quantifiers, ``∧``, ``∨``, ``⊕``, ``→``, ``↔``. A quantifier reaches
over the next formula only, as ``¬`` does; with a dot behind its variables it reaches as far to the right as it can.
What the text says is only ever taken apart, never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from archon.errors import ParseError
from techniques.logic.syntax import (
    Application,
    Connection,
    Connective,
    Equality,
    Formula,
    Negation,
    Predicate,
    Quantification,
    Quantifier,
    Term,
    Variable,
)

LONGEST = 10_000
DEEPEST = 100

Sign = Connective | Quantifier | Literal["¬", "=", "≠", "(", ")", ",", "."]

WRITTEN: Mapping[Sign, str] = {
    "∧": "∧ && & /\\ and",
    "∨": "∨ || | \\/ or",
    "⊕": "⊕ ⊻ xor",
    "→": "→ ⇒ ⟶ ⟹ ⊃ -> => --> ==> implies",
    "↔": "↔ ⇔ ⟷ ⟺ ≡ <-> <=> <--> <==> iff",
    "¬": "¬ ~ - ! not",
    "∀": "∀ forall all",
    "∃": "∃ exists some",
    "=": "= ==",
    "≠": "≠ !=",
    "(": "( [",
    ")": ") ]",
    ",": ",",
    ".": ". :",
}
"""What every connective, quantifier and mark may be written as; words in any case."""

SPELLINGS: Mapping[str, Sign] = {spelling: sign for sign, said in WRITTEN.items() for spelling in said.split()}
_SYMBOLS = sorted((s for s in SPELLINGS if not s.isalpha()), key=len, reverse=True)
_TOKEN = re.compile(rf"\s*(?:(?P<name>\w+)|(?P<symbol>{'|'.join(map(re.escape, _SYMBOLS))}))")
# Names that everybody takes for variables; unbound, they are a mistake and not constants.
VARIABLE_LIKE = re.compile(r"[u-z]\d*")

LOOSEST = 1
TIGHTNESS: Mapping[Sign, int] = {"↔": LOOSEST, "→": 2, "⊕": 3, "∨": 4, "∧": 5}


def parse_formula(text: str) -> Formula:
    """The formula that a text is.

    Raises:
        ParseError: It is none; the message says where and why.
    """
    if len(text) > LONGEST:
        raise ParseError(f"a formula of {len(text)} characters is too long; {LONGEST} are the most")
    return _Reader(text).formula()


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text: a sign, or a name if ``sign`` is ``None``."""

    sign: Sign | None
    text: str
    place: int


class _Reader:
    """Reads one formula from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._bound: list[str] = []

    def formula(self) -> Formula:
        """The whole text as one formula; a full stop may end it."""
        formula = self._connected(LOOSEST)
        if self._take("."):
            self._expect_end("after the full stop")
        self._expect_end("after the formula")
        return formula

    def _connected(self, tightness: int) -> Formula:
        """A formula whose connectives outside parentheses bind at least so tightly."""
        with self._level():
            operand = self._single()
            while (sign := self._sign) is not None and TIGHTNESS.get(sign, 0) >= tightness:
                operand = self._joined(operand, sign)
            return operand

    def _joined(self, first: Formula, connective: Sign) -> Formula:
        """``first`` and what its connective joins it with."""
        operands = [first]
        own = TIGHTNESS[connective]
        if connective == "∧" or connective == "∨":
            while self._take(connective):
                operands.append(self._connected(own + 1))
            return Connection(connective, tuple(operands))
        self._next += 1
        if connective == "→":
            return Connection(connective, (first, self._connected(own)))
        assert connective == "⊕" or connective == "↔"
        joined = Connection(connective, (first, self._connected(own + 1)))
        if self._sign == connective:
            raise self._error(f"several {connective} in a row need parentheses")
        return joined

    def _single(self) -> Formula:
        """A formula without connectives outside parentheses."""
        if self._take("¬"):
            with self._level():
                return Negation(self._single())
        if self._sign == "∀" or self._sign == "∃":
            return self._quantified(self._sign)
        if self._take("("):
            formula = self._connected(LOOSEST)
            self._expect(")")
            return formula
        return self._atom()

    @contextmanager
    def _level(self) -> Iterator[None]:
        """One level deeper, as far as Python's own stack surely bears it."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} levels of parentheses, quantifiers and arrows")
        yield
        self._depth -= 1

    def _quantified(self, quantifier: Quantifier) -> Formula:
        self._next += 1
        variables = [self._name("a variable")]
        while self._take(",") or self._another_variable():
            variables.append(self._name("a variable"))
        self._bound += variables
        with self._level():
            body = self._connected(LOOSEST) if self._take(".") else self._single()
        del self._bound[-len(variables) :]
        for variable in reversed(variables):
            body = Quantification(quantifier, variable, body)
        return body

    def _another_variable(self) -> bool:
        """Whether a name is followed by something that only a variable is followed by, so ``∀x y P(x, y)``."""
        after = self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else None
        return (
            self._next < len(self._tokens)
            and self._sign is None
            and after is not None
            and (after.sign in (None, "∀", "∃", "¬", ".", ",") or (after.sign == "(" and self._variable_like()))
        )

    def _variable_like(self) -> bool:
        return VARIABLE_LIKE.fullmatch(self._tokens[self._next].text) is not None

    def _atom(self) -> Formula:
        place = self._next
        name = self._name("a formula")
        arguments = self._arguments()
        negated = self._sign == "≠"
        if self._take("=") or self._take("≠"):
            self._next = place
            left = self._term()
            self._next += 1
            equality = Equality(left, self._term())
            return Negation(equality) if negated else equality
        if name in self._bound:
            raise self._error(f"the variable '{name}' stands where a formula is expected", place)
        if not arguments and VARIABLE_LIKE.fullmatch(name):
            raise self._error(f"no quantifier binds the variable '{name}'", place)
        return Predicate(name, arguments)

    def _arguments(self) -> tuple[Term, ...]:
        if not self._take("("):
            return ()
        with self._level():
            arguments = [self._term()]
            while self._take(","):
                arguments.append(self._term())
            self._expect(")")
            return tuple(arguments)

    def _term(self) -> Term:
        place = self._next
        name = self._name("a term")
        arguments = self._arguments()
        if name in self._bound:
            if arguments:
                raise self._error(f"the variable '{name}' is used as a function", place)
            return Variable(name)
        if arguments:
            return Application(name, arguments)
        if VARIABLE_LIKE.fullmatch(name):
            raise self._error(f"no quantifier binds the variable '{name}'", place)
        return Application(name)

    @property
    def _sign(self) -> Sign | None:
        """The sign that comes next; ``None`` for a name and at the end."""
        return self._tokens[self._next].sign if self._next < len(self._tokens) else None

    def _take(self, sign: Sign) -> bool:
        """Whether that sign comes next, and then go past it."""
        taken = self._sign == sign
        self._next += taken
        return taken

    def _name(self, what: str) -> str:
        if self._next == len(self._tokens) or self._sign is not None:
            raise self._error(f"expected {what}")
        self._next += 1
        return self._tokens[self._next - 1].text

    def _expect(self, sign: Sign) -> None:
        if not self._take(sign):
            raise self._error(f"expected '{sign}'")

    def _expect_end(self, where: str) -> None:
        if self._next < len(self._tokens):
            raise self._error(f"something stands {where}")

    def _error(self, problem: str, place: int | None = None) -> ParseError:
        """The problem and where it is; by default, before what comes next."""
        number = self._next if place is None else place
        if number >= len(self._tokens):
            return ParseError(f"{problem} at the end of {_shortened(self._text)!r}")
        token = self._tokens[number]
        return ParseError(f"{problem} at '{token.text}' (character {token.place + 1}) of {_shortened(self._text)!r}")


def _tokens(text: str) -> list[_Token]:
    tokens, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            rest = text[place:].lstrip()
            raise ParseError(f"{rest[0]!r} is no sign of first-order logic, in {_shortened(text)!r}")
        said = match["name"] or match["symbol"]
        tokens.append(_Token(SPELLINGS.get(said.lower()), said, match.end() - len(said)))
        place = match.end()
    return tokens


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:80]}…"
