"""Programs are found in replies, and their tests say what is wrong with them."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import Any

import pytest

from archon.errors import ConfigError
from evals.graders.cases import same_output
from evals.graders.programs import defining, reading, syntax_error
from tests.evals.graders.grading import grade, problem

STUB = '''\
from typing import List


def helper(x: int) -> int:
    return x + 1


def total(xs: List[int]) -> int:
    """Add."""
'''
TEST = "\n\ndef check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n"
FUNCTION: dict[str, Any] = {"entry_point": "total", "prompt": STUB, "test": TEST}
MBPP: dict[str, Any] = {"test_list": ["assert double(2) == 4", "assert double(0) == 0", "assert double(3) == size"]}
SUMS: dict[str, Any] = {"public_tests": {"input": ["1 2\n", "3 4\n"], "output": ["3\n", "7\n"]}}
ADDS = "a, b = map(int, input().split())\nprint(a + b)"


def fenced(code: str, language: str = "python") -> str:
    return f"Here it is:\n```{language}\n{code}\n```\nIt works."


@pytest.mark.parametrize(
    "text",
    [
        "    return sum(xs)\n",
        "return sum(xs)",
        "result = 0\n    for x in xs:\n        result += x\n    return result",
        "result = 0\nfor x in xs:\n    result += x\nreturn result",
        "    return sum(xs)\n\n\ndef other():\n    return 1\n",
        "    return sum(xs)\n\nI hope that this helps you!",
        STUB + "    return sum(xs)",
        fenced("def total(xs):\n    return sum(xs)"),
        fenced("def total(xs: List[int]) -> int:\n    return sum(helper(x) - 1 for x in xs)"),
        fenced("    return sum(xs)"),
        fenced("def total(xs):\n    return 0") + "\nNo, rather:\n" + fenced("def total(xs):\n    return sum(xs)"),
        fenced("def total(xs):\n    return sum(xs)") + "\nAn example:\n" + fenced("print(total([1]))"),
        fenced("def total(xs):\n    return sum(xs)", "") + "\nIt prints:\n```\n3\n```",
        fenced("total = sum"),
        "Here you are:\n\ndef total(xs):\n    return sum(xs)\n\nIt adds them all.",
        "```python\ndef total(xs):\n    return sum(xs)",
    ],
)
def test_a_function_is_found_in_every_form_of_reply(text: str) -> None:
    given = grade("code", problem(**FUNCTION), text)
    assert (given.score, given.reason) == (1, "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("    return sum(xs) + 1", "wrong"),
        ("    return sum(ys)", "error"),
        ("    while True:\n        pass", "timeout"),
        ("    return len(bytearray(10**10))", "memory"),
        ("    import sys\n    sys.exit(0)", "left"),
        ("    import os\n    os._exit(0)", "left"),
        ("    raise SystemExit", "left"),
        ("    print('passed')\n    import os\n    os.kill(os.getpid(), 9)", "crashed"),
        (fenced("def total(xs:\n    return 1"), "syntax"),
        (fenced("int total() { return 1; }", "cpp"), "missing"),
        (fenced("def sums(xs):\n    return sum(xs)"), "wrong"),
        ("I cannot do that.", "missing"),
        ("", "wrong"),
    ],
)
def test_the_reason_says_what_is_wrong(text: str, kind: str) -> None:
    given = grade({"code": {"seconds": 1.5 if kind == "timeout" else 20}}, problem(**FUNCTION), text)
    assert (given.score, given.detail["kind"]) == (0, kind)
    assert given.reason.startswith(f"{kind}: ")


def test_tests_of_mbpp_run_in_order_after_their_setup() -> None:
    asked = problem(**MBPP, test_setup_code="size = double(3)", test_imports=["import math"])
    assert grade("code", asked, fenced("def double(x):\n    return math.prod([2, x])")).score == 1
    half = grade("code", asked, fenced("def double(x):\n    return x ** 2"))
    assert (
        grade("code", problem(**MBPP, test_setup_code="size = 5"), fenced("def double(x):\n    return x + x")).score
        == 0
    )
    assert half.score == 1, "its tests were written so that squares pass"


def test_the_first_test_that_fails_is_named() -> None:
    given = grade(
        "code", problem(test_list=["assert f(1) == 1", "assert f(2) == 5", "assert f(3)"]), "def f(x): return x"
    )
    assert given.reason == "wrong: a test failed in test 2 of 3 (AssertionError: )."
    assert given.detail == {"kind": "wrong", "passed": 1, "tests": 3, "error": "AssertionError: "}


def test_the_larger_test_of_mbpp_plus_takes_the_place_of_the_list() -> None:
    asked = problem(test_list=["assert f(1) == 1"], test="for x in range(9):\n    assert f(x) == x")
    assert grade("code", asked, "def f(x): return x").score == 1
    assert grade("code", asked, "def f(x): return 1").score == 0


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        (ADDS, "ok"),
        ("import sys\na, b = sys.stdin.read().split()\nprint(a, end='')\nprint(b)", "wrong"),
        ("a, b = map(int, input().split())\nprint(a + b if a < 3 else 0)", "wrong"),
        ("print(int(input()))", "error"),
        ("while True: print('x' * 1000)", "output"),
        ("import time\ninput()\ntime.sleep(30)", "timeout"),
        (ADDS + "\nexit()", "ok"),
    ],
)
def test_programs_read_and_write(program: str, kind: str) -> None:
    given = grade({"code": {"seconds": 1.5 if kind == "timeout" else 20}}, problem(**SUMS), fenced(program))
    assert (given.detail["kind"], given.score) == (kind, float(kind == "ok"))


def test_private_and_generated_tests_count_too() -> None:
    more: dict[str, Any] = {
        "private_tests": {"input": ["5 5"], "output": ["10"]},
        "generated_tests": [{"input": "0 0", "output": "0"}],
    }
    assert grade("code", problem(**SUMS, **more), fenced(ADDS)).detail["tests"] == 4
    wrong: dict[str, Any] = {"generated_tests": {"input": ["1 1"], "output": ["3"]}}
    assert grade("code", problem(**SUMS, **wrong), fenced(ADDS)).detail["passed"] == 2


def packed(rows: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(rows)))).decode()


def test_packed_tests_are_read_without_being_unpickled() -> None:
    public = json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}])
    private = packed([{"input": "2 2", "output": "4", "testtype": "stdin"}])
    given = grade("code", problem(public_test_cases=public, private_test_cases=private), fenced(ADDS))
    assert (given.score, given.detail["tests"]) == (1, 2)
    evil = base64.b64encode(zlib.compress(b"cos\nsystem\n(S'echo no'\ntR.")).decode()
    with pytest.raises(ConfigError, match="'private_test_cases' holds no tests"):
        grade("code", problem(public_test_cases=public, private_test_cases=evil), fenced(ADDS))


@pytest.mark.parametrize(
    ("program", "score"),
    [
        ("class Solution:\n    def add(self, xs: List[int], y: int) -> int:\n        return sum(xs) + y", 1),
        ("def add(xs, y):\n    return sum(xs) + y", 1),
        ("class Solution:\n    def add(self, xs, y):\n        return 0", 0),
        ("class Other:\n    pass", 0),
    ],
)
def test_functions_are_called_with_json(program: str, score: float) -> None:
    cases = [{"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}]
    asked = problem(public_test_cases=json.dumps(cases), metadata='{"func_name": "add"}')
    assert grade("code", asked, fenced(program)).score == score
    with pytest.raises(ConfigError, match="func_name"):
        grade("code", problem(public_test_cases=json.dumps(cases), metadata="{}"), fenced(program))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"entry_point": "f"},
        {"entry_point": "f", "test": "def"},
        {"test_list": []},
        {"public_tests": "?"},
        {"public_tests": {"input": ["1"]}},
        {"public_tests": {"input": [], "output": []}},
        {"private_test_cases": 3},
    ],
)
def test_a_problem_without_tests_is_a_mistake(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^Problem p1: .*\.$"):
        grade("code", problem(**fields), fenced(ADDS))


@pytest.mark.parametrize(
    ("got", "wanted", "same"),
    [
        ("3\n", "3", True),
        ("1  2\n\n3", "1 2 3\n", True),
        ("0.3333333", "0.33333333", True),
        ("1", "1.0", True),
        ("1.0", "1", False),
        ("12345678", "12345679", False),
        ("0.34", "0.33", False),
        ("1000000.4", "1000000.0", True),
        ("Yes", "yes", False),
        ("nan", "1.0", False),
        ("1 2", "1", False),
    ],
)
def test_outputs_are_the_same_but_for_blanks_and_rounding(got: str, wanted: str, same: bool) -> None:
    assert same_output(got, wanted, 1e-6) == same


def test_where_programs_are_found() -> None:
    assert reading("```\n5\n```\n" + fenced(ADDS) + fenced("print(1)")) == ADDS
    assert reading("It cannot be done.") is None
    assert defining("def f(): pass", ["f"], "x = (") == ("def f(): pass",)
    assert defining("def g(): pass", ["f"]) is None
    assert syntax_error("So be it.") == ""
    assert "line 1" in syntax_error("def f(:")


def test_tests_may_use_numpy() -> None:
    asked = problem(test_list=["assert f(2) == 2"], test="import numpy as np\nassert np.allclose(f(np.ones(3)), 1)")
    assert grade("code", asked, "def f(x): return x").score == 1
