"""Verifiers as functions, for the kind ``python``."""

from __future__ import annotations

from collections.abc import Sequence


def no_slip(question: str, candidates: Sequence[str]) -> list[float]:
    """1 as long as there is no slip in a text."""
    return [float("slip" not in text) for text in candidates]


MODULE = __name__
