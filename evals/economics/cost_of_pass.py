"""Cost of pass: what a right answer costs, ``mean cost / mean score``.

Source: Erol et al. 2025 (Cost-of-Pass: An Economic Framework for Evaluating Language Models, arXiv:2504.13359). The
intervals are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.statistics.accuracy import clopper_pearson
from evals.statistics.bootstrap import ends
from evals.statistics.estimate import Z95
from evals.table import Table, Unit

DRAWS = 500

# Elements of a matrix of draws at a time.
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class CostOfPass:
    """What a right answer costs.

    Attributes:
        value: ``inf`` where no run was right.
        low: Lower end of the 95 % interval; finite even where no run was right.
        high: Upper end of it; ``inf`` where a problem may have no right answer at any cost.
        n: The number of problems, or of runs where there is one problem.
        runs: The number of runs.
        unit: What the cost is counted in.
        standard_error: By the delta method; ``None`` where it does not apply.
        method: ``delta``, ``bound`` or ``bootstrap``.
        mean_cost: Of a run, by problem first.
        mean_score: Likewise.
        unsolved: Problems of which no run was right.
    """

    value: float
    low: float
    high: float
    n: int
    runs: int
    unit: Unit
    standard_error: float | None
    method: str
    mean_cost: float
    mean_score: float
    unsolved: int


def of_problem(scores: ArrayLike, costs: ArrayLike, unit: Unit) -> CostOfPass:
    """The cost of pass of one problem from its runs, or of a task from the means of its problems.

    The interval is that of the delta method on the logarithm, ``value exp(+-1.96 SE / value)`` with
    ``SE = sqrt(sum((c - value r)**2) / (n (n - 1))) / mean(r)``. Where all or none were right it says nothing about the
    next run: then one end is ``mean cost`` over the exact one-sided 95 % bound of the mean score.

    Args:
        scores: Shape ``(n,)``, from 0 to 1.
        costs: Shape ``(n,)``.
        unit: Of the costs.

    Raises:
        ValueError: There is no run, or the lengths differ.
    """
    r, c = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    n = len(r)
    if n == 0 or len(c) != n:
        raise ValueError(f"cost of pass needs a cost for each score, and there are {len(c)} for {n}")
    rate, cost = float(r.mean()), float(c.mean())
    surely_at_least, surely_at_most = clopper_pearson(rate * n, n, 0.9)
    if rate == 0:
        return CostOfPass(math.inf, cost / surely_at_most, math.inf, n, n, unit, None, "bound", cost, 0.0, 1)
    value = cost / rate
    if n == 1:
        low, high = cost / surely_at_most, cost / surely_at_least
        return CostOfPass(value, min(low, value), high, n, n, unit, None, "bound", cost, rate, 0)
    error = math.sqrt(float(((c - value * r) ** 2).sum()) / (n * (n - 1))) / rate
    factor = math.exp(min(Z95 * error / value, 700.0)) if value > 0 else 1.0
    low, high, method = value / factor, value * factor, "delta"
    if rate == 1:
        high, method = max(high, cost / surely_at_least), "bound"
    return CostOfPass(value, low, high, n, n, unit, error, method, cost, rate, 0)


def per_problem(table: Table, unit: Unit) -> dict[str, CostOfPass]:
    """The cost of pass of each problem."""
    costs = np.split(table.cost(unit), np.cumsum(table.counts)[:-1])
    return {
        problem: of_problem(scores, cost, unit)
        for problem, scores, cost in zip(table.problems, table.by_problem(), costs, strict=True)
    }


def pooled(table: Table, unit: Unit) -> CostOfPass:
    """All that a task costs over all that it gets right: finite as soon as one problem is solved.

    Problems are the independent units, so that repeats do not narrow the interval of :func:`of_problem` by themselves.
    """
    found = of_problem(table.mean_scores, table.mean_costs(unit), unit)
    return _with(found, table)


def of_task(table: Table, unit: Unit, *, draws: int = DRAWS, seed: int = 0) -> CostOfPass:
    """The mean over problems of their costs of pass, as the source has it: ``inf`` if a single one is unsolved.

    The interval draws problems, then within each the rate from its Jeffreys posterior and the cost by the Bayesian
    bootstrap (see :func:`posterior`). At few runs both the value and the draws lean upward, so that the lower end is
    that of ``cost (n + 1) / (passes + 1)`` over resampled problems where that is lower. The interval is widened to hold
    the value, and its upper end is ``inf`` where a problem is unsolved.

    Args:
        table: Of one architecture.
        unit: Of the cost.
        draws: Resamples.
        seed: Of those resamples.
    """
    scores, costs = table.mean_scores, table.mean_costs(unit)
    value = float(ratio(costs, scores).mean())
    cost, rate = posterior(table, unit, draws=draws, seed=seed)
    weights = problem_weights(table, draws, seed)
    low, high = ends(weighted(cost / rate, weights), 0.025, 0.975)
    # On average (n + 1) / (passes + 1) is just below the inverse of the rate, where n / passes is above it.
    not_above = costs * (table.counts + 1) / (table.counts * scores + 1)
    low = min(low, ends(weighted(not_above, weights), 0.025, 0.975)[0])
    low, high = min(low, value), max(high, value)
    plain = CostOfPass(value, low, high, table.n, table.runs, unit, None, "bootstrap", 0.0, 0.0, 0)
    return _with(plain, table, float(costs.mean()), float(scores.mean()))


def _with(found: CostOfPass, table: Table, cost: float | None = None, score: float | None = None) -> CostOfPass:
    return CostOfPass(
        found.value,
        found.low,
        found.high,
        table.n,
        table.runs,
        found.unit,
        found.standard_error,
        found.method,
        found.mean_cost if cost is None else cost,
        found.mean_score if score is None else score,
        int((table.mean_scores == 0).sum()),
    )


def ratio(costs: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``costs / scores``, ``inf`` where the score is 0."""
    return np.where(scores > 0, costs / np.where(scores > 0, scores, 1), math.inf)


