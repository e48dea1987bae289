"""Predicts from samples at hand what an architecture would come to, before any call is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from archon.architecture import Architecture
from evals.statistics.pools import Pool, best_of_k, majority_of_pool


@runtime_checkable
class Remembers(Protocol):
    """An evaluator that can say which samples there are already."""

    def drawn(self, architecture: Architecture, positions: Sequence[int]) -> list[Pool]:
        """The samples that the architecture's first layer would draw, as far as they are at hand, for every problem.

        Rewards are those that the architecture itself would ask for, ``None`` where they were not all asked.
        """
        ...


def predict(architecture: Architecture, pools: Sequence[Pool]) -> list[float] | None:
    """The expected score on every problem, from samples alone.

    Known shapes are one ``generate`` by itself, followed by a ``vote``, or followed by a ``score`` that keeps one. The
    expectation is exact, over which of the samples at hand are drawn without replacement, so that it varies less than
    the outcome with any particular draw.

    Returns:
        One expectation per problem; ``None`` for other shapes, or where a problem has too few samples.
    """
    shape = _shape(architecture)
    if shape is None or not pools:
        return None
    k = int(getattr(architecture.layers[0][0], "n", 1))
    if any(pool.n < (1 if shape == "alone" else k) for pool in pools):
        return None
    if shape == "alone":
        return [float(pool.scores.mean()) for pool in pools]
    if shape == "vote":
        return [majority_of_pool(pool, k).value for pool in pools]
    if any(pool.rewards is None for pool in pools):
        return None
    return [float(best_of_k(pool.rewards, pool.scores, k)) for pool in pools if pool.rewards is not None]


def _shape(architecture: Architecture) -> str | None:
    first, *rest = architecture.layers
    if len(first) != 1 or first[0].kind != "generate" or any(len(layer) != 1 for layer in rest):
        return None
    if not rest:
        return "alone"
    then = rest[0][0]
    if len(rest) == 1 and then.kind == "vote" and not getattr(then, "weighted", False):
        return "vote"
    if len(rest) == 1 and then.kind == "score" and getattr(then, "keep", None) == 1:
        return "score"
    return None
