"""Proofs by Prover9, in a process of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archon.errors import ConfigError
from techniques.logic.syntax import (
    Connection,
    Connective,
    Equality,
    Formula,
    Negation,
    Predicate,
    Quantification,
    Term,
    Variable,
)

MEGABYTES = 500
# Prover9 counts its own processor time; this is for a machine that is busy with other things.
PATIENCE = 3

INPUT = """\
assign(max_seconds, {seconds}).
assign(max_megs, {megabytes}).
formulas(assumptions).
{formulas}
end_of_list.
"""

PROVED, FATAL, EXHAUSTED = 0, 1, 2
"""Exit codes of the manual: a contradiction was found, the input cannot be read, there is nothing left to derive."""

CONNECTIVES: Mapping[Connective, str] = {"∧": "&", "∨": "|", "→": "->", "↔": "<->"}


@dataclass(frozen=True, slots=True)
class Prover9:
    """Prover9 with a limit of processor time.

    Attributes:
        program: Its path.
        seconds: How long one proof may take, rounded up to whole seconds.
    """

    program: str
    seconds: float

    async def contradictory(self, formulas: Sequence[Formula]) -> bool | None:
        """Whether Prover9 finds a contradiction; cancelling stops it.

        Raises:
            ConfigError: It does not understand what is written for it, so that it is another program or version.
        """
        seconds = max(1, int(-(-self.seconds // 1)))
        process = await asyncio.create_subprocess_exec(
            self.program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(seconds * PATIENCE):
                await process.communicate(as_input(formulas, seconds).encode())
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == FATAL:
            raise ConfigError(f"{self.program} cannot read the input that Prover9 should; set prover: z3 instead.")
        return True if process.returncode == PROVED else False if process.returncode == EXHAUSTED else None


def as_input(formulas: Sequence[Formula], seconds: int) -> str:
    """What Prover9 reads to look for a contradiction among the formulas.

    Nothing of the formulas' own names is in it: symbols and variables are numbered, because Prover9 reads names that
    begin with u to z as variables and knows words of its own.
    """
    naming = _Naming()
    lines = "\n".join(f"{naming.formula(formula, {})}." for formula in formulas)
    return INPUT.format(seconds=seconds, megabytes=MEGABYTES, formulas=lines)


@dataclass(slots=True)
class _Naming:
    """Writes formulas in Prover9's syntax, with every compound one in parentheses."""

    names: dict[str, str] = field(default_factory=dict)
    binders: int = 0

    def formula(self, formula: Formula, bound: Mapping[str, str]) -> str:
        """The formula; ``bound`` names the variables of the quantifiers around it."""
        match formula:
            case Predicate(name, arguments):
                return self._applied("p", name, arguments, bound)
            case Equality(left, right):
                return f"({self._term(left, bound)} = {self._term(right, bound)})"
            case Negation(operand):
                return f"-({self.formula(operand, bound)})"
            case Quantification(quantifier, variable, body):
                self.binders += 1
                own = f"x{self.binders}"
                word = "all" if quantifier == "∀" else "exists"
                return f"({word} {own} {self.formula(body, {**bound, variable: own})})"
            case Connection(connective, operands):
                parts = [self.formula(operand, bound) for operand in operands]
                if connective == "⊕":
                    return f"-({' <-> '.join(parts)})"
                return f"({f' {CONNECTIVES[connective]} '.join(parts)})"

    def _term(self, term: Term, bound: Mapping[str, str]) -> str:
        if isinstance(term, Variable):
            return bound[term.name]
        return self._applied("f", term.name, term.arguments, bound)

    def _applied(self, sort: str, name: str, arguments: Sequence[Term], bound: Mapping[str, str]) -> str:
        symbol = self.names.setdefault(f"{sort} {name}", f"{sort}{len(self.names)}")
        shown = ", ".join(self._term(argument, bound) for argument in arguments)
        return f"{symbol}({shown})" if shown else symbol
