"""What each layer of an architecture costs, and what it adds where the architecture was also run without it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archon.cost import Totals
from evals.records import Record
from evals.report.settings import Settings
from evals.statistics.paired import paired
from evals.table import TOKENS, Table, Unit


def layers(
    records: Sequence[Record], tables: Mapping[str, Table], unit: Unit, settings: Settings
) -> list[dict[str, Any]]:
    """One row per layer: cost per answer, share of the whole, and the lift over the architecture without it.

    Args:
        records: Of one architecture.
        tables: Of all architectures, on the problems they share.
        unit: Of the cost.
        settings: Say which architecture is which without a layer.
    """
    name = records[0].architecture
    techniques: dict[str, dict[str, None]] = {}
    models: dict[str, dict[str, None]] = {}
    totals: dict[str, list[Totals]] = {}
    for record in records:
        for spent in record.spent:
            number = spent.layer.partition(".")[0]
            techniques.setdefault(number, {})[spent.technique] = None
            models.setdefault(number, {})[spent.model] = None
            totals.setdefault(number, []).append(spent.totals)
    for place, kinds in enumerate(settings.contender(name).layers):
        # A layer that asks no model, such as a vote, costs nothing and is one all the same.
        techniques[str(place)] = dict.fromkeys(kinds)
    costs = {number: math.fsum(_cost(part, unit) for part in parts) for number, parts in totals.items()}
    everything = math.fsum(costs.values())
    lifts = {
        settings.contender(other).without.partition(".")[0]: _lift(tables[name], tables[other])
        for other in tables
        if settings.contender(other).whole == name and name in tables
    }
    n = len(records)
    return [
        {
            "architecture": name,
            "layer": f"{number}.{'+'.join(techniques[number])}",
            "models": sorted(models.get(number, {})),
            "calls": sum(part.calls for part in totals.get(number, ())) / n,
            "tokens": sum(part.usage.total for part in totals.get(number, ())) / n,
            "cost": costs.get(number, 0.0) / n,
            "share": costs.get(number, 0.0) / everything if everything else 0.0,
            "lift": lifts.get(number),
        }
        for number in sorted(techniques, key=lambda number: (len(number), number))
    ]


def _cost(totals: Totals, unit: Unit) -> float:
    if unit.price_date is not None:
        return totals.dollars
    return float(totals.usage.total) if unit == TOKENS else totals.seconds


def _lift(whole: Table, rest: Table) -> dict[str, Any]:
    found = paired(whole.by_problem(), rest.by_problem(), whole.groups)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "standard_error": found.standard_error,
        "p": found.p,
        "n": found.n,
    }
