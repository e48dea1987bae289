"""The frontier: what the cheapest way to a right answer costs, problem by problem, a human expert included.

Source: Erol et al. 2025 (Cost-of-Pass, arXiv:2504.13359). Plug-in values are biased where there are few runs: a problem
that one in ten samples solves at a cent looks unsolved after eight, and then costs what the expert does. The intervals
show it: the true rate of a problem is drawn from its posterior, never taken to be zero.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evals.economics.cost_of_pass import DRAWS, posterior, problem_weights, ratio, weighted
from evals.statistics.bootstrap import ends, summary
from evals.statistics.estimate import Estimate
from evals.statistics.special import log_choose
from evals.table import Table, Unit, same_problems

Expert = float | Mapping[str, float] | None
"""What a human expert costs per problem, alike for all or by problem; ``None`` to leave the expert out."""


@dataclass(frozen=True, slots=True)
class FrontierProblem:
    """The cheapest way to a right answer to one problem.

    Attributes:
        problem: Its id.
        value: What it costs; ``inf`` where nobody solves it.
        low: Lower end of the 95 % interval.
        high: Upper end of it.
        n: Runs of the one that is cheapest; 0 for the expert.
        who: The architecture, or ``expert``; empty where nobody solves it.
    """

    problem: str
    value: float
    low: float
    high: float
    n: int
    who: str


@dataclass(frozen=True, slots=True)
class Frontier:
    """The mean over problems of the least cost of pass.

    Attributes:
        value: The plug-in value; ``inf`` where nobody solves some problem.
        low: Lower end of the 95 % interval over problems and rates.
        high: Upper end of it.
        n: The number of problems.
        unit: What the cost is counted in.
        problems: One by one.
        unsolved: Problems that no run of any architecture solved: there the value is the expert's, and biased.
        fewest_runs: The smallest number of runs that a value rests on.
    """

    value: float
    low: float
    high: float
    n: int
    unit: Unit
    problems: tuple[FrontierProblem, ...]
    unsolved: int
    fewest_runs: int


@dataclass(frozen=True, slots=True)
class Essentialness:
    """How much dearer the frontier would be without some of its architectures: ``(V(rest) - V(all)) / V(rest)``.

    Attributes:
        name: Of the set that is taken away.
        value: From 0, nothing is lost, to 1.
        low: Lower end of the 95 % interval.
        high: Upper end of it.
        n: The number of problems.
    """

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Step:
    """The frontier after a release.

    Attributes:
        date: The day of the release.
        released: What came out that day.
        value: The frontier of all that was out by then.
        low: Lower end of the 95 % interval.
        high: Upper end of it.
        n: The number of problems.
        unit: What the cost is counted in.
        of_start: The share of the expert's cost that is left, ``V_t / V_0``.
        gain: What the release took off, ``(V_before - V_t) / V_before``.
    """

    date: str
    released: tuple[str, ...]
    value: float
    low: float
    high: float
    n: int
    unit: Unit
    of_start: Estimate
    gain: Estimate


class Market:
    """Architectures that were run on the same problems and an expert, with their costs of pass as measured and drawn.

    What is asked of it rests on the same draws, which are made once.

    Args:
        tables: By architecture.
        unit: Of the cost.
        expert: What a human costs.
        draws: Resamples of problems and rates.
        seed: Of those resamples.

    Raises:
        ValueError: There is no table, tables differ in problems, or a cost is not known.
    """

    def __init__(
        self, tables: Mapping[str, Table], unit: Unit, *, expert: Expert = None, draws: int = DRAWS, seed: int = 0
    ) -> None:
        if not tables:
            raise ValueError("a frontier needs at least one architecture")
        same_problems(tables.values())
        self.names, self.unit = list(tables), unit
        self.counts = np.array([table.counts for table in tables.values()])
        first = next(iter(tables.values()))
        self.problems, self.n, self.draws = first.problems, first.n, draws
        self.expert = _expert(expert, first)
        self.plug_in = np.array([ratio(t.mean_costs(unit), t.mean_scores) for t in tables.values()])
        self.drawn = np.empty((len(tables), draws, first.n))
        for row, table in enumerate(tables.values()):
            cost, rate = posterior(table, unit, draws=draws, seed=seed + 7 * row)
            np.divide(cost, rate, out=self.drawn[row])
        self.weights = problem_weights(first, draws, seed)
        self._means: dict[frozenset[str], tuple[float, NDArray[np.float64]]] = {}

    def least(self, names: Collection[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The least cost of each problem, as measured and drawn, of some members and the expert."""
        plug_in, drawn = self.expert, np.broadcast_to(self.expert, (self.draws, self.n))
        for row in (self.names.index(name) for name in names):
            plug_in, drawn = np.minimum(plug_in, self.plug_in[row]), np.minimum(drawn, self.drawn[row])
        return plug_in, drawn

    def mean(self, names: Collection[str]) -> tuple[float, NDArray[np.float64]]:
        """The frontier of some members, as measured and drawn."""
        key = frozenset(names)
        if key not in self._means:
            plug_in, drawn = self.least(names)
            # Whatever some architecture answered has a finite cost in every draw.
            finite = bool(key) or bool(np.isfinite(self.expert).all())
            means = weighted(drawn, self.weights) if finite else np.full(self.draws, math.inf)
            self._means[key] = float(plug_in.mean()), means
        return self._means[key]

    def frontier(self, names: Collection[str] | None = None) -> Frontier:
        """The frontier of some architectures, of all if not given; one at least."""
        rows = [self.names.index(name) for name in (self.names if names is None else names)]
        members = [self.names[row] for row in rows]
        plug_in, drawn = self.least(members)
        value, means = self.mean(members)
        costs, counts = self.plug_in[rows], self.counts[rows]
        cheapest = costs.argmin(axis=0)
        solved = np.isfinite(costs).any(axis=0)
        lows, highs = _ends(drawn)
        problems = []
        for place, problem in enumerate(self.problems):
            measured = float(plug_in[place])
            by_machine = solved[place] and costs[cheapest[place], place] <= self.expert[place]
            who = members[cheapest[place]] if by_machine else "expert" if math.isfinite(measured) else ""
            low, high = float(lows[place]), float(highs[place])
            runs = int(counts[cheapest[place], place]) if by_machine else 0
            problems.append(FrontierProblem(problem, measured, min(low, measured), max(high, measured), runs, who))
        low, high = ends(means, 0.025, 0.975)
        unsolved, fewest = int((~solved).sum()), int(counts.min())
        return Frontier(value, min(low, value), max(high, value), self.n, self.unit, tuple(problems), unsolved, fewest)

    def essentialness(self, name: str, members: Collection[str], among: Collection[str] | None = None) -> Essentialness:
        """How essential some architectures are.

        Args:
            name: Of what they have in common.
            members: Those that are taken away.
            among: What they are taken away from, all if not given.
        """
        everything = self.names if among is None else among
        whole, whole_drawn = self.mean(everything)
        rest, rest_drawn = self.mean([n for n in everything if n not in members])
        value = float(_lost(np.array([rest]), np.array([whole]))[0])
        low, high = ends(_lost(rest_drawn, whole_drawn), 0.025, 0.975)
        return Essentialness(name, value, min(low, value), max(high, value), self.n)


