"""Questions from a JSON Lines file, checked before anything is spent on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon.errors import ConfigError
from archon.state import ROLES, Message, Task


@dataclass(frozen=True, slots=True)
class Fields:
    """Which field of a row holds what.

    Attributes:
        question: The question as text, or the conversation as a list of ``{role, content}``.
        answer: The reference answer; rows without it are answered but not graded.
        id: The row's id; rows without it are named by their line.
        system: A system message for the row.
    """

    question: str = "question"
    answer: str = "answer"
    id: str = "id"
    system: str = "system"


@dataclass(frozen=True, slots=True)
class Question:
    """A task and what a correct answer to it would be, which no technique ever sees."""

    task: Task
    reference: str | None = None


def read_questions(path: Path, fields: Fields | None = None, limit: int | None = None) -> list[Question]:
    """Read a JSON Lines file whole.

    Raises:
        ConfigError: It is missing, or a line is not usable; the message names the line.
    """
    fields = fields or Fields()
    questions: list[Question] = []
    lines_by_id: dict[str, int] = {}
    for number, row in _rows(path):
        if limit is not None and len(questions) >= limit:
            break
        question = _question(row, fields, path, number)
        first = lines_by_id.setdefault(question.task.id, number)
        if first != number:
            raise ConfigError(
                f"{path}:{number}: the id '{question.task.id}' stands on line {first} already; "
                "name another field with --id-field."
            )
        questions.append(question)
    if not questions:
        raise ConfigError(f"{path}: there are no questions in it.")
    return questions


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ConfigError(f"{path}:{number}: this line is not valid JSON: {error}.") from None
                if not isinstance(row, dict):
                    raise ConfigError(f"{path}:{number}: this line is not a JSON object.")
                yield number, row
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}.") from None


def _question(row: Mapping[str, Any], fields: Fields, path: Path, number: int) -> Question:
    place = f"{path}:{number}"
    if fields.question not in row:
        raise ConfigError(
            f"{place}: there is no field '{fields.question}'; the row has {', '.join(row)}. "
            "Name the right one with --question-field."
        )
    said = row[fields.question]
    if isinstance(said, str):
        messages = [Message("user", said)]
    elif isinstance(said, list) and said:
        messages = [_message(turn, place) for turn in said]
    else:
        raise ConfigError(f"{place}: '{fields.question}' is neither text nor a list of messages.")
    if isinstance(row.get(fields.system), str):
        messages.insert(0, Message("system", row[fields.system]))
    if messages[-1].role != "user":
        raise ConfigError(f"{place}: the conversation does not end with a message of the user.")
    reference = row.get(fields.answer)
    identifier = row.get(fields.id)
    task = Task(tuple(messages), id=str(number if identifier is None else identifier))
    return Question(task, None if reference is None else str(reference))


def _message(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
        raise ConfigError(
            f'{place}: a message is written {{"role": ..., "content": ...}} with a role among {", ".join(ROLES)} '
            "and text as content."
        )
    return Message(turn["role"], turn["content"])
