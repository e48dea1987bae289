"""Rewards as functions, for the kind ``python``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def brevity(question: str, candidates: Sequence[str]) -> list[float]:
    return [1 / (1 + len(text)) for text in candidates]


async def patience(question: str, candidates: Sequence[str]) -> list[float]:
    return [0.25 for _ in candidates]


def stated(question: str, candidates: Sequence[str]) -> list[Any]:
    """The score that stands behind the last bar of a text, whatever it is."""
    values: dict[str, Any] = {"none": None, "text": "0.5", "true": True, "huge": 10**400, "nan": math.nan}
    return [values[said] if (said := text.rpartition("|")[2]) in values else float(said) for text in candidates]


def too_few(question: str, candidates: Sequence[str]) -> list[float]:
    return [0.5] * (len(candidates) - 1)


def no_list(question: str, candidates: Sequence[str]) -> float:
    return 0.5


def broken(question: str, candidates: Sequence[str]) -> list[float]:
    raise LookupError("out of order")


MODULE = __name__
