"""Accuracy that never goes without its n and its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.statistics.bootstrap import DRAWS, Method, bootstrap_mean, clusters
from evals.statistics.estimate import Z95
from evals.statistics.special import beta_quantile

Scores = Sequence[Sequence[float] | NDArray[np.float64]]
"""For each question the scores of its runs."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A mean of grades over questions.

    Attributes:
        value: Between 0 and 1.
        low: Lower end of the 95 % interval.
        high: Upper end of it.
        n: The number of questions; repetitions of a question do not raise it.
        standard_error: Of the mean, between clusters where there are any; ``None`` for a single one.
        runs: The number of grades.
        clusters: The number of clusters of questions; ``n`` where each stands alone.
        method: ``wilson``, ``bootstrap-percentile`` or ``bootstrap-bca``.
    """

    value: float
    low: float
    high: float
    n: int
    standard_error: float | None
    runs: int
    clusters: int
    method: str


@dataclass(frozen=True, slots=True)
class Support:
    """What a number of right answers supports.

    Attributes:
        value: The share that was right.
        low: What the accuracy is at least, with confidence ``level`` (one-sided, exact).
        high: What it is at most, with the same confidence.
        n: The number of questions.
        level: The confidence of either bound.
        target: The accuracy one would like to claim.
        needed: How many questions without a failure it takes to claim ``target``.
        enough: Whether ``low`` reaches ``target``.
    """

    value: float
    low: float
    high: float
    n: int
    level: float
    target: float
    needed: int
    enough: bool

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        claim = f"{round(self.value * self.n)} of {self.n} right supports an accuracy of at least {self.low:.3f}"
        if self.enough:
            return f"{claim} ({self.level:.0%} confidence)."
        return f"{claim} ({self.level:.0%} confidence); {self.target:.0%} would take {self.needed} without a failure."


def accuracy(scores: Sequence[float], groups: Sequence[Hashable] | None = None) -> Accuracy:
    """The accuracy over ``n`` questions, one score from 0 to 1 for each.

    The standard error is that of Miller 2024 (Adding Error Bars to Evals, arXiv:2411.00640): ``sqrt(sum((s - mean)**2)
    / (n (n - 1)))``, or between clusters ``sqrt(sum over clusters of (sum of s - mean)**2) / n``. It is 0 when all
    scores agree, which says nothing about the next question; the Wilson interval does. Scores between 0 and 1 vary no
    more than those that are 0 or 1 do, so that the interval is on the safe side for them.

    With clusters the interval is Wilson's at the effective number of questions ``mean (1 - mean) / standard_error**2``
    (after Korn and Graubard 1998), at most ``n``; where all scores agree it is the number of clusters. Groups of one
    question each are as good as none.

    Args:
        scores: One for each question.
        groups: The cluster of each question, such as the passage it is about.

    Raises:
        ValueError: There are no scores, or not as many groups as scores.
    """
    x = np.asarray(scores, dtype=np.float64)
    return _measure(x, groups, len(x))


def accuracy_over_repeats(scores: Scores, groups: Sequence[Hashable] | None = None) -> Accuracy:
    """The accuracy over questions asked more than once: repeats are averaged first, so that they never inflate ``n``.

    The interval is Wilson's at the effective number of questions, as with clusters, at most the number of runs: it is
    that of single answers where repeats always agree, and narrower the less they do.

    Args:
        scores: For each question its scores, at least one.
        groups: The cluster of each question.

    Raises:
        ValueError: There is no question, or one without a score.
    """
    return _measure(question_means(scores), groups, sum(map(len, scores)))


def _measure(x: NDArray[np.float64], groups: Sequence[Hashable] | None, runs: int) -> Accuracy:
    n = len(x)
    if n == 0:
        raise ValueError("accuracy needs at least one grade")
    mean = math.fsum(x) / n
    if groups is None or len(set(groups)) == len(groups) == n:
        count, bessel = n, n / max(n - 1, 1)
        squares = math.fsum((x - mean) ** 2)
    else:
        sums = np.bincount(clusters(groups, n), weights=x - mean)
        count, bessel = len(sums), 1.0
        squares = math.fsum(sums**2)
    variance = squares / n**2
    effective = float(count)
    if variance > 1e-18:
        effective = min(float(runs), max(1.0, mean * (1 - mean) / variance))
    error = math.sqrt(bessel * variance) if count > 1 else None
    return Accuracy(mean, *wilson(mean, effective), n, error, runs, count, "wilson")


def bootstrap_accuracy(
    scores: Scores,
    groups: Sequence[Hashable] | None = None,
    *,
    method: Method = "percentile",
    draws: int = DRAWS,
    seed: int = 0,
) -> Accuracy:
    """The accuracy over questions with a bootstrap interval over questions, or over their clusters.

    A bootstrap of scores that all agree has no width: prefer :func:`accuracy_over_repeats` near 0 and 1.
    """
    plain = accuracy_over_repeats(scores, groups)
    found = bootstrap_mean(question_means(scores), groups, draws=draws, seed=seed, method=method)
    return Accuracy(
        plain.value, found.low, found.high, plain.n, plain.standard_error, plain.runs, plain.clusters, found.method
    )


def question_means(scores: Scores) -> NDArray[np.float64]:
    """The mean score of each question.

    Raises:
        ValueError: A question has no score.
    """
    sizes = np.array([len(s) for s in scores], dtype=np.int64)
    if not len(sizes):
        return np.zeros(0)
    if not sizes.all():
        raise ValueError(f"question {int(np.argmin(sizes))} has no score; leave it out and say so")
    flat = np.concatenate([np.asarray(s, dtype=np.float64) for s in scores])
    return np.add.reduceat(flat, np.concatenate(([0], np.cumsum(sizes)[:-1]))) / sizes


def wilson(mean: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927); ``n`` may be an effective number."""
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(0.0, mean * (1 - mean)) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson 1934); each end alone is a bound at ``(1 + level) / 2``.

    Raises:
        ValueError: ``successes`` is not from 0 to ``n``.
    """
    if not 0 <= successes <= n or n <= 0:
        raise ValueError(f"{successes} of {n} is no proportion")
    tail = (1 - level) / 2
    low = beta_quantile(tail, successes, n - successes + 1) if successes > 0 else 0.0
    high = beta_quantile(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return low, high


def support(right: int, n: int, *, target: float = 0.95, confidence: float = 0.95) -> Support:
    """What ``right`` of ``n`` independent questions supports, by exact one-sided bounds.

    Raises:
        ValueError: ``right`` is not from 0 to ``n``.
    """
    low, high = clopper_pearson(right, n, 2 * confidence - 1)
    needed = zero_failures_needed(target, confidence)
    return Support(right / n, low, high, n, confidence, target, needed, low >= target)


def zero_failures_needed(target: float = 0.95, confidence: float = 0.95) -> int:
    """How many questions, all right, it takes to claim ``target``: the least n with ``target**n <= 1 - confidence``.

    Raises:
        ValueError: ``target`` or ``confidence`` is not strictly between 0 and 1.
    """
    if not 0 < target < 1 or not 0 < confidence < 1:
        raise ValueError("target and confidence lie strictly between 0 and 1")
    return math.ceil(math.log(1 - confidence) / math.log(target) - 1e-9)
