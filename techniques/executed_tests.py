"""Runs tests that are code on answers that are programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archon.concurrency import gather
from archon.harness import run_checks
from archon.programs import parsed
from archon.state import Candidate, State
from archon.technique import Context
from techniques.code import program_of


async def run_tests(state: State, candidate: Candidate, context: Context, seconds: float) -> list[bool | None]:
    """Whether the program that a candidate is passes each of the state's unit tests, each in a process of its own.

    A candidate that is no program passes nothing; a test that is no program has no verdict.

    Args:
        state: The task and its unit tests.
        candidate: What is tested.
        context: Where to run.
        seconds: How long one test may take.

    Raises:
        SandboxError: No program can be run here.
        BudgetExhausted: The time of a budget ran out.
    """
    program = program_of(candidate.text, state.task.question)

    async def run(test: str) -> bool | None:
        if parsed(test) is None:
            return None
        if program is None:
            return False
        return (await run_checks(context.sandbox, program, [test], seconds)).ok

    return await gather(run(test) for test in state.unit_tests)


def check_judge(execute: bool, model: str | None, asking: Mapping[str, Any]) -> None:
    """Check that either a model judges or tests are executed.

    Args:
        execute: Whether tests are executed.
        model: The model that judges.
        asking: What else is set about asking it.

    Raises:
        ValueError: Both or neither, or it is said how to ask nobody.
    """
    if execute == (model is not None):
        raise ValueError("name a `model` that judges, or write `execute: true` where the tests are code; not both")
    given = [name for name, value in asking.items() if value is not None]
    if execute and given:
        raise ValueError(f"with `execute` no model is asked, so {' and '.join(given)} would have no effect")
