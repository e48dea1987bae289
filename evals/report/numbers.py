"""Numbers that come out the same on every machine, and in the form in which JSON can hold them."""

from __future__ import annotations

import math
from typing import Any

DIGITS = 6


def draws_for(problems: int) -> int:
    """How many resamples of problems an interval rests on: fewer where there are thousands and it is narrow anyway."""
    return min(2000, max(200, 2_000_000 // max(problems, 1)))


def settled(data: Any) -> Any:
    """The data with every number rounded to six significant digits; what is infinite or unknown is ``None``.

    Sums in another order differ in the last bits; after rounding they do not.
    """
    if isinstance(data, dict):
        return {key: settled(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [settled(value) for value in data]
    if isinstance(data, float):
        return float(f"{data:.{DIGITS}g}") + 0.0 if math.isfinite(data) else None
    return data


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which ``q10`` comes after ``q2``."""
    parts: list[tuple[int, int, str]] = []
    word = ""
    for character in text:
        if word and character.isdecimal() != word[-1].isdecimal():
            parts.append(_part(word))
            word = ""
        word += character
    return (*parts, _part(word))


def _part(word: str) -> tuple[int, int, str]:
    return (0, int(word), word) if word.isdecimal() else (1, 0, word)
