"""The frozen values that flow through the layers: a task, its candidates, what went missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

from archon.errors import BudgetExhausted, ConfigError, ModelError

Role = Literal["system", "developer", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant")
# Equal values have equal texts, whatever order their keys came in: what is hashed is written with this.
CANONICAL_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked: a conversation that ends in a user turn.

    Attributes:
        messages: The whole conversation, system message and earlier turns included.
        id: Names the task in records; it never reaches a model and never changes a draw.
        repeat: Which independent repetition of the same conversation this is. Two tasks of one run with the
            same messages need different repeats, otherwise they would be given the same samples.
    """

    messages: tuple[Message, ...]
    id: str = ""
    repeat: int = 0

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1].role != "user":
            raise ConfigError("A task needs at least one message and must end with a user message.")

    @classmethod
    def of(cls, question: str, *, system: str | None = None, id: str = "") -> Self:  # noqa: A002
        """Make a task from one question and, optionally, a system message."""
        opening = () if system is None else (Message("system", system),)
        return cls((*opening, Message("user", question)), id=id)

    @property
    def question(self) -> str:
        """The last user turn."""
        return self.messages[-1].content

    @property
    def context(self) -> tuple[Message, ...]:
        """Everything the caller said before the last user turn, system message included."""
        return self.messages[:-1]

    @property
    def digest(self) -> str:
        """A short content hash of the conversation, stable across processes."""
        text = CANONICAL_JSON.encode([[m.role, m.content] for m in self.messages])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def with_question(self, prompt: str) -> tuple[Message, ...]:
        """The conversation with its last user turn replaced by ``prompt``; nothing else is lost."""
        return (*self.context, Message("user", prompt))


def number_repeats(tasks: Iterable[Task]) -> Iterator[Task]:
    """The same tasks, where a conversation that stands twice gets another repeat, and so samples of its own."""
    seen: set[tuple[tuple[Message, ...], int]] = set()
    for task in tasks:
        messages, repeat = task.messages, task.repeat
        while (messages, repeat) in seen:
            repeat += 1
        seen.add((messages, repeat))
        yield task if repeat == task.repeat else replace(task, repeat=repeat)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer, with everything that was said about it.

    Attributes:
        text: The answer as the model wrote it.
        origin: Which layer, model and draw produced it, for people and traces.
        critiques: Remarks on this very text, oldest first.
        score: A reward; higher is better. ``None`` until something scored it.
        verdict: Whether a verifier accepted it. ``None`` when not verified or when the verdict was unreadable.
    """

    text: str
    origin: str = ""
    critiques: tuple[str, ...] = ()
    score: float | None = None
    verdict: bool | None = None

    def with_critique(self, critique: str) -> Candidate:
        """The same candidate with one more remark."""
        return replace(self, critiques=(*self.critiques, critique))


@dataclass(frozen=True, slots=True)
class Failure:
    """Something the architecture asked for and did not get, with its reason.

    Attributes:
        layer: The layer in which it happened, such as ``0.generate``.
        kind: ``call`` when a model gave no reply, ``budget`` when it was not asked because a budget would not bear
            it, ``parse`` when its reply could not be read.
        reason: One sentence.
    """

    layer: str
    kind: Literal["call", "budget", "parse"]
    reason: str

    @classmethod
    def of(cls, layer: str, error: ModelError) -> Self:
        """The failure that a call's error amounts to."""
        return cls(layer, "budget" if isinstance(error, BudgetExhausted) else "call", str(error))


@dataclass(frozen=True, slots=True)
class State:
    """What one layer hands to the next. Nothing in it is ever changed in place.

    Attributes:
        task: What is asked, the same in every layer.
        candidates: The possible answers, best first where something ranked them.
        unit_tests: Statements, or code, that a good answer passes.
        failures: What went missing, in any layer so far.
        tests_shown: Whether techniques show the unit tests to models below the question.
    """

    task: Task
    candidates: tuple[Candidate, ...] = ()
    unit_tests: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    tests_shown: bool = False

    def with_candidates(self, candidates: Iterable[Candidate]) -> State:
        """This state with other candidates."""
        # `dataclasses.replace` takes three times as long, and this is done in every layer of every question.
        return State(self.task, tuple(candidates), self.unit_tests, self.failures, self.tests_shown)

    def with_failures(self, failures: Iterable[Failure]) -> State:
        """This state with more failures recorded."""
        more = tuple(failures)
        return replace(self, failures=(*self.failures, *more)) if more else self
