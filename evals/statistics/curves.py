"""Curves over the number of samples, averaged over problems, with intervals between problems."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.statistics.accuracy import wilson
from evals.statistics.bootstrap import DRAWS, bootstrap_means
from evals.statistics.estimate import Estimate
from evals.statistics.pools import Pool, best_of_k, majority_of_pool, worst_of_k

Protocol = Literal["coverage", "all", "average", "majority", "best", "worst"]
"""How k samples become one score: the best grade among them (pass@k), the worst (pass^k), their mean, the grade of the
most frequent answer, the grade of the one with the highest reward, or with the lowest."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The mean over problems of what k samples give.

    Attributes:
        k: How many samples.
        value: From 0 to 1.
        low: Lower end of the 95 % interval between problems.
        high: Upper end of it.
        n: The number of problems, or of clusters of them.
        standard_error: Between problems; ``None`` for a single one.
        method: ``bootstrap-percentile``, or ``wilson`` where all problems agree.
    """

    k: int
    value: float
    low: float
    high: float
    n: int
    standard_error: float | None
    method: str


def curve(
    pools: Sequence[Sequence[Pool]],
    protocol: Protocol,
    ks: Sequence[int] | None = None,
    *,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[CurvePoint]:
    """What a protocol gives at each k; the same problems are drawn at every k, so that points compare.

    Args:
        pools: For each problem the pools of its runs, which are averaged first.
        protocol: How k samples become one score.
        ks: The numbers of samples; powers of two up to the smallest pool, and its size, if not given.
        groups: The cluster of each problem.
        draws: Bootstrap resamples over problems.
        seed: Of those resamples.

    Raises:
        ValueError: There is no pool, one has fewer samples than a ``k``, or no rewards where the protocol needs them.
    """
    smallest = min((pool.n for runs in pools for pool in runs), default=0)
    if not smallest:
        raise ValueError("a curve needs a pool of at least one graded sample for each problem")
    chosen = powers(smallest) if ks is None else ks
    values = np.column_stack([by_problem(pools, protocol, k, seed=seed) for k in chosen])
    found = bootstrap_means(values, groups, draws=draws, seed=seed)
    return [_point(k, estimate, column) for k, estimate, column in zip(chosen, found, values.T, strict=True)]


def _point(k: int, found: Estimate, values: NDArray[np.float64]) -> CurvePoint:
    if np.ptp(values) > 1e-12:
        return CurvePoint(k, found.value, found.low, found.high, found.n, found.standard_error, found.method)
    # Resamples of problems that all agree have no width, which is not to say that the next one agrees too.
    return CurvePoint(k, found.value, *wilson(min(1.0, found.value), found.n), found.n, found.standard_error, "wilson")


def powers(most: int) -> list[int]:
    """1, 2, 4 and so on up to ``most``, and ``most`` itself."""
    return sorted({2**i for i in range(most.bit_length())} | ({most} if most else set()))


def by_problem(pools: Sequence[Sequence[Pool]], protocol: Protocol, k: int, *, seed: int = 0) -> NDArray[np.float64]:
    """What a protocol is expected to give for each problem, runs averaged, shape ``(problems,)``; errors as above."""
    if empty := [place for place, runs in enumerate(pools) if not runs]:
        raise ValueError(f"problem {empty[0]} has no pool; leave it out and say so")
    flat = [pool for runs in pools for pool in runs]
    owner = np.repeat(np.arange(len(pools)), [len(runs) for runs in pools])
    values = expected(flat, protocol, k, seed=seed)
    return np.bincount(owner, weights=values) / np.bincount(owner)


def _voted(pools: Sequence[Pool], k: int, seed: int) -> NDArray[np.float64]:
    """The majority of each pool; pools of a few samples come in few shapes, each counted once."""
    found: dict[tuple[int, tuple[tuple[int, float], ...]], float] = {}
    values = np.empty(len(pools))
    for place, pool in enumerate(pools):
        shape = (pool.n, tuple(sorted(pool.votes.values())))
        if shape not in found:
            found[shape] = majority_of_pool(pool, k, seed=seed).value
        values[place] = found[shape]
    return values


def expected(pools: Sequence[Pool], protocol: Protocol, k: int, *, seed: int = 0) -> NDArray[np.float64]:
    """What a protocol is expected to give on each pool, shape ``(pools,)``.

    Raises:
        ValueError: A pool has fewer than ``k`` samples, or no rewards where the protocol needs them.
    """
    sizes = np.array([pool.n for pool in pools], dtype=np.int64)
    if len(sizes) and not 1 <= k <= sizes.min():
        raise ValueError(f"k = {k} draws need pools of at least as many samples, and the smallest has {sizes.min()}")
    if protocol == "average":
        return np.array([pool.scores.mean() for pool in pools])
    if protocol == "majority":
        return _voted(pools, k, seed)
    if protocol in ("best", "worst") and any(pool.rewards is None for pool in pools):
        raise ValueError(f"{protocol} of k needs rewards, and a pool has none")
    choose = best_of_k if protocol in ("coverage", "best") else worst_of_k
    values = np.empty(len(pools))
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size).tolist()
        scores = np.array([pools[place].scores for place in places])
        by = np.array([pools[place].rewards for place in places]) if protocol in ("best", "worst") else scores
        values[places] = choose(by, scores, k)
    return values
