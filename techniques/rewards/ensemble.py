"""Several rewards as one: their weighted mean, less a penalty for disagreement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from archon.concurrency import gather
from archon.knobs import FloatKnob
from archon.reward import Reward, RewardField
from archon.state import Failure, State
from archon.technique import Ask, Context

Scale = Literal["none", "minmax", "zscore", "rank"]


class Ensemble(Reward, kind="ensemble"):
    """Several rewards as one: their weighted mean, less a penalty for disagreement.

    The score of a candidate is μ − penalty·σ, where μ and σ are the weighted mean and the weighted (population)
    standard deviation of its scores. ``normalise`` says on which scale:

    - ``none``: as they are.
    - ``minmax``: the worst candidate 0, the best 1.
    - ``zscore``: in standard deviations from the mean of the candidates.
    - ``rank``: the share of the other candidates that are worse, ties counting half.
    - ``auto``: ``none`` if all rewards have the same range, else ``zscore``.

    All but ``none`` compare the candidates of one question with each other; a reward that gives all of them the same
    counts the same for all of them. A candidate that one of the rewards could not score has no score and takes no part
    in the others' scales, so that a failure never shrinks the ensemble. Cost: that of the rewards.

    Source: Coste et al. 2023 (Reward Model Ensembles Help Mitigate Overoptimization, arXiv:2310.02743), with
    the standard deviation for the variance in its uncertainty-weighted optimisation.

    Example:
        ensemble:
          rewards: [{logprob: {model: judge}}, {judge: {model: judge}}]
          weights: [2, 1]
          penalty: 0.5
    """

    calls: ClassVar[str] = "those of its rewards"

    rewards: Annotated[tuple[RewardField, ...], Field(min_length=1)]
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    normalise: Scale | Literal["auto"] = "auto"
    penalty: Annotated[float, Field(ge=0, allow_inf_nan=False), FloatKnob(0.0, 2.0)] = 0.0

    @model_validator(mode="after")
    def _one_weight_each(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.rewards):
            raise ValueError(f"give one weight for each of the {len(self.rewards)} rewards")
        return self

    @property
    def scale(self) -> Scale:
        """What ``auto`` comes to."""
        if self.normalise != "auto":
            return self.normalise
        return "none" if len({(reward.low, reward.high) for reward in self.rewards}) == 1 else "zscore"

    @property
    def low(self) -> float:
        """The least of the scale, less the penalty for the greatest disagreement there can be."""
        low, high = self._ends()
        return low - self.penalty * (high - low) / 2 if self.penalty and math.isfinite(low) else low

    @property
    def high(self) -> float:
        """The highest of the scale."""
        return self._ends()[1]

    @property
    def scores_beginnings(self) -> bool:
        """If all of the rewards do."""
        return all(reward.scores_beginnings for reward in self.rewards)

    def for_beginnings(self) -> Reward:
        """The same of what scores beginnings."""
        return self.model_copy(update={"rewards": tuple(reward.for_beginnings() for reward in self.rewards)})

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Ask all rewards at the same time and put their scores together."""
        columns = await gather(reward.score(state, context.fork(index)) for index, reward in enumerate(self.rewards))
        scores: list[float | Failure] = []
        rows: list[Sequence[float]] = []
        for row in zip(*columns, strict=True):
            failure = next((score for score in row if isinstance(score, Failure)), None)
            scores.append(failure or 0.0)
            if failure is None:
                rows.append([score for score in row if not isinstance(score, Failure)])
        fused = iter(fuse_scores(rows, self.weights or (1.0,) * len(self.rewards), self.scale, self.penalty))
        return [score if isinstance(score, Failure) else next(fused) for score in scores]

    def plan(self, candidates: int) -> tuple[Ask, ...] | None:
        """What all of them ask."""
        plans = [reward.plan(candidates) for reward in self.rewards]
        known = [plan for plan in plans if plan is not None]
        return tuple(ask for plan in known for ask in plan) if len(known) == len(plans) else None

    def _ends(self) -> tuple[float, float]:
        if self.scale == "zscore":
            return -math.inf, math.inf
        if self.scale != "none":
            return 0.0, 1.0
        return min(reward.low for reward in self.rewards), max(reward.high for reward in self.rewards)


def fuse_scores(rows: Sequence[Sequence[float]], weights: Sequence[float], scale: Scale, penalty: float) -> list[float]:
    """The weighted mean of every row's scores on a common scale, less the penalty for their disagreement.

    Args:
        rows: For every candidate, the score that each reward gives it.
        weights: One for each reward, above 0.
        scale: How each reward's scores are made comparable over the candidates.
        penalty: What one standard deviation costs.
    """
    columns = [rescale(column, scale) for column in zip(*rows, strict=True)]
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    fused = []
    for row in zip(*columns, strict=True):
        mean = math.fsum(share * score for share, score in zip(shares, row, strict=True))
        # A mean of equal numbers is that number, whatever rounding says; so no bound is overstepped.
        mean = min(max(mean, min(row)), max(row))
        variance = math.fsum(share * (score - mean) ** 2 for share, score in zip(shares, row, strict=True))
        fused.append(mean - penalty * math.sqrt(variance))
    return fused


def rescale(scores: Sequence[float], scale: Scale) -> list[float]:
    """One reward's scores on a scale that is the same for all rewards; equal scores come to the middle of it."""
    low, high = min(scores), max(scores)
    if scale == "none":
        return list(scores)
    if scale == "rank":
        others = len(scores) - 1
        return [
            (sum(other < score for other in scores) + (sum(other == score for other in scores) - 1) / 2) / others
            if others
            else 0.5
            for score in scores
        ]
    if low == high:
        return [0.5 if scale == "minmax" else 0.0] * len(scores)
    unit = [(score - low) / (high - low) for score in scores]
    if scale == "minmax":
        return unit
    mean = math.fsum(unit) / len(unit)
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in unit) / len(unit))
    return [(score - mean) / deviation for score in unit]
