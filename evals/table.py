"""Records as arrays: what statistics and economics are computed from."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.records import Record


@dataclass(frozen=True, slots=True)
class Unit:
    """What a cost is counted in.

    Attributes:
        name: Such as ``USD``, ``seconds``, ``joules`` or ``tokens``.
        price_date: The day the prices were read, as ``YYYY-MM-DD``; money needs one.

    Raises:
        ValueError: A unit of money has no date.
    """

    name: str
    price_date: str | None = None

    def __post_init__(self) -> None:
        if self.name == "USD" and not self.price_date:
            raise ValueError("dollars mean nothing without the day of their prices: use dollars('YYYY-MM-DD')")

    def __str__(self) -> str:
        return f"{self.name} (prices of {self.price_date})" if self.price_date else self.name


TOKENS = Unit("tokens")
SECONDS = Unit("seconds")
JOULES = Unit("joules")


def dollars(price_date: str) -> Unit:
    """US dollars at the prices of a day."""
    return Unit("USD", price_date)


@dataclass(frozen=True)
class Table:
    """The graded runs of one architecture, sorted by problem.

    A run whose grader crashed is not in it and is counted in ``ungraded``; a problem of which no run could be graded
    stays in no table but is counted in ``ungraded`` too. A run that failed is in it with a score of 0.

    Attributes:
        architecture: Its name.
        problems: The problems' ids.
        groups: The cluster of each problem.
        index: For each run the position of its problem, ascending, shape ``(runs,)``.
        scores: The grade of each run, from 0 to 1, shape ``(runs,)``.
        costs: For each unit what each run cost, shape ``(runs,)``; ``nan`` where that is not known.
        ungraded: Runs left out because their grader crashed.
        failed: Runs without an answer, which count as wrong.
    """

    architecture: str
    problems: tuple[str, ...]
    groups: tuple[str, ...]
    index: NDArray[np.int64]
    scores: NDArray[np.float64]
    costs: Mapping[Unit, NDArray[np.float64]]
    ungraded: int = 0
    failed: int = 0

    @classmethod
    def of(
        cls,
        architecture: str,
        scores: Sequence[Sequence[float]],
        costs: Mapping[Unit, Sequence[ArrayLike]] | None = None,
        problems: Sequence[str] | None = None,
    ) -> Self:
        """A table of nested sequences: for each problem the scores and the costs of its runs."""
        sizes = [len(s) for s in scores]
        names = tuple(problems) if problems is not None else tuple(str(i) for i in range(len(scores)))
        flat = {
            unit: np.concatenate([np.asarray(c, dtype=np.float64) for c in cost])
            for unit, cost in (costs or {}).items()
        }
        return cls(
            architecture,
            names,
            names,
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([np.asarray(s, dtype=np.float64) for s in scores]),
            flat,
        )

    @property
    def n(self) -> int:
        """How many problems there are."""
        return len(self.problems)

    @property
    def runs(self) -> int:
        """How many graded runs there are."""
        return len(self.scores)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many runs each problem has, shape ``(n,)``."""
        return np.bincount(self.index, minlength=self.n)

    @cached_property
    def mean_scores(self) -> NDArray[np.float64]:
        """The mean score of each problem, shape ``(n,)``."""
        return np.bincount(self.index, weights=self.scores, minlength=self.n) / self.counts

    def cost(self, unit: Unit) -> NDArray[np.float64]:
        """What each run cost, shape ``(runs,)``.

        Raises:
            ValueError: The unit was not recorded, or the cost of a run is not known in it.
        """
        if unit not in self.costs:
            known = ", ".join(map(str, self.costs)) or "none"
            raise ValueError(f"{self.architecture}: no cost in {unit} was recorded; there is: {known}")
        found = self.costs[unit]
        if unknown := int(np.isnan(found).sum()):
            raise ValueError(
                f"{self.architecture}: the cost of {unknown} of {self.runs} runs is not known in {unit}; give their "
                "models a price or choose another unit, such as tokens or seconds"
            )
        return found

    def mean_costs(self, unit: Unit) -> NDArray[np.float64]:
        """The mean cost of each problem, shape ``(n,)``; errors as in :meth:`cost`."""
        return np.bincount(self.index, weights=self.cost(unit), minlength=self.n) / self.counts

    def by_problem(self) -> list[NDArray[np.float64]]:
        """The scores of each problem."""
        return np.split(self.scores, np.cumsum(self.counts)[:-1])

    def only(self, problems: Sequence[str]) -> Table:
        """The runs of some of the problems, in their order.

        Raises:
            ValueError: A problem is not in the table.
        """
        places = {problem: place for place, problem in enumerate(self.problems)}
        if missing := [problem for problem in problems if problem not in places]:
            raise ValueError(f"{self.architecture}: there is no graded run of problem {missing[0]}")
        chosen = np.array([places[problem] for problem in problems], dtype=np.int64)
        starts = np.concatenate(([0], np.cumsum(self.counts)))
        kept = np.concatenate([np.arange(starts[place], starts[place + 1]) for place in chosen] or [np.zeros(0, int)])
        return replace(
            self,
            problems=tuple(problems),
            groups=tuple(self.groups[place] for place in chosen),
            index=np.repeat(np.arange(len(chosen)), self.counts[chosen]),
            scores=self.scores[kept],
            costs={unit: cost[kept] for unit, cost in self.costs.items()},
        )


