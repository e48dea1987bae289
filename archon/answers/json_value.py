"""Answers that are JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from archon.answers.base import AnswerFormat

_OPENING = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*[\"\[\]{0-9tfn-])")
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


def _not_json(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_not_json)


def _load_json(text: str) -> tuple[Any] | None:
    """The value in a tuple, because ``null`` is a value."""
    try:
        return (_DECODER.decode(text),)
    except (ValueError, RecursionError):
        return None


def _json_containers(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while opening := _OPENING.search(text, start):
        try:
            _, start = _DECODER.raw_decode(text, opening.start())
            yield opening.start(), start
        except ValueError:
            start = opening.end()
        except RecursionError:
            # What is nested in it fails alike, and trying each would take quadratic time.
            inner = next(islice(_OPENING.finditer(text, start), 500, None), None)
            start = inner.start() if inner else len(text)


def _json_scalars(text: str) -> Iterator[tuple[int, int]]:
    spans = [match.span(1) for match in _FENCE.finditer(text)]
    end = len(text.rstrip())
    spans.append((text.rfind("\n", 0, end) + 1, end))
    yield from (span for span in spans if _load_json(text[span[0] : span[1]]))


def _same_json(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same_json(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same_json, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


class JsonAnswer(AnswerFormat):
    """The last JSON value, compared by value: key order does not matter, 1 is 1.0, ``true`` is not 1.

    An object or array counts anywhere; a number, string, boolean or null only when it is the whole text, a
    whole fenced block or the whole last line, so that prose is not mistaken for data.
    """

    kind: ClassVar[str] = "json"

    def extract(self, text: str) -> str | None:
        """The last value, as it was written."""
        if _load_json(text):
            return text.strip()
        spans = [*_json_containers(text), *_json_scalars(text)]
        start, end = max(spans, default=(0, 0))
        return text[start:end].strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the values; of the texts if they are not both JSON."""
        left, right = _load_json(a), _load_json(b)
        if a == b or not left or not right:
            return a == b
        try:
            return _same_json(left[0], right[0])
        except RecursionError:
            return False
