"""How a task's final answers are found in a reply, and when two of them are the same answer.

A format is written in YAML as its kind (``answer: math``) or with its settings
(``answer: {choice: {options: ABCD}}``). Nothing here raises on any text, with one exception: a
:class:`~archon.errors.ConfigError` when two mathematical expressions cannot be compared because the optional
package math-verify is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from archon.answers.base import AnswerFormat
from archon.answers.choice import ChoiceAnswer
from archon.answers.json_value import JsonAnswer
from archon.answers.math import MathAnswer
from archon.answers.text import RegexAnswer, TextAnswer
from archon.suggest import named_kind

__all__ = [
    "AnswerFormat",
    "ChoiceAnswer",
    "JsonAnswer",
    "MathAnswer",
    "RegexAnswer",
    "TextAnswer",
    "answer_format_to_data",
    "equivalence_classes",
    "parse_answer_format",
]

_KINDS: Mapping[str, type[AnswerFormat]] = {
    cls.kind: cls for cls in (MathAnswer, ChoiceAnswer, JsonAnswer, TextAnswer, RegexAnswer)
}


def parse_answer_format(value: object) -> AnswerFormat:
    """Read a format: an ``AnswerFormat``, a kind such as ``"math"``, or ``{"choice": {"options": "ABCD"}}``.

    Raises:
        ValueError: The kind is unknown or its settings are wrong (pydantic's ``ValidationError`` is one).
    """
    if isinstance(value, AnswerFormat):
        return value
    kind, settings = named_kind(value, _KINDS, "an answer format", "{choice: {options: ABCD}}")
    return _KINDS[kind].model_validate(settings)


def answer_format_to_data(fmt: AnswerFormat) -> str | dict[str, Any]:
    """The inverse of :func:`parse_answer_format`: the bare kind if every setting has its default."""
    settings = fmt.model_dump(exclude_defaults=True)
    return {fmt.kind: settings} if settings else fmt.kind


def equivalence_classes(answers: Sequence[str | None], fmt: AnswerFormat) -> list[list[int]]:
    """Partition the indices of the answers that are not ``None`` by the transitive closure of ``fmt.equal``.

    The closure makes the partition independent of the order of the answers. Only distinct texts are compared.

    Returns:
        Classes of ascending indices, ordered by their first index.
    """
    places: dict[str, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is not None:
            places.setdefault(answer, []).append(index)
    parent = {answer: answer for answer in places}

    def root(answer: str) -> str:
        while parent[answer] != answer:
            parent[answer] = answer = parent[parent[answer]]
        return answer

    for a, b in combinations(places, 2):
        if root(a) != root(b) and fmt.equal(a, b):
            parent[root(b)] = root(a)
    classes: dict[str, list[int]] = {}
    for answer, indices in places.items():
        classes.setdefault(root(answer), []).extend(indices)
    return sorted(sorted(indices) for indices in classes.values())