def _ends(drawn: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the interval of each column, outward to the next draw as in :func:`ends`."""
    places = math.floor(0.025 * (len(drawn) - 1)), math.ceil(0.975 * (len(drawn) - 1))
    ordered = np.partition(np.ascontiguousarray(drawn.T), places, axis=1)
    return ordered[:, places[0]], ordered[:, places[1]]


def _expert(expert: Expert, table: Table) -> NDArray[np.float64]:
    if expert is None:
        return np.full(table.n, math.inf)
    if isinstance(expert, Mapping):
        if missing := [problem for problem in table.problems if problem not in expert]:
            raise ValueError(f"what the expert costs is not given for problem {missing[0]}")
        return np.array([expert[problem] for problem in table.problems], dtype=np.float64)
    return np.full(table.n, float(expert))


def frontier(
    tables: Mapping[str, Table], unit: Unit, *, expert: Expert = None, draws: int = DRAWS, seed: int = 0
) -> Frontier:
    """The frontier of all architectures of a :class:`Market`, whose arguments and errors these are."""
    return Market(tables, unit, expert=expert, draws=draws, seed=seed).frontier()


def essentialness(
    tables: Mapping[str, Table],
    unit: Unit,
    sets: Mapping[str, Collection[str]] | None = None,
    *,
    expert: Expert = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Essentialness]:
    """How essential each set of architectures is: a model with all its techniques, a technique, a family.

    Where the rest solves no more problems and there is no expert, both frontiers may be infinite: nothing is lost then.

    ``sets`` are names of architectures by the name of the set, each architecture by itself if not given; all else is
    as for a :class:`Market`.

    Raises:
        ValueError: A set names an architecture without a table, or as for a :class:`Market`.
    """
    market = Market(tables, unit, expert=expert, draws=draws, seed=seed)
    found = {}
    for name, members in (sets or {n: (n,) for n in market.names}).items():
        if missing := [member for member in members if member not in tables]:
            raise ValueError(f"the set {name} names {missing[0]}, of which there is no table")
        found[name] = market.essentialness(name, members)
    return found


def _around(value: float, drawn: NDArray[np.float64], n: int) -> Estimate:
    found = summary(value, drawn, n, method="bootstrap")
    return replace(found, low=min(found.low, value), high=max(found.high, value))


def _lost(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    finite, gone = np.isfinite(before), ~np.isfinite(before) & np.isfinite(after)
    safe = np.where(finite & (before > 0), before, 1)
    return np.where(gone, 1.0, np.where(finite, (safe - np.where(finite & (before > 0), after, 1)) / safe, 0.0))


def progress(
    tables: Mapping[str, Table],
    released: Mapping[str, str],
    unit: Unit,
    *,
    expert: float | Mapping[str, float],
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Step]:
    """How the frontier fell from the expert's cost, release by release.

    Args:
        tables: By architecture.
        released: The day each came out, as ``YYYY-MM-DD``.
        unit: Of the cost.
        expert: What a human costs, with whom it starts.
        draws: Resamples of problems and rates.
        seed: Of those resamples.

    Raises:
        ValueError: An architecture has no date; others as in :func:`frontier`.
    """
    if missing := [name for name in tables if name not in released]:
        raise ValueError(f"the day of release of {missing[0]} is not given")
    market = Market(tables, unit, expert=expert, draws=draws, seed=seed)
    start, start_drawn = market.mean(())
    before, before_drawn = start, start_drawn
    steps: list[Step] = []
    out: list[str] = []
    for date in sorted({released[name] for name in tables}):
        new: Sequence[str] = [name for name in tables if released[name] == date]
        out += new
        value, drawn = market.mean(out)
        low, high = ends(drawn, 0.025, 0.975)
        left = _around(value / start, drawn / start_drawn, market.n)
        gained = float(_lost(np.array([before]), np.array([value]))[0])
        gain = _around(gained, _lost(before_drawn, drawn), market.n)
        steps.append(Step(date, tuple(new), value, min(low, value), max(high, value), market.n, unit, left, gain))
        before, before_drawn = value, drawn
    return steps


def expected_plug_in(cost: float, rate: float, runs: int, expert: float) -> float:
    """The expected plug-in value of a problem: ``E[min(cost runs / X, expert)]`` for X of Bin(runs, rate).

    Compare it with the true ``min(cost / rate, expert)`` to see the bias that a number of runs brings.

    Raises:
        ValueError: ``rate`` is not strictly between 0 and 1.
    """
    x = np.arange(runs + 1)
    if not 0 < rate < 1:
        raise ValueError(f"a rate strictly between 0 and 1 is needed, not {rate}")
    chances = np.exp(log_choose(runs, x) + x * math.log(rate) + (runs - x) * math.log1p(-rate))
    costs = np.minimum(ratio(np.full(runs + 1, cost * runs), x.astype(np.float64)), expert)
    return float(chances @ costs)
