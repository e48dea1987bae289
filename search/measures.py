"""What the outcomes of one architecture come to, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evals.economics.cost_of_pass import of_problem
from evals.statistics.accuracy import accuracy
from evals.statistics.estimate import Z95
from evals.table import Unit
from search.evaluator import CostUnit, Outcome


def measures(outcomes: Sequence[Outcome], unit: CostUnit) -> dict[str, Any]:
    """Accuracy, cost of an answer and cost of a right one as JSON values, each with its 95 % interval.

    Problems whose grader crashed count in the cost alone. What is infinite or not known is ``None``, and so is the
    accuracy where nothing was graded.
    """
    graded = [(o.score, o.cost(unit)) for o in outcomes if o.score is not None]
    scores = [score for score, _ in graded]
    right = accuracy(scores) if scores else None
    costs = np.array([o.cost(unit) for o in outcomes])
    cost = float(costs.mean())
    half = Z95 * float(costs.std(ddof=1)) / math.sqrt(len(costs)) if len(costs) > 1 else math.nan
    known = math.isfinite(cost)
    found = of_problem(scores, [theirs for _, theirs in graded], Unit(unit)) if right and known else None
    return {
        "accuracy": right
        and {
            "mean": right.value,
            "standard_error": right.standard_error,
            "interval_95": [right.low, right.high],
            "n": right.n,
        },
        "cost": {
            "mean": cost if known else None,
            "interval_95": [max(0.0, cost - half), cost + half] if math.isfinite(half) else None,
            "unit": unit,
        },
        "cost_of_pass": _finite(cost / right.value) if found and right and right.value else None,
        "cost_of_pass_95": found and [found.low, _finite(found.high)],
    }


def cheaper_baseline(found: Mapping[str, Any]) -> tuple[float, float] | None:
    """What the guard's baseline and the winner cost, where the baseline is cheaper and not shown to be worse.

    Args:
        found: What ``search.json`` holds of a guarded search.
    """
    guard, own = found["guard"], found["winner"]["cost"]["mean"]
    cost = guard["baseline_cost"]
    return None if guard["better"] or not cost or not own or cost >= own else (cost, own)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
