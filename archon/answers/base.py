"""What every answer format is, and how plain text is compared."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

WRAPPED = re.compile(r"\\(text\w*|math(?:rm|bf|it|sf|tt)|mbox)\s*\{([^{}]*)\}")


class AnswerFormat(BaseModel, ABC):
    """How to extract a final answer and how to compare two.

    Class attributes:
        kind: The format's name in YAML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""

    @abstractmethod
    def extract(self, text: str) -> str | None:
        """The final answer that ``text`` gives, or ``None`` if it gives none."""

    @abstractmethod
    def equal(self, a: str, b: str) -> bool:
        """Whether two extracted answers are the same: reflexive and symmetric, not always transitive."""


QUOTES = " \"'`*_()[]{}“”‘’«»„‹›「」『』"


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text without what does not matter in a comparison: case, spacing, quotes, final punctuation."""
    text = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())
    # A leading "." or "-" may belong to a number, so only the end loses its punctuation marks.
    return text.lstrip(QUOTES + "¡¿").rstrip(QUOTES + ".,;:!?…。、！？") or text
