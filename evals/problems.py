"""From a row as it was published to a problem as it is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from random import Random
from typing import Any

from archon.errors import ConfigError
from archon.state import ROLES, Message
from evals.card import Card
from evals.graders.base import Problem
from evals.sources import Row
from evals.split import unit_hash
from evals.transforms import TRANSFORMS

PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A row with the id that its problem will have.

    Attributes:
        position: Its place in the source, from 0.
        id: Unique within the source.
        row: The row.
    """

    position: int
    id: str
    row: Row


def named(card: Card, rows: Iterable[Row]) -> Iterator[NamedRow]:
    """Name every row: by its id columns, else by a hash of its question; a name that stands again gets a number."""
    seen: Counter[str] = Counter()
    for position, row in enumerate(rows):
        name = _name(card, row)
        seen[name] += 1
        yield NamedRow(position, name if seen[name] == 1 else f"{name}-{seen[name]}", row)


def _name(card: Card, row: Row) -> str:
    if card.fields.id:
        return "-".join(text_of(column(row, name)) for name in card.fields.id)
    # A question that only the transform makes stands in the row in pieces.
    said = row.values.get(card.fields.question, row.values)
    text = said if isinstance(said, str) else json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def sampled(rows: Iterable[NamedRow], count: int | None, seed: int) -> list[NamedRow]:
    """All rows, best first where ``count`` of them are to be taken: in an order that only names and seed decide."""
    listed = list(rows)
    if count is None:
        return listed
    return nsmallest(len(listed), listed, key=lambda row: unit_hash(f"sample {seed}", row.id))


def problem_of(card: Card, named_row: NamedRow, seed: int) -> Problem | None:
    """The problem that a row is; ``None`` if the card's transform passes it over.

    Raises:
        ConfigError: The row is not as the card says; the message names its place and the column.
    """
    row = named_row.row
    if card.transform is not None:
        rng = Random(f"{seed} {named_row.id}")
        try:
            values = TRANSFORMS[card.transform](dict(row.values), rng)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(_unlike(row, card, error)) from None
        if values is None:
            return None
        row = Row(row.place, values)
    names = card.fields
    earlier, question, later = _asked(card, row)
    reference = column(row, names.answer) if names.answer else None
    return Problem(
        id=named_row.id,
        messages=(*_opening(card, row), *earlier, Message("user", fill(card.prompt, row, question))),
        reference=None if reference is None else text_of(reference),
        fields={**_kept(card, row), "question": question},
        follow_ups=later,
        group="-".join(text_of(column(row, name)) for name in names.group),
    )


def column(row: Row, name: str) -> Any:
    """What a column of a row holds; ``a.b`` looks for ``b`` inside the column ``a``.

    Raises:
        ConfigError: There is no such column.
    """
    value: Any = row.values
    for part in [name] if name in row.values else name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ConfigError(f"{row.place}: there is no column '{name}'; the row has {', '.join(row.values)}.")
        value = value[part]
    return value


def fill(template: str, row: Row, question: str) -> str:
    """The prompt: columns in place of their names in braces, other braces as they are.

    Raises:
        ConfigError: It names a column that the row does not have.
    """

    def replace(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped is not None:
            return f"{{{escaped}}}"
        return question if name == "question" else text_of(column(row, name))

    return PLACEHOLDER.sub(replace, template)


def text_of(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point, lists and mappings as JSON."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _opening(card: Card, row: Row) -> Iterator[Message]:
    own = row.values.get(card.fields.system) if card.fields.system else None
    system = card.system if own is None else str(own)
    if system:
        yield Message("system", system)
    for example in card.examples:
        yield Message("user", example.user)
        yield Message("assistant", example.assistant)


def _asked(card: Card, row: Row) -> tuple[tuple[Message, ...], str, tuple[str, ...]]:
    """The turns before the question, the question, and the user turns after it."""
    if card.fields.turns is not None:
        turns = [_turn(turn, row, card.fields.turns) for turn in _list(row, card.fields.turns)]
        return (), turns[0], tuple(turns[1:])
    said = column(row, card.fields.question)
    if not isinstance(said, list):
        return (), text_of(said).strip(), ()
    messages = [_message(turn, row, card.fields.question) for turn in _list(row, card.fields.question)]
    if messages[-1].role != "user":
        raise ConfigError(f"{row.place}: the conversation does not end with a message of the user.")
    return tuple(messages[:-1]), messages[-1].content, ()


def _list(row: Row, name: str) -> list[Any]:
    value = column(row, name)
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{row.place}: the column '{name}' is not a list of turns.")
    return value


def _turn(turn: Any, row: Row, name: str) -> str:
    said = turn.get("content") if isinstance(turn, Mapping) else turn
    if not isinstance(said, str):
        raise ConfigError(f"{row.place}: a turn in the column '{name}' is neither text nor a message.")
    return said


def _message(turn: Any, row: Row, name: str) -> Message:
    if not isinstance(turn, Mapping) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
        raise ConfigError(
            f'{row.place}: a message in the column \'{name}\' is written {{"role": ..., "content": ...}} with a role '
            f"among {', '.join(ROLES)} and text as content."
        )
    return Message(turn["role"], turn["content"])


def _kept(card: Card, row: Row) -> dict[str, Any]:
    if card.keep is not None:
        return {name: column(row, name) for name in card.keep}
    asked = {card.fields.question, card.fields.turns, card.fields.answer}
    return {name: value for name, value in row.values.items() if name not in asked}


def _unlike(row: Row, card: Card, error: Exception) -> str:
    if isinstance(error, KeyError):
        return (
            f"{row.place}: there is no column {error}, which {card.transform} needs; the row has "
            f"{', '.join(map(str, row.values))}."
        )
    return f"{row.place}: this row is not as {card.transform} expects it: {error or type(error).__name__}."
