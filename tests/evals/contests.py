"""Small contests for tests: scripted models, invented problems."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from archon.answers import MathAnswer
from archon.architecture import Architecture
from archon.models.base import Request
from archon.models.retry import RetryPolicy
from archon.sandbox import Execution
from archon.state import Message
from archon.testing import ScriptedModel
from evals.contest import Contender, ProblemSet
from evals.graders import Grade, Grader, Problem, Tools
from evals.graders.answers import Math
from evals.runner import Settings, evaluate

RETRY = RetryPolicy(attempts=1)


class NoPrograms:
    """A sandbox for contests in which nothing runs a program."""

    async def run(
        self,
        program: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        seconds: float | None = None,
    ) -> Execution:
        raise AssertionError("no program was to be run")


class Counting(Grader):
    """Grades sums and remembers what it was asked."""

    kind: ClassVar[str] = "counting"
    asked: list[str]

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        self.asked.append(text)
        await asyncio.sleep(0)
        return await Math().grade(problem, text, tools)


def add(a: int, b: int, **more: Any) -> Problem:
    return Problem(f"{a}+{b}", (Message("user", f"What is {a} + {b}?"),), str(a + b), **more)


def sums(count: int, name: str = "sums", **more: Any) -> ProblemSet:
    given = {"grader": Math(), "answer": MathAnswer(), **more}
    return ProblemSet(name, tuple(add(i, 1) for i in range(count)), **given)


def right(request: Request, index: int) -> str:
    """The sum that stands last in what is asked; every third draw is off by one."""
    a, b = map(int, re.findall(r"(\d+) \+ (\d+)", request.messages[-1].content)[-1])
    return f"The answer is {a + b + (index % 3 == 2)}."


def contender(name: str, layers: Sequence[Any], **more: Any) -> Contender:
    model = {"use": "openai/scripted", "max_tokens": 50, **more.pop("model", {})}
    data = {"name": name, "models": {"m": model}, "layers": list(layers), "answer": "math", **more}
    return Contender.of(Architecture.model_validate(data))


def generate(n: int = 1) -> dict[str, Any]:
    return {"generate": {"model": "m", "n": n}}


async def contest(
    contenders: Sequence[Contender],
    sets: Sequence[ProblemSet],
    model: ScriptedModel,
    *,
    judge: ScriptedModel | None = None,
    **more: Any,
) -> list[Any]:
    given = more.pop("seed", 0), more.pop("repeats", 1), more.pop("budget", None), RETRY, more.pop("at_once", None)
    settings = Settings(*given)
    models = {"m": model} | ({} if judge is None else {"judge": judge})
    return await evaluate(contenders, sets, settings, models=models, sandbox=NoPrograms(), **more)