def tabulate(
    records: Iterable[Record],
    *,
    price_date: str | None = None,
    more: Mapping[Unit, Callable[[Record], float]] | None = None,
) -> dict[str, Table]:
    """The table of each architecture, with costs in tokens and seconds, and in dollars where ``price_date`` is given.

    Args:
        records: Of one benchmark.
        price_date: The day the list prices of the records were read.
        more: Other units, such as joules, and how to read them off a record.
    """
    read: dict[Unit, Callable[[Record], float]] = {
        TOKENS: lambda record: record.attributed.usage.total,
        SECONDS: lambda record: record.seconds,
    }
    if price_date is not None:
        read[dollars(price_date)] = lambda record: math.nan if record.dollars is None else record.dollars
    read.update(more or {})
    sorted_: dict[str, list[Record]] = {}
    for record in records:
        sorted_.setdefault(record.architecture, []).append(record)
    return {name: _table(name, rows, read) for name, rows in sorted_.items()}


def _table(name: str, records: list[Record], read: Mapping[Unit, Callable[[Record], float]]) -> Table:
    graded = [record for record in records if record.score is not None]
    places: dict[str, int] = {}
    groups: list[str] = []
    for record in graded:
        if record.problem not in places:
            places[record.problem] = len(places)
            groups.append(record.group)
    index = np.array([places[record.problem] for record in graded], dtype=np.int64)
    order = np.argsort(index, kind="stable")
    return Table(
        name,
        tuple(places),
        tuple(groups),
        index[order],
        np.array([record.score for record in graded], dtype=np.float64)[order],
        {unit: np.array([of(record) for record in graded], dtype=np.float64)[order] for unit, of in read.items()},
        len(records) - len(graded),
        sum(record.status == "failed" for record in graded),
    )


def common(tables: Mapping[str, Table]) -> dict[str, Table]:
    """The tables restricted to the problems that all of them have, in one order.

    Raises:
        ValueError: No problem is in all of them.
    """
    if not tables:
        return {}
    shared: Collection[str] = set.intersection(*(set(table.problems) for table in tables.values()))
    if not shared:
        raise ValueError(f"no problem has a graded run of each of {', '.join(tables)}")
    first = next(iter(tables.values()))
    order = [problem for problem in first.problems if problem in shared]
    return {name: table.only(order) for name, table in tables.items()}


def same_problems(tables: Collection[Table]) -> None:
    """Check that tables can be compared problem by problem.

    Raises:
        ValueError: They do not have the same problems in the same order.
    """
    first, *rest = tables
    for table in rest:
        if table.problems != first.problems:
            raise ValueError(
                f"{first.architecture} and {table.architecture} were not run on the same problems; "
                "restrict them to those they share with common()"
            )
