"""Verifiers as functions, for the kind ``python``."""

from __future__ import annotations

from collections.abc import Sequence


def no_slip(question: str, candidates: Sequence[str]) -> list[float]:
    """1 as long as there is no slip in a text."""
    return [float("slip" not in text) for text in candidates]


def even_start(question: str, candidates: Sequence[str]) -> list[float]:
    """1 if the first number of a text is even."""
    return [float(text.partition("step ")[2][:1] in set("02468")) for text in candidates]


MODULE = __name__
