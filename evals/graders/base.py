"""What every grader is, and what it says of one answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from archon.state import Message
from archon.technique import Programs


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a benchmark, as it is asked and as it is graded.

    Attributes:
        id: Unique within its benchmark and stable across versions of Archon.
        messages: What is asked; ends with a user turn.
        reference: The answer that counts as right, ``None`` where the grader needs none.
        fields: Everything else of the row that a grader may need, such as the tests of a program. No technique ever
            sees it.
        follow_ups: User turns to come, each asked with the answer to the turn before it, and graded like it.
        group: Problems that are not independent share one, such as the turns of a dialogue; statistics cluster by it.
    """

    id: str
    messages: tuple[Message, ...]
    reference: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    follow_ups: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a grader says of one answer.

    Attributes:
        score: From 0 to 1; ``None`` when the grader could not grade, which is never a zero.
        reason: Why, in one sentence; the error where there is no score.
        detail: What else it found, as JSON values, such as which instructions were followed.
    """

    score: float | None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Asks(Protocol):
    """What asks the judge model; the runner gives one that is limited, retried, stored and accounted."""

    async def __call__(self, messages: Sequence[Message], *, n: int = 1) -> Sequence[str]:
        """The texts of ``n`` replies."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a grader may use besides its own head.

    Attributes:
        sandbox: Programs programs.
        judge: Asks the judge model; ``None`` unless the benchmark names one.
    """

    sandbox: Programs
    judge: Asks | None = None


class Grader(BaseModel, ABC):
    """Decides whether an answer to a problem is right: a frozen configuration with one method.

    A card names it by its kind (``grader: math``) or with its settings (``grader: {code: {seconds: 10}}``).

    Class attributes:
        kind: Its name in YAML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""

    @abstractmethod
    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """Grade the text of one answer.

        Raises:
            Exception: A grader may crash; the runner records that as a grade without a score.
        """
