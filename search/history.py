"""What a study knows so far: every architecture it tried, with what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from archon.architecture import Architecture
from search.evaluator import CostUnit, Outcome
from search.parameters import Params
from search.racing import estimate_accuracy
from search.spec import StudySpec


@dataclass(frozen=True)
class Entry:
    """One architecture that was tried.

    Attributes:
        trial: Its number in the study.
        params: The settings that make it.
        architecture: What ran.
        outcomes: One for each problem it saw, in the common order.
        whole: Whether it saw all of them.
    """

    trial: int
    params: Params
    architecture: Architecture
    outcomes: Sequence[Outcome]
    whole: bool

    @cached_property
    def accuracy(self) -> float:
        """The mean score over what it saw."""
        return mean(o.score for o in self.outcomes)

    @cached_property
    def _costs(self) -> dict[CostUnit, float]:
        return {}

    def cost(self, unit: CostUnit) -> float:
        """The mean cost of an answer; not a number where any of them is not known."""
        if unit not in self._costs:
            self._costs[unit] = mean_cost(self.outcomes, unit)
        return self._costs[unit]

    @cached_property
    def latency(self) -> float:
        """The mean seconds to an answer."""
        return mean(o.latency for o in self.outcomes)

    def cost_of_pass(self, unit: CostUnit) -> float:
        """Mean cost over mean score; infinite if nothing was right."""
        return self.cost(unit) / self.accuracy if self.accuracy else math.inf


@dataclass
class History:
    """All entries, and who is best."""

    spec: StudySpec
    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Keep an entry; the one that saw more counts."""
        before = self.entries.get(entry.architecture.name)
        if before is None or len(entry.outcomes) >= len(before.outcomes):
            self.entries[entry.architecture.name] = entry

    def whole(self) -> list[Entry]:
        """Those that saw every problem and keep to the ceiling, in the order of their trials."""
        kept = [entry for entry in self.entries.values() if entry.whole and self.affordable(entry)]
        return sorted(kept, key=lambda entry: entry.trial)

    def affordable(self, entry: Entry) -> bool:
        """Whether it keeps to the ceiling."""
        return self.spec.ceiling is None or entry.cost(self.spec.cost) <= self.spec.ceiling

    @property
    def best(self) -> Entry | None:
        """The best so far by a single objective; of equals the cheaper, then the earlier."""
        return min(self.whole(), key=self.order, default=None)

    def order(self, entry: Entry) -> tuple[float, float, int]:
        """What sorts entries best first."""
        if self.spec.objective == "cost_of_pass":
            return entry.cost_of_pass(self.spec.cost), -entry.accuracy, entry.trial
        return -entry.accuracy, _finite(entry.cost(self.spec.cost)), entry.trial

    def pareto(self) -> list[Entry]:
        """Those that no other beats in accuracy and cost and latency at once, most accurate first."""
        whole = self.whole()
        points = [(-e.accuracy, _finite(e.cost(self.spec.cost)), e.latency) for e in whole]
        kept = [
            entry
            for entry, point in zip(whole, points, strict=True)
            if not any(_dominates(other, point) for other in points)
        ]
        return sorted(kept, key=lambda entry: (-entry.accuracy, entry.trial))

    def values(self, outcomes: Sequence[Outcome]) -> list[float]:
        """What the optimiser is told of outcomes on some of the problems, one number per objective."""
        best = self.best
        accuracy = estimate_accuracy(outcomes, best.outcomes if best else None)
        cost = mean_cost(outcomes, self.spec.cost)
        if self.spec.objective == "accuracy":
            return [accuracy]
        if self.spec.objective == "cost_of_pass":
            # Half a right answer more keeps it finite where nothing was right yet.
            n = len(outcomes)
            return [math.log(max(cost, 1e-12) / ((accuracy * n + 0.5) / (n + 0.5)))]
        return [accuracy, cost, mean(o.latency for o in outcomes)]


def mean(values: Iterable[float | None]) -> float:
    """The mean of what there is; not a number where there is nothing."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else math.nan


def mean_cost(outcomes: Sequence[Outcome], unit: CostUnit) -> float:
    """The mean cost of an answer; not a number where any of them is not known."""
    return math.fsum(o.cost(unit) for o in outcomes) / len(outcomes) if outcomes else math.nan


def _finite(cost: float) -> float:
    return 0.0 if math.isnan(cost) else cost


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
