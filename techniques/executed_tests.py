"""Runs tests that are code on answers that are programs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from archon.concurrency import gather
from archon.state import Candidate, State
from archon.technique import Context
from techniques.code import parsed, program_of

# Reads what to run from standard input, so that an answer does not find its tests in a file, and then puts both ends
# of it out of reach: what an answer prints is no verdict, and what it asks for is not there. The verdict is a secret
# that the answer was not told, and it is written only where the test has come to its end, by functions that were there
# before the answer.
HARNESS = """\
import json, os, sys, types

def main():
    order = json.load(sys.stdin)
    run, write, leave, function = exec, os.write, os._exit, types.FunctionType
    test = compile(order["test"], "test.py", "exec", dont_inherit=True)
    verdict, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    module = sys.modules["solution"] = types.ModuleType("solution")
    names = module.__dict__
    for part in order["program"]:
        run(compile(part, "solution.py", "exec", dont_inherit=True), names)
    before = dict(names)
    run(test, names)
    for name, value in list(names.items()):
        if name.startswith("test") and type(value) is function and value is not before.get(name):
            value()
    write(verdict, order["secret"].encode())
    leave(0)

main()
"""


async def run_tests(state: State, candidate: Candidate, context: Context, seconds: float) -> list[bool | None]:
    """Whether the program that a candidate is passes each of the state's unit tests, each in a process of its own.

    A candidate that is no program passes nothing; a test that is no program has no verdict. The sandbox keeps an answer
    from everything else, but a test has to share its process with what it tests: an answer that exits, prints or
    fails for good counts as failed, one that searches the memory of its process for the secret could cheat.

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
        secret = secrets.token_hex(16)
        order = json.dumps({"program": program, "test": test, "secret": secret})
        done = await context.sandbox.run(HARNESS, stdin=order, seconds=seconds)
        return done.ok and done.stdout == secret

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
