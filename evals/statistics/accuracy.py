"""Accuracy that never goes without its n and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A mean of grades over independent questions.

    Attributes:
        mean: Between 0 and 1.
        n: The number of questions.
        standard_error: ``sqrt(sum((s - mean)**2) / (n (n - 1)))``; ``None`` for a single question.
        low: Lower end of the 95 % Wilson interval.
        high: Upper end of it.
    """

    mean: float
    n: int
    standard_error: float | None
    low: float
    high: float


def accuracy(grades: Sequence[bool]) -> Accuracy:
    """The accuracy over ``n`` questions graded right or wrong.

    The standard error follows Miller 2024 (Adding Error Bars to Evals, arXiv:2411.00640). It is 0 when all grades
    agree, which says nothing about the next question; the Wilson interval does.

    Raises:
        ValueError: There are no grades.
    """
    n = len(grades)
    if n == 0:
        raise ValueError("accuracy needs at least one grade")
    mean = math.fsum(grades) / n
    error = math.sqrt(math.fsum((g - mean) ** 2 for g in grades) / (n * (n - 1))) if n > 1 else None
    return Accuracy(mean, n, error, *wilson(mean, n))


def wilson(mean: float, n: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927)."""
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
