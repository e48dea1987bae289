"""Proofs by Z3, in a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import z3

from techniques.logic.syntax import (
    Connection,
    Equality,
    Formula,
    Negation,
    Predicate,
    Quantification,
    Term,
    Variable,
)

MEGABYTES = 1024


@dataclass(frozen=True, slots=True)
class Z3Prover:
    """Z3 with a limit of wall-clock time; every proof has a context of its own, because contexts are not thread-safe.

    Attributes:
        seconds: How long one proof may take.
    """

    seconds: float

    async def contradictory(self, formulas: Sequence[Formula]) -> bool | None:
        """Whether Z3 finds the formulas unsatisfiable; cancelling stops it."""
        context = z3.Context()
        try:
            return await asyncio.to_thread(self._check, context, formulas)
        except asyncio.CancelledError:
            context.interrupt()
            raise

    def _check(self, context: z3.Context, formulas: Sequence[Formula]) -> bool | None:
        solver = z3.Solver(ctx=context)
        solver.set("timeout", max(1, round(self.seconds * 1000)))
        solver.set("max_memory", MEGABYTES)
        translation = _Translation(context)
        try:
            for formula in formulas:
                solver.add(translation.formula(formula, {}))
            answer = solver.check()
        except z3.Z3Exception:
            # Out of memory, or interrupted; what is wrong with a formula was found before.
            return None
        return None if answer == z3.unknown else answer == z3.unsat


@dataclass(slots=True)
class _Translation:
    """Formulas as Z3's own, over one uninterpreted sort. Which symbols are equal depends on name and arity."""

    context: z3.Context
    binders: int = 0
    thing: z3.SortRef = field(init=False)

    def __post_init__(self) -> None:
        self.thing = z3.DeclareSort("Thing", self.context)

    def formula(self, formula: Formula, bound: Mapping[str, z3.ExprRef]) -> z3.BoolRef:
        """The formula; ``bound`` holds the variables of the quantifiers around it."""
        match formula:
            case Predicate(name, arguments):
                return self._applied(f"predicate {name}", arguments, z3.BoolSort(self.context), bound)
            case Equality(left, right):
                return self._term(left, bound) == self._term(right, bound)
            case Negation(operand):
                return z3.Not(self.formula(operand, bound))
            case Quantification(quantifier, variable, body):
                # Z3 tells variables from constants by nothing but their names.
                self.binders += 1
                own = z3.Const(f"variable {self.binders}", self.thing)
                inner = self.formula(body, {**bound, variable: own})
                return z3.ForAll([own], inner) if quantifier == "∀" else z3.Exists([own], inner)
            case Connection(connective, operands):
                parts = [self.formula(operand, bound) for operand in operands]
                if connective == "∧":
                    return z3.And(*parts)
                if connective == "∨":
                    return z3.Or(*parts)
                left, right = parts
                if connective == "→":
                    return z3.Implies(left, right)
                return left == right if connective == "↔" else left != right

    def _term(self, term: Term, bound: Mapping[str, z3.ExprRef]) -> z3.ExprRef:
        if isinstance(term, Variable):
            return bound[term.name]
        return self._applied(f"function {term.name}", term.arguments, self.thing, bound)

    def _applied(
        self, name: str, arguments: Sequence[Term], sort: z3.SortRef, bound: Mapping[str, z3.ExprRef]
    ) -> z3.ExprRef:
        symbol = z3.Function(name, *[self.thing] * len(arguments), sort)
        return symbol(*(self._term(argument, bound) for argument in arguments))
