"""What k samples would have given, from a pool of n that were drawn once: exact, without new calls.

All draws are without replacement. Taking the first k of a pool, or drawing with replacement, gives the same mean with
more noise or with a bias.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.records import Record
from evals.statistics.special import log_choose, log_factorials

# Steps of the exact count of votes beyond which it is slower than draws.
_EXACT_STEPS = 200_000


@dataclass(frozen=True)
class Pool:
    """The graded samples that one run on one problem chose from.

    Attributes:
        scores: The grade of each sample, shape ``(n,)``.
        answers: The answer of each, ``None`` where none was found; such samples are drawn but do not vote.
        rewards: What the architecture's own reward gave each; ``-inf`` where it gave none. ``None`` if it gave none
            to any.
    """

    scores: NDArray[np.float64]
    answers: tuple[str | None, ...]
    rewards: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        answers: Sequence[str | None] | None = None,
        rewards: ArrayLike | None = None,
    ) -> Pool:
        """A pool of sequences; without answers, samples with the same score are taken to agree.

        Raises:
            ValueError: The sequences differ in length.
        """
        x = np.asarray(scores, dtype=np.float64)
        named = tuple(answers) if answers is not None else tuple(str(s) for s in x)
        r = None if rewards is None else np.asarray(rewards, dtype=np.float64)
        if len(named) != len(x) or (r is not None and len(r) != len(x)):
            raise ValueError("the scores, answers and rewards of a pool must be of one length")
        return cls(x, named, r)

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.scores)

    @cached_property
    def votes(self) -> dict[str, tuple[int, float]]:
        """For each answer how many samples gave it and the mean of their grades."""
        found: dict[str, list[float]] = {}
        for answer, score in zip(self.answers, self.scores.tolist(), strict=True):
            if answer is not None:
                found.setdefault(answer, []).append(score)
        return {answer: (len(scores), sum(scores) / len(scores)) for answer, scores in found.items()}


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected score of a protocol on one pool.

    Attributes:
        value: From 0 to 1.
        standard_error: Of the Monte Carlo draws; 0 where the value is exact.
        exact: Whether all draws were counted.
    """

    value: float
    standard_error: float
    exact: bool


def pools_of(records: Iterable[Record]) -> dict[str, dict[str, list[Pool]]]:
    """For each architecture and problem the pools of its runs; samples that could not be graded are left out."""
    found: dict[str, dict[str, list[Pool]]] = {}
    for record in records:
        graded = [sample for sample in record.samples if sample.score is not None]
        if not graded:
            continue
        rewarded = any(sample.reward is not None for sample in graded)
        rewards = [-math.inf if sample.reward is None else sample.reward for sample in graded] if rewarded else None
        scores = [sample.score for sample in graded if sample.score is not None]
        pool = Pool.of(scores, [sample.answer for sample in graded], rewards)
        found.setdefault(record.architecture, {}).setdefault(record.problem, []).append(pool)
    return found


def merged(pools: Sequence[Pool]) -> Pool:
    """The samples of several runs on one problem as one pool, for larger k; without rewards, which need not compare."""
    scores = np.concatenate([pool.scores for pool in pools])
    return Pool(scores, tuple(answer for pool in pools for answer in pool.answers))


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> NDArray[np.float64]:
    """The chance that at least one of k samples is right, elementwise: ``1 - C(n-c, k) / C(n, k)``.

    Source: Chen et al. 2021 (Evaluating Large Language Models Trained on Code, arXiv:2107.03374).

    Args:
        n: Samples drawn for each problem.
        c: How many of them are right.
        k: How many one would draw.

    Raises:
        ValueError: ``k`` is not from 1 to every ``n``, or a ``c`` is not from 0 to its ``n``.
    """
    n_, c_ = _counts(n, c, k)
    return 1 - np.exp(log_choose(n_ - c_, k) - log_choose(n_, k))


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: int) -> NDArray[np.float64]:
    """The chance that all of k samples are right, elementwise: ``C(c, k) / C(n, k)``; arguments as for pass@k.

    Source: Yao et al. 2024 (tau-bench, arXiv:2406.12045).
    """
    n_, c_ = _counts(n, c, k)
    return np.exp(log_choose(c_, k) - log_choose(n_, k))


