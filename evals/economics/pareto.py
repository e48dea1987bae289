"""Which architectures are worth considering: none other is at least as good in every respect and better in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.economics.cost_of_pass import problem_weights
from evals.statistics.accuracy import Accuracy, accuracy_over_repeats
from evals.statistics.bootstrap import summary
from evals.statistics.estimate import Estimate
from evals.table import Table, Unit, same_problems


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """One architecture among others.

    Attributes:
        name: Of the architecture.
        accuracy: Over problems.
        costs: The mean cost per answer in each unit; latency is a cost in seconds.
        efficient: Whether, as measured, no other dominates it.
        probability: In what share of the resamples of problems none does.
        dominated_by: For each other, in what share of the resamples it dominates this one, where it ever does.
    """

    name: str
    accuracy: Accuracy
    costs: Mapping[Unit, Estimate]
    efficient: bool
    probability: float
    dominated_by: Mapping[str, float]


def efficient(values: ArrayLike) -> NDArray[np.bool_]:
    """Which rows no other row dominates; equal rows do not dominate each other.

    Args:
        values: Shape ``(m, d)``, the higher the better in each column.
    """
    dominated: NDArray[np.bool_] = _dominates(np.asarray(values, dtype=np.float64)[None])[0].any(axis=0)
    return ~dominated


def _dominates(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of values of shape ``(b, m, d)``, whether i dominates j in each of the b, shape ``(b, m, m)``."""
    b, m, d = values.shape
    nowhere_worse, somewhere_better = np.ones((b, m, m), dtype=bool), np.zeros((b, m, m), dtype=bool)
    for column in range(d):
        x = values[:, :, column]
        nowhere_worse &= x[:, :, None] >= x[:, None, :]
        somewhere_better |= x[:, :, None] > x[:, None, :]
    return nowhere_worse & somewhere_better


def pareto(
    tables: Mapping[str, Table], units: Sequence[Unit], *, draws: int = 1000, seed: int = 0
) -> list[ParetoPoint]:
    """The Pareto set of accuracy and costs, and how sure each member's place in it is.

    Args:
        tables: By architecture, on the same problems.
        units: Of the costs that count, such as dollars and seconds.
        draws: Resamples of problems, the same for all architectures.
        seed: Of those resamples.

    Raises:
        ValueError: There is no table, tables differ in problems, or a cost is not known.
    """
    if not tables:
        raise ValueError("a Pareto set needs at least one architecture")
    same_problems(tables.values())
    first = next(iter(tables.values()))
    # Costs are turned round, so that more is better in every column.
    by_problem = np.array([[t.mean_scores, *(-t.mean_costs(unit) for unit in units)] for t in tables.values()])
    weights = problem_weights(first, draws, seed)
    drawn = np.einsum("bp,mdp->bmd", weights / weights.sum(axis=1, keepdims=True), by_problem, optimize=True)
    # Rounding must not decide between equals.
    drawn, measured = np.round(drawn, 12), np.round(by_problem.mean(axis=2), 12)
    dominates = _dominates(drawn)
    often = dominates.mean(axis=0)
    free = (~dominates.any(axis=1)).mean(axis=0)
    now = efficient(measured)
    names = list(tables)
    points = []
    for m, (name, table) in enumerate(tables.items()):
        costs = {
            unit: summary(float(-measured[m, d]), -drawn[:, m, d], table.n) for d, unit in enumerate(units, start=1)
        }
        scored = accuracy_over_repeats(table.by_problem(), table.groups)
        beaten = {names[i]: float(often[i, m]) for i in range(len(names)) if often[i, m] > 0}
        points.append(ParetoPoint(name, scored, costs, bool(now[m]), float(free[m]), beaten))
    return points
