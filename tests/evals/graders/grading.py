"""Shorthand of the tests of graders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archon.concurrency import run_sync
from archon.sandbox import Limits, Sandbox
from archon.state import Message
from evals.graders import Asks, Grade, Problem, Tools, parse_grader

SANDBOX = Sandbox(Limits(seconds=20))


def problem(question: str = "Why?", reference: str | None = None, **fields: Any) -> Problem:
    return Problem("p1", (Message("user", question),), reference, fields)


def grade(grader: object, asked: Problem, text: str, judge: Asks | None = None) -> Grade:
    return run_sync(parse_grader(grader).grade(asked, text, Tools(SANDBOX, judge)))


class Scripted:
    """A judge whose replies are written down, dealt in the order of the questions' wording."""

    def __init__(self, *replies: str) -> None:
        self.replies = replies
        self.asked: list[Sequence[Message]] = []

    async def __call__(self, messages: Sequence[Message], *, n: int = 1) -> Sequence[str]:
        place = len(self.asked)
        self.asked.append(messages)
        return [self.replies[(place + draw) % len(self.replies)] for draw in range(n)]
