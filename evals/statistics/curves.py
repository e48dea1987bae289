"""Curves over the number of samples, averaged over problems, with intervals between problems."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.statistics.bootstrap import DRAWS, bootstrap_mean
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
        method: How the interval was found.
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
        ValueError: A pool has fewer samples than a ``k``, or no rewards where the protocol needs them.
    """
    smallest = min((pool.n for runs in pools for pool in runs), default=0)
    points = []
    for k in powers(smallest) if ks is None else ks:
        found = bootstrap_mean(by_problem(pools, protocol, k, seed=seed), groups, draws=draws, seed=seed)
        points.append(CurvePoint(k, found.value, found.low, found.high, found.n, found.standard_error, found.method))
    return points


def powers(most: int) -> list[int]:
    """1, 2, 4 and so on up to ``most``, and ``most`` itself."""
    return sorted({2**i for i in range(most.bit_length())} | ({most} if most else set()))


def by_problem(pools: Sequence[Sequence[Pool]], protocol: Protocol, k: int, *, seed: int = 0) -> NDArray[np.float64]:
    """What a protocol is expected to give for each problem, runs averaged, shape ``(problems,)``; errors as above."""
    values = np.empty(len(pools))
    for place, runs in enumerate(pools):
        if not runs:
            raise ValueError(f"problem {place} has no pool; leave it out and say so")
        values[place] = sum(expected(pool, protocol, k, seed=seed) for pool in runs) / len(runs)
    return values


def expected(pool: Pool, protocol: Protocol, k: int, *, seed: int = 0) -> float:
    """What a protocol is expected to give on one pool.

    Raises:
        ValueError: The pool has fewer than ``k`` samples, or no rewards where the protocol needs them.
    """
    if protocol == "coverage":
        return best_of_k(pool.scores, pool.scores, k)
    if protocol == "all":
        return worst_of_k(pool.scores, pool.scores, k)
    if protocol == "majority":
        return majority_of_pool(pool, k, seed=seed).value
    if not 1 <= k <= pool.n:
        raise ValueError(f"k = {k} draws need a pool of at least as many samples, and one has {pool.n}")
    if protocol == "average":
        return float(pool.scores.mean())
    if pool.rewards is None:
        raise ValueError(f"{protocol} of k needs rewards, and a pool has none")
    choose = best_of_k if protocol == "best" else worst_of_k
    return choose(pool.rewards, pool.scores, k)
