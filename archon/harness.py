"""Checks that are code, run on a program that nobody has read: a verdict that the program cannot print."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archon.technique import Programs

# Reads what to run from standard input, so that a program does not find its checks in a file, and then puts both ends
# of it out of reach: what a program prints is no verdict, and what it asks for is not there. The verdict begins with a
# secret that the program was not told, and it is written only where the checks have come to their end or failed, by
# functions that were there before the program.
HARNESS = """\
import json, os, sys, types

def main():
    order = json.load(sys.stdin)
    run, write, leave, function = exec, os.write, os._exit, types.FunctionType
    checks = [compile(check, "test.py", "exec", dont_inherit=True) for check in order["checks"]]
    verdict, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    module = sys.modules["solution"] = types.ModuleType("solution")
    names = module.__dict__
    passed = 0
    try:
        for part in order["program"]:
            run(compile(part, "solution.py", "exec", dont_inherit=True), names)
        for check in checks:
            before = dict(names)
            run(check, names)
            for name, value in list(names.items()):
                if name.startswith("test") and type(value) is function and value is not before.get(name):
                    value()
            passed += 1
    except BaseException as caught:
        error = f"{type(caught).__name__}: {caught}"[:300]
        write(verdict, f"{order['secret']} {passed} {error}".encode(errors="replace"))
        raise
    write(verdict, f"{order['secret']} {passed} ".encode())
    leave(0)

main()
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a program's checks.

    Attributes:
        kind: ``ok``; ``wrong`` where an assertion failed; ``error`` for any other exception; ``left`` where the program
            left before its checks were done; or the limit of the sandbox that it met, such as ``timeout``.
        passed: How many checks were passed, in their order, before the first that was not.
        error: The exception as Python words it; empty if there was none.
        seconds: What the execution took.
    """

    kind: str
    passed: int
    error: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every check was passed."""
        return self.kind == "ok"


async def run_checks(
    sandbox: Programs, program: Sequence[str], checks: Sequence[str], seconds: float | None = None
) -> Checked:
    """Run a program and then its checks, all in one process and one namespace, up to the first that fails.

    A check fails by an exception. Functions that it defines whose name begins with ``test`` are called. The sandbox
    keeps a program from everything else, but checks have to share their process with what they check: a program that
    exits, prints or fails for good has failed, one that searches the memory of its process for the secret could cheat.

    Args:
        sandbox: Where to run.
        program: Its parts, which run one after the other.
        checks: Programs that Python can compile.
        seconds: How long all of it may take.

    Raises:
        SandboxError: No program can be run here.
        BudgetExhausted: The time of a budget ran out; only inside a technique.
    """
    secret = secrets.token_hex(16)
    order = json.dumps({"program": list(program), "checks": list(checks), "secret": secret})
    done = await sandbox.run(HARNESS, stdin=order, seconds=seconds)
    verdict = _verdict(done.stdout, secret)
    if verdict is None:
        return Checked("left" if done.kind in ("ok", "error") else done.kind, 0, "", done.seconds)
    passed, error = verdict
    if not error and passed == len(checks) and done.ok:
        return Checked("ok", passed, "", done.seconds)
    if done.kind not in ("ok", "error"):
        return Checked(done.kind, passed, error, done.seconds)
    kind = {"AssertionError": "wrong", "SystemExit": "left"}.get(error.partition(":")[0], "error")
    return Checked(kind, passed, error, done.seconds)


def _verdict(stdout: str, secret: str) -> tuple[int, str] | None:
    said, _, rest = stdout.partition(" ")
    passed, _, error = rest.partition(" ")
    return (int(passed), error) if said == secret else None
