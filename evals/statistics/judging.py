"""How well an architecture picks from its pool, and how well its rewards tell right from wrong."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.statistics.accuracy import Accuracy, accuracy, accuracy_over_repeats, wilson
from evals.statistics.bootstrap import Statistic, bootstrap, bootstrap_mean
from evals.statistics.estimate import Estimate
from evals.statistics.paired import Difference, paired
from evals.statistics.pools import Pool, majority_of_pool

# Samples up to which all pairs are compared at once.
_SMALL = 256


@dataclass(frozen=True, slots=True)
class Gap:
    """The gap between generating a right answer and picking it.

    Attributes:
        oracle: The best grade in each pool: what a perfect choice would reach.
        selected: What the architecture answered.
        random: The mean grade of each pool: what choosing blindly reaches.
        majority: What the most frequent answer of each pool reaches.
        loss: ``oracle - selected`` by problem; below 0 where the answer was made, not picked, and is better than any.
        lift: ``selected - random`` by problem.
        n: The number of problems.
    """

    oracle: Accuracy
    selected: Accuracy
    random: Accuracy
    majority: Accuracy
    loss: Difference
    lift: Difference
    n: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Samples whose rewards are alike.

    Attributes:
        reward: Their mean reward.
        value: The share of them that is right.
        low: Lower end of its 95 % Wilson interval, as if samples were independent.
        high: Upper end of it.
        n: The number of samples.
    """

    reward: float
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far rewards tell right samples from wrong ones; intervals between problems.

    Attributes:
        true_positives: The share of right samples with a reward of at least ``threshold``; ``None`` without right ones.
        false_positives: The share of wrong samples with one; ``None`` without wrong ones.
        ceiling: The share of right ones among those with one; ``None`` if there are none.
        auc: The chance that a right sample has a higher reward than a wrong one of any problem; ties count half.
        within: The same for two samples of one pool, averaged over problems that have both: what choosing rests on.
        error: The expected calibration error, which is biased upward for few samples; ``None`` unless rewards lie
            between 0 and 1.
        bins: The reliability diagram; empty unless rewards lie between 0 and 1.
        threshold: What counts as accepted.
        n: The number of samples with a reward.
    """

    true_positives: Estimate | None
    false_positives: Estimate | None
    ceiling: Estimate | None
    auc: Estimate | None
    within: Estimate | None
    error: Estimate | None
    bins: tuple[Bin, ...]
    threshold: float
    n: int


def gap(
    pools: Sequence[Sequence[Pool]],
    selected: Sequence[Sequence[float]],
    groups: Sequence[Hashable] | None = None,
) -> Gap:
    """Compare what an architecture answered with what was in its pools.

    Args:
        pools: For each problem the pools of its runs.
        selected: For each problem the grades of the final answers.
        groups: The cluster of each problem.

    Raises:
        ValueError: The numbers of problems differ, or a problem has no pool or no grade.
    """
    best = [[float(pool.scores.max()) for pool in runs] for runs in pools]
    blind = [[float(pool.scores.mean()) for pool in runs] for runs in pools]
    voted = [[majority_of_pool(pool, pool.n).value for pool in runs] for runs in pools]
    return Gap(
        accuracy_over_repeats(best, groups),
        accuracy_over_repeats(selected, groups),
        accuracy_over_repeats(blind, groups),
        accuracy_over_repeats(voted, groups),
        paired(best, selected, groups),
        paired(selected, blind, groups),
        len(pools),
    )


def auc(labels: ArrayLike, rewards: ArrayLike) -> float | None:
    """The chance that a right sample has a higher reward than a wrong one; ``None`` unless there are both.

    Args:
        labels: Right or wrong, shape ``(n,)``.
        rewards: Shape ``(n,)``; ties count half.
    """
    right, r = np.asarray(labels, dtype=bool), np.asarray(rewards, dtype=np.float64)
    if right.all() or not right.any():
        return None
    if len(r) <= _SMALL:
        above = np.subtract.outer(r[right], r[~right])
        return float(((above > 0) + (above == 0) / 2).mean())
    return float(_weighted_auc(right, r)(np.ones((1, len(r))))[0])


def within_auc(
    pools: Sequence[Sequence[Pool]],
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = 500,
    seed: int = 0,
) -> Estimate | None:
    """The chance that of a right and a wrong sample of one pool the right one has the higher reward.

    Averaged over the runs of a problem, then over problems; ``None`` where no pool has both.

    Args:
        pools: For each problem the pools of its runs; samples without a reward are left out.
        groups: The cluster of each problem.
        draws: Bootstrap resamples over problems.
        seed: Of those resamples.
    """
    values: list[float] = []
    places: list[Hashable] = []
    for place, runs in enumerate(pools):
        found = [x for pool in runs if pool.rewards is not None and (x := auc(*_rewarded(pool))) is not None]
        if found:
            values.append(sum(found) / len(found))
            places.append(place if groups is None else groups[place])
    if not values:
        return None
    measured = bootstrap_mean(values, places, draws=draws, seed=seed)
    if measured.low < measured.high:
        return measured
    return Estimate(measured.value, *wilson(measured.value, measured.n), measured.n, None, "wilson")


def calibrate(
    pools: Sequence[Sequence[Pool]],
    *,
    threshold: float = 0.5,
    groups: Sequence[Hashable] | None = None,
    bins: int = 10,
    draws: int = 500,
    seed: int = 0,
) -> Calibration:
    """Measure rewards against grades. A sample is right with a grade of at least one half.

    Args:
        pools: For each problem the pools of its runs; samples without a reward are left out.
        threshold: The reward from which a sample counts as accepted.
        groups: The cluster of each problem.
        bins: Of equal width, for the reliability diagram.
        draws: Bootstrap resamples over problems.
        seed: Of those resamples.

    Raises:
        ValueError: No sample has a reward.
    """
    rewarded = [[_rewarded(pool) for pool in runs if pool.rewards is not None] for runs in pools]
    flat = [pool for runs in rewarded for pool in runs]
    if not any(len(right) for right, _ in flat):
        raise ValueError("no sample has a reward to be measured")
    owner = np.repeat(np.arange(len(pools)), [sum(len(right) for right, _ in runs) for runs in rewarded])
    right = np.concatenate([right for right, _ in flat])
    rewards = np.concatenate([r for _, r in flat])
    accepted = rewards >= threshold
    clusters_of = [groups[i] if groups is not None else i for i in range(len(pools))]
    size = len(pools)

    def share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> Estimate | None:
        top, bottom = (np.bincount(owner, x, size).astype(np.float64) for x in (part & whole, whole))
        if not bottom.any():
            return None
        found = bootstrap(_ratio(top, bottom), size, clusters_of, draws=draws, seed=seed)
        if 0 < found.value < 1:
            return found
        n = int((bottom > 0).sum())
        return Estimate(found.value, *wilson(found.value, n), n, None, "wilson")

    both = right.any() and not right.all()
    measure = _weighted_auc(right, rewards)
    over_all = bootstrap(lambda w: measure(w[:, owner]), size, clusters_of, draws=draws, seed=seed) if both else None
    error: Estimate | None = None
    diagram: tuple[Bin, ...] = ()
    if ((rewards >= 0) & (rewards <= 1)).all():
        which = np.minimum((rewards * bins).astype(np.int64), bins - 1)
        diagram = tuple(_bin(right[which == b], rewards[which == b]) for b in range(bins) if (which == b).any())
        parts = np.zeros((size, bins))
        np.add.at(parts, (owner, which), right - rewards)
        sizes = np.bincount(owner, minlength=size)
        error = bootstrap(
            lambda w: np.abs(w @ parts).sum(axis=1) / (w @ sizes), size, clusters_of, draws=draws, seed=seed
        )
    return Calibration(
        share(accepted, right),
        share(accepted, ~right),
        share(right, accepted),
        over_all,
        within_auc(pools, groups, draws=draws, seed=seed),
        error,
        diagram,
        threshold,
        len(right),
    )


def _rewarded(pool: Pool) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rewards = np.asarray(pool.rewards)
    kept = np.isfinite(rewards)
    return pool.scores[kept] >= 0.5, rewards[kept]


def _bin(right: NDArray[np.bool_], rewards: NDArray[np.float64]) -> Bin:
    measured = accuracy(right.astype(np.float64).tolist())
    return Bin(float(rewards.mean()), measured.value, measured.low, measured.high, measured.n)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Statistic:
    whole = top.sum() / bottom.sum()

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        below = weights @ bottom
        # A resample without any such sample says nothing.
        return np.where(below > 0, (weights @ top) / np.where(below > 0, below, 1), whole)

    return of


def _mean_error(parts: NDArray[np.float64], sizes: NDArray[np.int64]) -> Statistic:
    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.abs(weights @ parts).sum(axis=1) / np.maximum(weights @ sizes, 1))

    return of


def _weighted_auc(right: NDArray[np.bool_], rewards: NDArray[np.float64]) -> Statistic:
    order = np.argsort(rewards, kind="stable")
    sorted_right = right[order]
    _, first = np.unique(rewards[order], return_index=True)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        w = weights[:, order]
        positive = np.add.reduceat(w * sorted_right, first, axis=1)
        negative = np.add.reduceat(w * ~sorted_right, first, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        won = (positive * below).sum(axis=1)
        return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), 0.5)

    return of
