"""Comparing two architectures on the same problems."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.statistics.accuracy import Scores, clopper_pearson, question_means
from evals.statistics.bootstrap import clusters
from evals.statistics.estimate import Z95
from evals.statistics.special import beta_cdf, t_cdf, t_quantile

_EXACT = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two accuracies on the same problems.

    Attributes:
        value: The first minus the second.
        low: Lower end of the 95 % interval (Student's t).
        high: Upper end of it.
        n: The number of problems, or of clusters of them.
        standard_error: ``None`` for a single problem.
        p: How likely a difference so large is if there is none; 1 for a single problem.
        method: ``t`` or ``sign-flip``: how ``p`` was found.
        correlation: Between the scores of the two; the higher, the more the pairing helps. ``None`` where one of them
            does not vary.
    """

    value: float
    low: float
    high: float
    n: int
    standard_error: float | None
    p: float
    method: str
    correlation: float | None


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test of two architectures that are right or wrong on the same problems.

    Attributes:
        value: The accuracy of the first minus that of the second.
        low: Lower end of its 95 % interval (Agresti and Min 2005: half a problem is added to each cell).
        high: Upper end of it.
        n: The number of problems.
        only_first: Problems that only the first got right.
        only_second: Problems that only the second got right.
        p: Two-sided and exact.
    """

    value: float
    low: float
    high: float
    n: int
    only_first: int
    only_second: int
    p: float


def paired(
    first: Scores,
    second: Scores,
    groups: Sequence[Hashable] | None = None,
    *,
    test: Literal["t", "sign-flip"] = "t",
    draws: int = 20_000,
    seed: int = 0,
) -> Difference:
    """The mean difference by problem, repeats averaged first (Miller 2024, arXiv:2411.00640).

    Where all differences are the same, Student's t would claim certainty: the p value is then that of the signs, and
    the interval allows for as many other problems as ``n`` alike leave possible (exact, with the most extreme scores).

    Args:
        first: For each problem the scores of one architecture.
        second: For the same problems in the same order the scores of the other; numbers of repeats may differ.
        groups: The cluster of each problem: differences are then summed within clusters.
        test: ``t``, or the permutation of signs, which assumes nothing but symmetry.
        draws: Resamples of ``sign-flip`` beyond the 20 units for which it is exact.
        seed: Of those resamples.

    Raises:
        ValueError: The two do not have the same number of problems, or there is none.
    """
    if len(first) != len(second):
        raise ValueError(f"a paired comparison needs the same problems, not {len(first)} and {len(second)}")
    a, b = question_means(first), question_means(second)
    if not len(a):
        raise ValueError("a paired comparison needs at least one problem")
    differences = a - b
    problems = len(differences)
    value = math.fsum(differences) / problems
    cluster = clusters(groups, problems)
    sums = np.bincount(cluster, weights=differences)
    n = len(sums)
    varying = a.std() > 0 and b.std() > 0
    correlation = float(np.corrcoef(a, b)[0, 1]) if varying else None
    if n == 1:
        return Difference(value, -1.0, 1.0, 1, None, 1.0, test, correlation)
    around = np.bincount(cluster, weights=differences - value)
    error = math.sqrt(math.fsum(around**2) * n / (n - 1)) / problems
    if error < 1e-12:
        other = clopper_pearson(0, n)[1]
        low, high = value - other * (1 + value), value + other * (1 - value)
        return Difference(value, low, high, n, 0.0, sign_flip(sums), "sign-flip", correlation)
    half = t_quantile(0.975, n - 1) * error
    low, high = max(-1.0, value - half), min(1.0, value + half)
    p = sign_flip(sums, draws=draws, seed=seed) if test == "sign-flip" else 2 * t_cdf(-abs(value) / error, n - 1)
    return Difference(value, low, high, n, error, p, test, correlation)


def sign_flip(differences: ArrayLike, *, draws: int = 20_000, seed: int = 0) -> float:
    """The two-sided p value of a mean difference of zero, by flipping signs.

    Differences of zero change nothing and are dropped. With at most 20 others all flips are counted and the p value is
    exact; beyond that ``draws`` are taken, and the observed one is counted among them (Phipson and Smyth 2010).
    """
    d = np.asarray(differences, dtype=np.float64)
    d = d[d != 0]
    observed = abs(d.sum()) - 1e-9 * np.abs(d).sum()
    if not len(d):
        return 1.0
    if len(d) <= _EXACT:
        sums: NDArray[np.float64] = np.zeros(1)
        for x in d:
            sums = np.concatenate((sums + x, sums - x))
        return float((np.abs(sums) >= observed).mean())
    rng = np.random.default_rng(seed)
    reached, left = 0, draws
    while left:
        size = min(left, max(1, 4_000_000 // len(d)))
        flips = rng.integers(0, 2, size=(size, len(d)), dtype=np.int8) * 2 - 1
        reached += int((np.abs(flips @ d) >= observed).sum())
        left -= size
    return (reached + 1) / (draws + 1)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Compare right and wrong on the same problems: only those on which the two disagree count (McNemar 1947).

    Raises:
        ValueError: The two do not have the same number of problems, or there is none.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if len(a) != len(b) or not len(a):
        raise ValueError(f"McNemar's test needs the same problems, not {len(a)} and {len(b)}")
    n, only_a, only_b = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    disagreed, fewer = only_a + only_b, min(only_a, only_b)
    # The binomial sum of the smaller half, as a Beta probability.
    p = 1.0 if only_a == only_b else min(1.0, 2 * beta_cdf(0.5, disagreed - fewer, fewer + 1))
    plus_a, plus_b, plus_n = only_a + 0.5, only_b + 0.5, n + 2
    centre = (plus_a - plus_b) / plus_n
    half = Z95 * math.sqrt((plus_a + plus_b) - (plus_a - plus_b) ** 2 / plus_n) / plus_n
    return McNemar((only_a - only_b) / n, max(-1.0, centre - half), min(1.0, centre + half), n, only_a, only_b, p)
