"""When to stop drawing samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.statistics.special import beta_cdf


def beta_stop(alpha: float, beta: float, *, value: float, cost: float) -> float:
    """After how many failures to stop, if the chance of success is of Beta(alpha, beta) and can be verified.

    The first N at which the next sample is worth less than it costs: ``value alpha / (alpha + beta + N) < cost``;
    ``math.inf`` for samples that cost nothing.

    Raises:
        ValueError: A parameter of the distribution is not positive, or the cost is negative.
    """
    if alpha <= 0 or beta <= 0 or cost < 0:
        raise ValueError("alpha and beta are positive, and a sample costs at least nothing")
    if cost == 0:
        return math.inf
    return max(0, math.floor(value * alpha / cost - alpha - beta + 1e-9) + 1)


def majority_confidence(first: int, second: int) -> float:
    """P(Beta(first + 1, second + 1) > 1/2): that the answer with the most votes leads the next one."""
    return beta_cdf(0.5, second + 1, first + 1)


def adaptive_consistency(votes: Sequence[str | None], *, threshold: float = 0.95) -> int:
    """How many votes are drawn before the leading answer is sure enough, all of them if it never is.

    The threshold is the chance that the leader beats the runner-up if there were only these two and one looked once;
    looking after every vote errs more often than ``1 - threshold``.

    Source: Aggarwal et al. 2023 (Adaptive-Consistency, arXiv:2305.11860).

    Args:
        votes: Answers in the order in which they came; ``None`` for a sample without one.
        threshold: Of :func:`majority_confidence`.
    """
    counts: Counter[str] = Counter()
    for drawn, vote in enumerate(votes, start=1):
        if vote is None:
            continue
        counts[vote] += 1
        leaders = [count for _, count in counts.most_common(2)]
        if majority_confidence(leaders[0], leaders[1] if len(leaders) > 1 else 0) >= threshold:
            return drawn
    return len(votes)


@dataclass(frozen=True, slots=True)
class Sprt:
    """Wald's sequential test of an accuracy of ``low`` against one of ``high`` (Wald 1945).

    Attributes:
        low: The accuracy to be ruled out.
        high: The accuracy to be shown, above ``low``.
        alpha: How often ``high`` may be accepted where ``low`` holds.
        beta: How often ``low`` may be accepted where ``high`` holds.

    Raises:
        ValueError: The accuracies are not ordered strictly between 0 and 1, or the errors do not lie there.
    """

    low: float
    high: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < 1 or not 0 < self.alpha < 1 or not 0 < self.beta < 1:
            raise ValueError("a sequential test needs 0 < low < high < 1 and errors strictly between 0 and 1")

    @property
    def bounds(self) -> tuple[float, float]:
        """The log likelihood ratios at which ``low`` and ``high`` are accepted."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def ratio(self, right: int, wrong: int) -> float:
        """The log likelihood ratio of ``high`` over ``low``."""
        return right * math.log(self.high / self.low) + wrong * math.log((1 - self.high) / (1 - self.low))

    def decide(self, right: int, wrong: int) -> Literal["high", "low", "continue"]:
        """What so many right and wrong answers say."""
        lower, upper = self.bounds
        ratio = self.ratio(right, wrong)
        return "high" if ratio >= upper else "low" if ratio <= lower else "continue"
