"""Bootstrap intervals over independent units; where units come in clusters, whole clusters are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.statistics.estimate import Estimate

Method = Literal["percentile", "bca"]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

DRAWS = 2000

# Elements of a matrix of weights at a time, so that many problems need no more memory than few.
_CHUNK = 1_000_000


def clusters(groups: Sequence[Hashable] | None, n: int) -> NDArray[np.int64]:
    """The number of each unit's cluster, from 0 in order of appearance; each unit by itself without ``groups``.

    Raises:
        ValueError: There are not as many groups as units.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"{len(groups)} groups were given for {n} units; give one for each")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def bootstrap(
    statistic: Statistic,
    n: int,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
    method: Method = "percentile",
) -> Estimate:
    """The bootstrap interval of a statistic of ``n`` units (Efron 1979; BCa: Efron 1987).

    Infinite values of the statistic are ordered like any other: where more than the tail of the draws are infinite,
    so is that end of the interval.

    Args:
        statistic: Takes weights of shape ``(draws, n)``, how often each unit was drawn, and gives ``(draws,)`` values.
        n: The number of units.
        groups: The cluster of each unit; whole clusters are drawn.
        draws: How many resamples.
        seed: Of the resamples.
        level: Of the interval.
        method: ``bca`` corrects bias and skewness and falls back to ``percentile`` where its terms are not finite.

    Raises:
        ValueError: There are no units.
    """
    if n == 0:
        raise ValueError("a bootstrap needs at least one unit")
    cluster = clusters(groups, n)
    count = int(cluster.max()) + 1
    value = float(statistic(np.ones((1, n)))[0])
    drawn = draw(statistic, cluster, draws, seed)
    found = summary(value, drawn, count, level=level)
    if method == "percentile" or (quantiles := _bca(statistic, cluster, value, drawn, (1 - level) / 2)) is None:
        return found
    low, high = ends(drawn, *quantiles)
    return replace(found, low=low, high=high, method="bootstrap-bca")


def draw(statistic: Statistic, cluster: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float64]:
    """The statistic of ``draws`` resamples of whole clusters, shape ``(draws, ...)``."""
    rng = np.random.default_rng(seed)
    count, n = int(cluster.max()) + 1, len(cluster)
    alone = np.array_equal(cluster, np.arange(n))
    step = max(1, _CHUNK // n)
    parts = []
    for start in range(0, draws, step):
        size = min(step, draws - start)
        chosen = rng.integers(0, count, size=(size, count), dtype=np.int32) + count * np.arange(size)[:, None]
        weights = np.bincount(chosen.ravel(), minlength=size * count).reshape(size, count)
        parts.append(statistic((weights if alone else weights[:, cluster]).astype(np.float64)))
    return np.concatenate(parts)


def ends(values: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Two quantiles of draws, outward to the next draw so that infinite ones need no interpolation."""
    below, above = np.quantile(values, low, method="lower"), np.quantile(values, high, method="higher")
    return float(below), float(above)


def _bca(
    statistic: Statistic, cluster: NDArray[np.int64], value: float, drawn: NDArray[np.float64], tail: float
) -> tuple[float, float] | None:
    normal = NormalDist()
    count = int(cluster.max()) + 1
    share = float((drawn < value).mean() + (drawn == value).mean() / 2)
    if not 0 < share < 1 or count < 2:
        return None
    left_out = np.concatenate([statistic((cluster != c)[None, :].astype(np.float64)) for c in range(count)])
    deviations = left_out.mean() - left_out
    spread = float((deviations**2).sum())
    if not math.isfinite(spread) or spread == 0:
        return None
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5)
    bias = normal.inv_cdf(share)

    def moved(z: float) -> float:
        return normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))

    return moved(normal.inv_cdf(tail)), moved(normal.inv_cdf(1 - tail))


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
    method: Method = "percentile",
) -> Estimate:
    """The mean of units and its bootstrap interval; arguments as in :func:`bootstrap`."""
    x = np.asarray(values, dtype=np.float64)
    return bootstrap(
        lambda w: (w @ x) / w.sum(axis=1), len(x), groups, draws=draws, seed=seed, level=level, method=method
    )


def bootstrap_means(
    values: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> list[Estimate]:
    """The mean of each column of ``values``, shape ``(n, m)``, with percentile intervals from the same resamples."""
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        raise ValueError("a bootstrap needs at least one unit")
    cluster = clusters(groups, len(x))
    drawn = draw(lambda w: (w @ x) / w.sum(axis=1, keepdims=True), cluster, draws, seed)
    count = int(cluster.max()) + 1
    return [
        summary(float(mean), column, count, level=level) for mean, column in zip(x.mean(axis=0), drawn.T, strict=True)
    ]


def summary(
    value: float,
    drawn: NDArray[np.float64],
    n: int,
    *,
    level: float = 0.95,
    method: str = "bootstrap-percentile",
) -> Estimate:
    """The percentile interval of draws, with their spread as standard error where none is infinite."""
    tail = (1 - level) / 2
    spread = float(drawn.std(ddof=1)) if n > 1 and np.isfinite(drawn).all() else None
    return Estimate(value, *ends(drawn, tail, 1 - tail), n, spread, method, level)
