"""One benchmark of a report: its table, figures, comparisons, claims and what is to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from archon.cost import Totals, together
from evals.diagnosis import Diagnosis, diagnose
from evals.economics.cost_of_pass import CostOfPass, of_task, pooled
from evals.economics.pareto import pareto
from evals.records import Record
from evals.report.claims import claims
from evals.report.economics import economics
from evals.report.layers import layers
from evals.report.numbers import draws_for
from evals.report.reading import reading
from evals.report.scaling import curves
from evals.report.settings import Settings
from evals.statistics.accuracy import accuracy_of_means
from evals.statistics.multiple import holm
from evals.statistics.paired import paired
from evals.statistics.pools import Pool, pool_of
from evals.summary import ENDPOINT_SECONDS
from evals.table import TOKENS, Table, Unit, common, dollars, tabulate

# With more architectures than this, each is compared with the first alone: all pairs would be more than one can read.
_ALL_PAIRS = 7


@dataclass(frozen=True, slots=True)
class Group:
    """What one architecture did on one benchmark.

    Attributes:
        name: Of the architecture.
        records: All of them.
        pools: What each of them chose from.
        table: The graded ones.
        whole: Whether no layer was taken out of it.
    """

    name: str
    records: Sequence[Record]
    pools: Sequence[Pool | None]
    table: Table
    whole: bool


def of_benchmark(
    name: str, records: Sequence[Record], settings: Settings, expert: float | None = None
) -> dict[str, Any]:
    """Everything about one benchmark; ``records`` come in the order of architectures, then problems.

    Args:
        name: Of the benchmark.
        records: Of it alone.
        settings: What is known of the runs.
        expert: What a human expert costs per problem, in US dollars.

    Raises:
        ConfigError: There is an expert, and costs are not in dollars.
    """
    more = {ENDPOINT_SECONDS: lambda record: record.attributed.seconds}
    tables = tabulate(records, price_date=settings.price_date, more=more)
    pools = [pool_of(record) for record in records]
    diagnoses = diagnose(records, pools)
    rows: dict[str, list[Record]] = {}
    theirs: dict[str, list[Pool | None]] = {}
    for record, pool in zip(records, pools, strict=True):
        rows.setdefault(record.architecture, []).append(record)
        theirs.setdefault(record.architecture, []).append(pool)
    groups = [Group(a, found, theirs[a], tables[a], not settings.contender(a).without) for a, found in rows.items()]
    unit = _unit(records, settings.price_date)
    graded = {group.name: group.table for group in groups if group.table.runs}
    shared, note = _shared(graded)
    return {
        "name": name,
        "problems": len({record.problem for record in records}),
        "unit": {"name": unit.name, "price_date": unit.price_date},
        "note": note,
        "results": [_result(group, unit, diagnoses[group.name]) for group in groups],
        "frontier": _frontier(shared, unit, settings),
        "curves": [
            found for group in groups if group.whole for found in curves(group.name, group.records, group.pools)
        ],
        "layers": [row for group in groups if group.whole for row in layers(group.records, shared, unit, settings)],
        "comparisons": _comparisons({g.name: shared[g.name] for g in groups if g.whole and g.name in shared}),
        "economics": economics(name, shared, unit, settings, expert),
        "claims": claims({g.name: g.records for g in groups}, shared, unit, settings),
        "reading": reading(records, list(rows)),
    }


def _unit(records: Sequence[Record], price_date: str | None) -> Unit:
    """What all the architectures can be counted in: dollars only if every call of each has a price."""
    if price_date is not None and all(record.dollars is not None for record in records):
        return dollars(price_date)
    timed = all(record.attributed.seconds > 0 for record in records if record.attributed.calls)
    return ENDPOINT_SECONDS if timed else TOKENS


def _shared(tables: Mapping[str, Table]) -> tuple[Mapping[str, Table], str]:
    """The tables on the problems that all have, and a sentence if these are not all."""
    if len({table.problems for table in tables.values()}) < 2:
        return tables, ""
    try:
        shared = common(tables)
    except ValueError:
        return {}, "No problem was answered and graded for every architecture, so that none are compared."
    n = next(iter(shared.values())).n
    most = max(table.n for table in tables.values())
    return shared, f"Comparisons and the frontier rest on the {n} problems that all architectures share, of {most}."


def _result(group: Group, unit: Unit, diagnosis: Diagnosis) -> dict[str, Any]:
    records, table, n = group.records, group.table, len(group.records)
    attributed = together([record.attributed for record in records])
    paid = together([record.paid for record in records])
    return {
        "architecture": group.name,
        "whole": group.whole,
        "answers": n,
        "failed": sum(record.status == "failed" for record in records),
        "cut": sum(record.status == "budget" for record in records),
        "ungraded": table.ungraded,
        "accuracy": _accuracy(table),
        "calls": attributed.calls / n,
        "samples": attributed.samples / n,
        "tokens": attributed.usage.total / n,
        "prompt_tokens": attributed.usage.prompt / n,
        "completion_tokens": attributed.usage.completion / n,
        "attributed": _money(attributed, n),
        "paid": _money(paid, n) | {"calls": paid.calls / n},
        "seconds": sum(record.seconds for record in records) / n,
        "endpoint_seconds": attributed.seconds / n,
        "cost_of_pass": _cost_of_pass(pooled(table, unit)) if table.runs else None,
        "cost_of_pass_by_problem": _cost_of_pass(of_task(table, unit, draws=min(500, draws_for(table.n))))
        if table.runs
        else None,
        "diagnosis": {"kind": diagnosis.kind, "sentence": diagnosis.sentence} if table.runs else _not_graded(group),
    }


def _not_graded(group: Group) -> dict[str, Any]:
    reason = group.records[0].reason.rstrip(".") or "no reason was recorded"
    return {"kind": "grader", "sentence": f"No answer could be graded: {reason}."}


def _accuracy(table: Table) -> dict[str, Any] | None:
    if not table.runs:
        return None
    found = accuracy_of_means(table.mean_scores, table.runs, table.groups)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "standard_error": found.standard_error,
        "n": found.n,
        "clusters": found.clusters,
        "runs": found.runs,
        "method": found.method,
    }


def _money(totals: Totals, n: int) -> dict[str, Any]:
    """Dollars per answer; ``None`` where no call has a price, a lower bound where some have none."""
    unknown = totals.unpriced + totals.uncertain
    nothing = totals.calls > 0 and totals.unpriced == totals.calls
    return {"dollars": None if nothing else totals.dollars / n, "lower_bound": bool(unknown) and not nothing}


def _cost_of_pass(found: CostOfPass) -> dict[str, Any]:
    """``value`` and ``high`` are ``None`` where they are infinite."""
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "unsolved": found.unsolved,
        "method": found.method,
    }


def _frontier(tables: Mapping[str, Table], unit: Unit, settings: Settings) -> list[dict[str, Any]]:
    if not tables:
        return []
    return [
        {
            "architecture": point.name,
            "accuracy": {"value": point.accuracy.value, "low": point.accuracy.low, "high": point.accuracy.high},
            "cost": {"value": cost.value, "low": cost.low, "high": cost.high},
            "n": point.accuracy.n,
            "efficient": point.efficient,
            "whole": not settings.contender(point.name).without,
            "probability": point.probability,
        }
        for point in pareto(tables, [unit], draws=draws_for(next(iter(tables.values())).n))
        for cost in point.costs.values()
    ]


def _comparisons(tables: Mapping[str, Table]) -> list[dict[str, Any]]:
    names = list(tables)
    pairs = list(combinations(names, 2)) if len(names) <= _ALL_PAIRS else [(names[0], name) for name in names[1:]]
    means = {name: table.mean_scores[:, None] for name, table in tables.items()}
    found = [(b, a, paired(means[b], means[a], tables[a].groups)) for a, b in pairs]
    adjusted = holm([difference.p for _, _, difference in found])
    return [
        {
            "first": first,
            "second": second,
            "value": difference.value,
            "low": difference.low,
            "high": difference.high,
            "standard_error": difference.standard_error,
            "n": difference.n,
            "p": difference.p,
            "holm": p,
            "method": difference.method,
        }
        for (first, second, difference), p in zip(found, adjusted, strict=True)
    ]
