"""Races on problems in one common order: who is clearly worse than the best so far is dropped before the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from search.evaluator import CostUnit, Outcome

FIRST_RUNG = 8


def rungs(problems: int, first: int = FIRST_RUNG, factor: int = 2) -> list[int]:
    """How many problems have been seen at the end of each rung: doubling, the last one all of them."""
    if problems <= first:
        return [problems]
    sizes = [first]
    while sizes[-1] * factor < problems:
        sizes.append(sizes[-1] * factor)
    return [*sizes, problems]


def sign_test(better: int, worse: int) -> float:
    """How likely at most so few of ``better + worse`` fair coins come up ``better``: the one-sided exact sign test.

    On right and wrong answers this is McNemar's exact test on the pairs that differ.
    """
    n = better + worse
    return float(sum(math.comb(n, k) for k in range(better + 1)) / 2**n)


def scored(a: Sequence[Outcome], b: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """The pairs in which both have a score."""
    return [(x, y) for x, y in zip(a, b, strict=False) if x.score is not None and y.score is not None]


@dataclass(frozen=True)
class Race:
    """When a candidate has lost against the best so far.

    Both are compared on the problems that the candidate has seen. A race looks several times, so that a candidate as
    good as the best is dropped somewhat more often than ``alpha`` says. That costs a study little: equals are many.

    Attributes:
        alpha: The level of one look.
    """

    alpha: float = 0.05

    def accuracy_lost(self, candidate: Sequence[Outcome], best: Sequence[Outcome]) -> bool:
        """Whether the candidate's accuracy is clearly lower, by the sign test on the pairs that differ."""
        pairs = scored(candidate, best)
        better = sum((x.score or 0) > (y.score or 0) for x, y in pairs)
        worse = sum((x.score or 0) < (y.score or 0) for x, y in pairs)
        return worse > better and sign_test(better, worse) < self.alpha

    def mean_lost(self, candidate: Sequence[float], best: Sequence[float | None]) -> bool:
        """Whether expected scores are clearly lower on average, by a z test on the paired differences."""
        differences = np.array([x - y for x, y in zip(candidate, best, strict=True) if y is not None])
        if len(differences) < FIRST_RUNG:
            return False
        return bool(
            differences.mean() < -normal_quantile(self.alpha) * differences.std(ddof=1) / math.sqrt(len(differences))
        )

    def cost_of_pass_lost(self, candidate: Sequence[Outcome], best: float, unit: CostUnit) -> bool:
        """Whether the candidate's cost-of-pass is clearly above that of the best.

        ``cost - best * score`` has a mean above 0 exactly if the cost-of-pass is above ``best`` (Fieller's argument).
        """
        excess = np.array([o.cost(unit) - best * o.score for o in candidate if o.score is not None])
        if len(excess) < FIRST_RUNG or not math.isfinite(best):
            return False
        error = excess.std(ddof=1) / math.sqrt(len(excess))
        return bool(excess.mean() > normal_quantile(self.alpha) * error)

    def too_dear(self, candidate: Sequence[Outcome], ceiling: float, unit: CostUnit) -> bool:
        """Whether the candidate's mean cost is clearly above the ceiling."""
        costs = np.array([outcome.cost(unit) for outcome in candidate])
        if len(costs) < FIRST_RUNG:
            return False
        return bool(costs.mean() - normal_quantile(self.alpha) * costs.std(ddof=1) / math.sqrt(len(costs)) > ceiling)


def normal_quantile(alpha: float) -> float:
    """The number that a standard normal one exceeds with probability ``alpha``."""
    return NormalDist().inv_cdf(1 - alpha)


def estimate_accuracy(candidate: Sequence[Outcome], best: Sequence[Outcome] | None) -> float:
    """The accuracy on all problems of a candidate that has seen only some of them.

    The best so far, which has seen all, serves as a control: its accuracy plus the mean difference on the common
    problems varies less than the candidate's own mean.
    """
    own = [o.score for o in candidate if o.score is not None]
    if not own:
        return 0.0
    if best is None or len(candidate) >= len(best):
        return math.fsum(own) / len(own)
    pairs = scored(candidate, best)
    if not pairs:
        return math.fsum(own) / len(own)
    differences = [(x.score or 0) - (y.score or 0) for x, y in pairs]
    whole = [o.score for o in best if o.score is not None]
    value = math.fsum(whole) / len(whole) + math.fsum(differences) / len(differences)
    return min(1.0, max(0.0, value))
