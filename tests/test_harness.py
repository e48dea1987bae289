"""Checks of programs: what they say, and what a program cannot say in their place."""

from __future__ import annotations

import pytest

from archon.concurrency import run_sync
from archon.harness import Checked, run_checks
from archon.sandbox import Limits, Sandbox

SANDBOX = Sandbox(Limits(seconds=20))


def run(program: str, *checks: str, seconds: float = 20) -> Checked:
    return run_sync(run_checks(SANDBOX, [program], checks, seconds))


@pytest.mark.parametrize(
    ("program", "checks", "kind", "passed", "error"),
    [
        ("x = 1", ["assert x == 1", "assert x < 2"], "ok", 2, ""),
        ("x = 1", [], "ok", 0, ""),
        ("x = 1", ["assert x", "assert x > 1, 'small'", "assert x"], "wrong", 1, "AssertionError: small"),
        ("def f(): return y", ["f()"], "error", 0, "NameError: name 'y' is not defined"),
        ("1/0", ["assert True"], "error", 0, "ZeroDivisionError: division by zero"),
        ("x = 1", ["def test_x():\n    assert x == 2"], "wrong", 0, "AssertionError: "),
        ("def test_mine(): 1/0", ["assert True"], "ok", 1, ""),
        ("input()", ["assert True"], "error", 0, "EOFError: EOF when reading a line"),
        ("import sys; sys.exit()", ["assert True"], "left", 0, "SystemExit: "),
        ("import os; os._exit(0)", ["assert True"], "left", 0, ""),
        (
            "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'x 1 ')\n    except OSError: pass",
            ["1/0"],
            "left",
            0,
            "",
        ),
        ("class AssertionError(Exception): pass", ["assert 0"], "wrong", 0, "AssertionError: "),
    ],
)
def test_what_checks_say(program: str, checks: list[str], kind: str, passed: int, error: str) -> None:
    done = run(program, *checks)
    assert (done.kind, done.passed, done.error) == (kind, passed, error)
    assert done.ok == (kind == "ok")


def test_limits_are_kinds_too() -> None:
    assert run("while True: pass", "assert True", seconds=1).kind == "timeout"
    assert run("x = bytearray(10**11)", "assert True").kind == "memory"
