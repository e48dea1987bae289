"""Answers that are plain text: the whole of it, or what a pattern finds."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import field_validator

from archon.answers.base import AnswerFormat, plain


class TextAnswer(AnswerFormat):
    """The whole text, compared regardless of Unicode form, case, whitespace and surrounding punctuation."""

    kind: ClassVar[str] = "text"

    def extract(self, text: str) -> str | None:
        """The whole text without surrounding whitespace; ``None`` if nothing is left."""
        return text.strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the normalised texts."""
        return a == b or plain(a) == plain(b)


class RegexAnswer(AnswerFormat):
    """The last match of a pattern: its first group if it has one that took part, else all of it.

    The pattern is the user's own and is not guarded against slow backtracking.
    """

    kind: ClassVar[str] = "regex"
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"the pattern {pattern!r} is not a valid regular expression: {error}.") from None
        return pattern

    def extract(self, text: str) -> str | None:
        """The last match, stripped; ``None`` if there is none or it is empty."""
        found = None
        for match in re.finditer(self.pattern, text):
            whole = match.group()
            found = whole if not match.re.groups or match.group(1) is None else match.group(1)
        return (found or "").strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the stripped texts."""
        return a.strip() == b.strip()
