"""How many problems it takes to see a gap, before they are bought."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evals.statistics.accuracy import Scores, question_means
from evals.statistics.special import z_quantile


@dataclass(frozen=True, slots=True)
class Components:
    """Where the variance of a paired difference comes from (Miller 2024, arXiv:2411.00640).

    Attributes:
        between: Variance over problems of the difference of the two true accuracies, omega squared.
        within_first: Mean variance of the first between repeats of a problem.
        within_second: Mean variance of the second.
        n: The problems it was estimated from.
    """

    between: float
    within_first: float
    within_second: float
    n: int


def components(first: Scores, second: Scores) -> Components:
    """The components of variance estimated from a pilot with at least two repeats of each problem.

    The part of the variance between problems that chance within them explains is taken away, so that it is unbiased
    before it is cut at 0.

    Raises:
        ValueError: There are fewer than two problems, a problem has a single repeat, or the two differ in problems.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"a pilot needs the same two problems or more, not {len(first)} and {len(second)}")
    within, noise = [], 0.0
    for scores in (first, second):
        sizes = np.array([len(s) for s in scores])
        if (sizes < 2).any():
            raise ValueError(f"problem {int(np.argmin(sizes))} of the pilot needs at least two repeats")
        variances = np.array([np.var(s, ddof=1) for s in scores])
        within.append(float(variances.mean()))
        noise += float((variances / sizes).mean())
    total = float(np.var(question_means(first) - question_means(second), ddof=1))
    return Components(max(0.0, total - noise), within[0], within[1], len(first))


def problems_needed(
    gap: float,
    variance: Components,
    *,
    repeats_first: int = 1,
    repeats_second: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """How many problems show a gap: ``(z_{alpha/2} + z_beta)**2 (omega2 + s_A/K_A + s_B/K_B) / gap**2``, rounded up.

    Args:
        gap: The difference in accuracy to be seen.
        variance: From a pilot or by assumption.
        repeats_first: How often the first answers each problem.
        repeats_second: How often the second does.
        alpha: The two-sided level of the test.
        power: The chance to see the gap if it is there.

    Raises:
        ValueError: The gap is zero.
    """
    if gap == 0:
        raise ValueError("no number of problems shows a gap of zero")
    return math.ceil(_scale(variance, repeats_first, repeats_second, alpha, power) / gap**2 - 1e-9)


def smallest_gap(
    n: int,
    variance: Components,
    *,
    repeats_first: int = 1,
    repeats_second: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """The smallest gap that ``n`` problems show; arguments as in :func:`problems_needed`."""
    return math.sqrt(_scale(variance, repeats_first, repeats_second, alpha, power) / n)


def _scale(variance: Components, repeats_first: int, repeats_second: int, alpha: float, power: float) -> float:
    spread = variance.between + variance.within_first / repeats_first + variance.within_second / repeats_second
    return (z_quantile(1 - alpha / 2) + z_quantile(power)) ** 2 * spread
