"""A grader of programs: it runs their tests in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ConfigError
from archon.harness import run_checks
from archon.programs import parsed
from evals.graders.base import Grade, Grader, Problem, Tools
from evals.graders.cases import Case, cases_of, has_cases, same_output
from evals.graders.fields import field_of, shown
from evals.graders.programs import called, defining, reading, syntax_error

# How many tests run side by side before it is known whether to go on.
WAVE = 8
# Starter code of LeetCode's kind leaves out the imports that its site provides.
IMPORTS = """\
import bisect, collections, functools, heapq, itertools, math, operator, random, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
from builtins import *
"""
CALL = """\
import json as _json
_call = Solution().{name} if "Solution" in globals() else {name}
_value = _call(*[_json.loads(line) for line in {given!r}.split("\\n") if line.strip()])
_value = list(_value) if isinstance(_value, tuple) else _value
assert _value == _json.loads({wanted!r}), f"got {{_value!r}}"[:200]
"""
SAID = {
    "missing": "there is no Python program in the text that does what is asked for",
    "left": "the program left before its tests were done",
    "timeout": "a test took longer than it may",
    "memory": "the program met the limit of memory",
    "output": "the program wrote more than it may",
    "files": "the program met the limit of its files",
    "processes": "the program met the limit of processes",
    "crashed": "the program was ended by a signal",
    "wrong": "a test failed",
    "error": "the program failed",
}


class Code(Grader):
    """The program in the text passes every test of the problem, executed in the sandbox.

    The problem's fields say what its tests are: ``entry_point`` and ``test`` (HumanEval and HumanEval+; ``prompt`` is
    what a completion goes on from), ``test_list`` (MBPP, with ``test_setup_code`` and ``test_imports``; MBPP+ brings
    ``test``), or inputs and outputs (LiveCodeBench, CodeContests). Tests run up to the first that is not passed.

    Attributes:
        seconds: How long one test of a program may take, or all tests of a function together.
        tolerance: How far a decimal number in an output may be off, absolutely or relative to what is wanted.
    """

    kind: ClassVar[str] = "code"
    seconds: float = Field(default=10.0, gt=0)
    tolerance: float = Field(default=1e-6, ge=0)

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where every test is passed, else 0; the reason begins with what kind of failure it is.

        Raises:
            ConfigError: The problem has no tests.
            SandboxError: No program can be run here.
        """
        if problem.fields.get("entry_point") is not None:
            name, test = str(problem.fields["entry_point"]), str(field_of(problem, self.kind, "test"))
            program = defining(text, [name], str(problem.fields.get("prompt") or ""))
            return await self._checked(problem, text, program, [f"{test}\ncheck({name})"], tools)
        if problem.fields.get("test_list") is not None:
            tests = [str(test) for test in problem.fields["test_list"]]
            program = defining(text, called(tests))
            if program is not None:
                program = ("\n".join(problem.fields.get("test_imports") or ()), *program)
                program = (*program, str(problem.fields.get("test_setup_code") or ""))
            checks = [str(problem.fields["test"])] if problem.fields.get("test") else tests
            return await self._checked(problem, text, program, checks, tools)
        if has_cases(problem):
            return await self._cases(problem, text, tools)
        raise ConfigError(
            f"Problem {problem.id}: the grader 'code' needs tests: the fields 'entry_point' and 'test', or "
            "'test_list', or 'public_test_cases', or 'public_tests'."
        )

    async def _checked(
        self, problem: Problem, text: str, program: Sequence[str] | None, checks: Sequence[str], tools: Tools
    ) -> Grade:
        """Run tests that are code."""
        if not checks or any(parsed(check) is None for check in checks):
            raise ConfigError(f"Problem {problem.id}: its tests are missing, or are not Python.")
        if program is None:
            return _no_program(text, len(checks))
        done = await run_checks(tools.sandbox, program, checks, self.seconds)
        return _grade(done.kind, done.passed, len(checks), done.error)

    async def _cases(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """Run tests that are inputs and outputs, some at a time, until one fails."""
        cases = cases_of(problem)
        if not cases:
            raise ConfigError(f"Problem {problem.id}: its list of tests is empty.")
        name = _function_name(problem) if any(case.function for case in cases) else ""
        program = defining(text, ["Solution", name]) if name else _alone(reading(text))
        if program is None:
            return _no_program(text, len(cases))
        for start in range(0, len(cases), WAVE):
            outcomes = await gather(self._case(program, name, case, tools) for case in cases[start : start + WAVE])
            for place, (kind, error) in enumerate(outcomes, start):
                if kind != "ok":
                    return _grade(kind, place, len(cases), error)
        return _grade("ok", len(cases), len(cases), "")

    async def _case(self, program: Sequence[str], name: str, case: Case, tools: Tools) -> tuple[str, str]:
        """What kind of end one test came to, and the error."""
        if case.function:
            check = CALL.format(name=name, given=case.given, wanted=case.wanted)
            checked = await run_checks(tools.sandbox, (IMPORTS, *program), [check], self.seconds)
            return checked.kind, checked.error
        done = await tools.sandbox.run("\n".join(program), stdin=case.given, seconds=self.seconds)
        if not done.ok:
            return done.kind, done.stderr.strip().rpartition("\n")[2][:300]
        if done.truncated:
            return "output", ""
        right = same_output(done.stdout, case.wanted, self.tolerance)
        return ("ok", "") if right else ("wrong", f"{shown(done.stdout)} instead of {shown(case.wanted)}")


def _alone(program: str | None) -> tuple[str] | None:
    return None if program is None else (program,)


def _function_name(problem: Problem) -> str:
    """The name of the function that is called, from LiveCodeBench's ``metadata``."""
    metadata: Any = field_of(problem, "code", "metadata")
    try:
        name = (json.loads(metadata) if isinstance(metadata, str) else metadata)["func_name"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"Problem {problem.id}: the field 'metadata' needs the name of the function as 'func_name'.")
    return name


def _no_program(text: str, tests: int) -> Grade:
    error = syntax_error(text)
    if error:
        return Grade(0.0, f"syntax: {error}.", {"kind": "syntax", "passed": 0, "tests": tests, "error": error})
    return _grade("missing", 0, tests, "")


def _grade(kind: str, passed: int, tests: int, error: str) -> Grade:
    detail = {"kind": kind, "passed": passed, "tests": tests, "error": error}
    if kind == "ok":
        return Grade(1.0, "", detail)
    place = f" in test {passed + 1} of {tests}" if tests > 1 and kind != "missing" else ""
    return Grade(0.0, f"{kind}: {SAID.get(kind, kind)}{place}{f' ({error})' if error else ''}.", detail)