def posterior(table: Table, unit: Unit, *, draws: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draws of each problem's mean cost and mean score, each of shape ``(draws, problems)``.

    Runs get exponential weights (the Bayesian bootstrap, Rubin 1981), the same for costs and scores so that their
    correlation is kept, and half a success and half a failure are added to the scores. For scores of 0 and 1 that is
    the Jeffreys posterior, ``Beta(passes + 1/2, failures + 1/2)``: no problem is taken for impossible, or for certain,
    after a few runs.
    """
    rng = np.random.default_rng(seed)
    starts = np.concatenate(([0], np.cumsum(table.counts)[:-1]))
    run_costs = table.cost(unit)
    costs, rates = np.empty((draws, table.n)), np.empty((draws, table.n))
    step = max(1, _CHUNK // table.runs)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        weights = rng.standard_exponential((size, table.runs))
        total = np.add.reduceat(weights, starts, axis=1)
        right = np.add.reduceat(weights * table.scores, starts, axis=1)
        costs[start : start + size] = np.add.reduceat(weights * run_costs, starts, axis=1) / total
        half, other = rng.standard_gamma(0.5, (2, size, table.n))
        rates[start : start + size] = (right + half) / (total + half + other)
    return costs, np.maximum(rates, 1e-12)


def problem_weights(table: Table, draws: int, seed: int) -> NDArray[np.float64]:
    """How often each problem is drawn where whole clusters are, shape ``(draws, n)``; rows may differ in their sum."""
    numbers: dict[str, int] = {}
    cluster = np.array([numbers.setdefault(group, len(numbers)) for group in table.groups])
    count = len(numbers)
    chosen = np.random.default_rng(seed + 1).integers(0, count, (draws, count)) + count * np.arange(draws)[:, None]
    weights = np.bincount(chosen.ravel(), minlength=draws * count).reshape(draws, count)
    return weights[:, cluster].astype(np.float64)


def weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean of each row."""
    return np.asarray((values * weights).sum(axis=1) / weights.sum(axis=1))
