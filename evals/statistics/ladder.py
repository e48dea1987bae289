"""The Ladder: a benchmark that many candidates are tried on, without telling them more than it must."""

from __future__ import annotations

import math
from collections.abc import Iterable


def ladder(scores: Iterable[float], step: float) -> list[float]:
    """What is told of each score in turn: the score, rounded to ``step``, if it beats the best told so far by more.

    Otherwise that best is repeated. Source: Blum and Hardt 2015 (The Ladder, arXiv:1502.04585), cited from memory.

    Args:
        scores: In the order in which candidates come.
        step: Such as the standard error of a paired difference.

    Raises:
        ValueError: ``step`` is not positive.
    """
    if step <= 0:
        raise ValueError(f"the Ladder needs a step above 0, not {step}")
    told: list[float] = []
    best = -math.inf
    for score in scores:
        if score > best + step:
            best = round(score / step) * step
        told.append(best)
    return told