def _counts(n: ArrayLike, c: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    if k < 1 or (n_ < k).any():
        raise ValueError(f"k = {k} draws need pools of at least as many samples, and the smallest has {n_.min()}")
    if ((c_ < 0) | (c_ > n_)).any():
        raise ValueError("a pool cannot have more right samples than samples")
    return n_, c_


def best_of_k(rewards: ArrayLike, values: ArrayLike, k: int) -> NDArray[np.float64]:
    """The expected value of the sample with the highest reward among k, for one pool or for each of many of one size.

    With samples in ascending order of reward it is ``sum of values[i] C(i, k-1) / C(n, k)``; samples with the same
    reward are as likely to be taken, so that each has the mean value of its ties.

    Args:
        rewards: What the choice is made by, shape ``(..., n)``.
        values: What it is worth, same shape: grades, or the rewards themselves.
        k: How many are drawn.

    Returns:
        Shape ``(...)``.

    Raises:
        ValueError: ``k`` is not from 1 to n, or the shapes differ.
    """
    r, v = np.asarray(rewards, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if r.shape != v.shape:
        raise ValueError(f"rewards of shape {r.shape} were given for values of shape {v.shape}")
    n = r.shape[-1]
    _counts(n, 0, k)
    order = np.argsort(r, axis=-1, kind="stable")
    ascending, worth = np.take_along_axis(r, order, -1), np.take_along_axis(v, order, -1)
    starts = np.ones(r.shape, dtype=bool)
    starts[..., 1:] = ascending[..., 1:] != ascending[..., :-1]
    tied = np.cumsum(starts.ravel()) - 1
    means = np.bincount(tied, weights=worth.ravel()) / np.bincount(tied)
    weights = np.exp(log_choose(np.arange(n), k - 1) - log_choose(n, k))
    return np.asarray(means[tied].reshape(r.shape) @ weights)


def worst_of_k(rewards: ArrayLike, values: ArrayLike, k: int) -> NDArray[np.float64]:
    """The expected value of the sample with the lowest reward among k; arguments as in :func:`best_of_k`."""
    return best_of_k(-np.asarray(rewards, dtype=np.float64), values, k)


def majority_at_k(
    counts: Sequence[int],
    values: Sequence[float],
    k: int,
    *,
    silent: int = 0,
    draws: int = 20_000,
    seed: int = 0,
) -> Expected:
    """The expected score of the most frequent answer among k; one of several is taken at random.

    Exact by convolution over answers: the votes are a multivariate hypergeometric draw, which is that of independent
    binomials with chance ``k/n`` given that they add up to k. For each height of the winning vote a table by votes cast
    and answers tied is carried over the answers. Beyond some hundred thousand steps, seeded draws without replacement.

    Args:
        counts: How often each answer is in the pool.
        values: The score of each answer.
        k: How many samples vote.
        silent: Samples without an answer; a draw of nothing else scores 0.
        draws: Monte Carlo draws where the exact count would be too long.
        seed: Of those draws.

    Raises:
        ValueError: ``k`` is not from 1 to the size of the pool, or the lengths differ.
    """
    if len(counts) != len(values):
        raise ValueError(f"{len(counts)} answers were given {len(values)} scores")
    n = sum(counts) + silent
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} draws need pools of at least as many samples, and the smallest has {n}")
    kept = tuple(sorted((count, float(value)) for count, value in zip(counts, values, strict=True) if count))
    if min(k, max((count for count, _ in kept), default=0)) * (k + len(kept)) * math.ceil(k / 50) > _EXACT_STEPS:
        return _majority_by_draws(kept, silent, k, draws, seed)
    return Expected(_majority_exactly(kept, silent, k), 0.0, True)


# Pools of a few samples come in few shapes.
@lru_cache(maxsize=1 << 16)
def _majority_exactly(kept: tuple[tuple[int, float], ...], silent: int, k: int) -> float:
    n = sum(count for count, _ in kept) + silent
    highest = min(k, max((count for count, _ in kept), default=0))
    table = log_factorials(n)
    pmf = [_binomial(count, k / n, k, table) for count, _ in kept]
    quiet = _binomial(silent, k / n, k, table)
    total = sum(_wins(kept, pmf, quiet, k, height) for height in range(1, highest + 1))
    return min(1.0, total / float(_binomial(n, k / n, k, table)[k]))


def _binomial(n: int, p: float, most: int, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chances of 0 to ``min(n, most)`` of ``n``."""
    h = np.arange(min(n, most) + 1)
    if p >= 1:
        return np.where(h == n, 1.0, 0.0)
    return np.asarray(np.exp(table[n] - table[h] - table[n - h] + h * math.log(p) + (n - h) * math.log1p(-p)))


def _wins(
    answers: tuple[tuple[int, float], ...],
    pmf: list[NDArray[np.float64]],
    quiet: NDArray[np.float64],
    k: int,
    height: int,
) -> float:
    """The expected score where the winning answer has ``height`` votes, before the condition that votes add up to k."""
    most = k // height
    # By votes cast and answers tied at the height: the chance, and the sum of the scores of those tied times it.
    chance, score = np.zeros((k + 1, most + 1)), np.zeros((k + 1, most + 1))
    chance[: len(quiet), 0] = quiet
    for (count, value), p in zip(answers, pmf, strict=True):
        next_chance, next_score = np.zeros_like(chance), np.zeros_like(score)
        for h in range(min(height, count + 1)):
            next_chance[h:] += p[h] * chance[: k + 1 - h]
            next_score[h:] += p[h] * score[: k + 1 - h]
        if count >= height:
            next_chance[height:, 1:] += p[height] * chance[: k + 1 - height, :-1]
            next_score[height:, 1:] += p[height] * (score + value * chance)[: k + 1 - height, :-1]
        chance, score = next_chance, next_score
    return float((score[k, 1:] / np.arange(1, most + 1)).sum())


def _majority_by_draws(answers: tuple[tuple[int, float], ...], silent: int, k: int, draws: int, seed: int) -> Expected:
    rng = np.random.default_rng(seed)
    sizes = np.array([count for count, _ in answers] + [silent])
    values = np.array([value for _, value in answers])
    votes = rng.multivariate_hypergeometric(sizes, k, size=draws)[:, :-1]
    top = votes.max(axis=1, keepdims=True)
    tied = (votes == top) & (top > 0)
    scores = (tied * values).sum(axis=1) / np.maximum(tied.sum(axis=1), 1)
    return Expected(float(scores.mean()), float(scores.std(ddof=1) / math.sqrt(draws)), False)


def majority_of_pool(pool: Pool, k: int, *, draws: int = 20_000, seed: int = 0) -> Expected:
    """The expected score of the most frequent answer among k samples of a pool.

    Samples with the same answer that were graded apart share the mean of their grades.
    """
    counts, values = [count for count, _ in pool.votes.values()], [value for _, value in pool.votes.values()]
    return majority_at_k(counts, values, k, silent=pool.n - sum(counts), draws=draws, seed=seed)
