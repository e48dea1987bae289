"""Whether majority voting and refinement pay, checked on the records at hand.

The Cost-of-Pass study (Erol et al. 2025, arXiv:2504.13359) found that the accuracy they add is rarely worth its price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evals.economics.cost_of_pass import problem_weights, ratio
from evals.economics.marginal import marginal
from evals.records import Record
from evals.report.numbers import draws_for
from evals.report.settings import Settings
from evals.statistics.bootstrap import ends
from evals.table import Table, Unit

VOTING = {"vote", "self_consistency"}
REFINEMENT = {"self_refine", "reflect"}


def claims(
    records: Mapping[str, Sequence[Record]], tables: Mapping[str, Table], unit: Unit, settings: Settings
) -> list[dict[str, Any]]:
    """What voting and refinement add to a single sample of the same models, at what price.

    Args:
        records: Of every architecture.
        tables: Of the same, on the problems they share.
        unit: Of the cost.
        settings: Say which layers and models they have; nothing is found where they do not.
    """
    whole = [name for name in tables if not settings.contender(name).without]
    singles = {_models(settings, name): name for name in reversed(whole) if _is_single(records[name], settings, name)}
    found = []
    for name in whole:
        kind = _kind(settings, name)
        base = singles.get(_models(settings, name))
        if kind is not None and base is not None:
            found.append(_claim(kind, tables[name], tables[base], unit))
    return found


def _models(settings: Settings, name: str) -> frozenset[str]:
    return frozenset(use for use, _ in settings.contender(name).models.values())


def _kind(settings: Settings, name: str) -> str | None:
    kinds = {kind for layer in settings.contender(name).layers for kind in layer}
    if kinds & REFINEMENT:
        return "refinement"
    return "majority voting" if kinds & VOTING else None


def _is_single(records: Sequence[Record], settings: Settings, name: str) -> bool:
    """One sample of one model and nothing else."""
    answered = [record for record in records if record.attributed.calls]
    one = bool(answered) and all(record.attributed.samples == 1 for record in answered)
    return one and settings.contender(name).layers == (("generate",),)


def _claim(kind: str, new: Table, base: Table, unit: Unit) -> dict[str, Any]:
    found = marginal(new, base, unit, draws=draws_for(new.n))
    value, low, high = _ratio(new, base, unit)
    return {
        "kind": kind,
        "architecture": new.architecture,
        "base": base.architecture,
        "n": found.n,
        "accuracy": {"value": found.accuracy.value, "low": found.accuracy.low, "high": found.accuracy.high},
        "cost": {"value": found.cost.value, "low": found.cost.low, "high": found.cost.high},
        "price": {"value": found.value, "low": found.low, "high": found.high},
        "gains": found.gains,
        "verdict": found.verdict,
        "cost_of_pass_ratio": {"value": value, "low": low, "high": high},
        "lowers_cost_of_pass": "yes" if high < 1 else "no" if low > 1 else "not shown",
        "sentence": f"{found.sentence} {_pays(value, low, high)}",
    }


def _pays(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return "Neither got anything right, so that their costs of pass do not compare."
    shown = f"{_times(value)} that of the single sample ({_times(low)} to {_times(high)})"
    if high < 1:
        return f"It lowers the cost of pass: it is {shown}."
    if low > 1:
        return f"It raises the cost of pass: it is {shown}."
    return f"That it lowers the cost of pass is not shown: it is {shown}."


def _times(value: float) -> str:
    return "without bound" if math.isinf(value) else f"{value:.3g} ×"


def _ratio(new: Table, base: Table, unit: Unit) -> tuple[float, float, float]:
    """The cost of pass of one over that of the other, with the same problems drawn for both.

    Resamples in which neither gets anything right count as equal; ``nan`` if it is so for all problems.
    """
    columns = [new.mean_costs(unit), new.mean_scores, base.mean_costs(unit), base.mean_scores]
    values = np.column_stack(columns)
    sums = np.concatenate((values.sum(axis=0)[None], problem_weights(new, draws_for(new.n), 0) @ values))
    first, second = ratio(sums[:, 0], sums[:, 1]), ratio(sums[:, 2], sums[:, 3])
    neither = np.isinf(first) & np.isinf(second)
    measured = np.isfinite(second) & (second > 0)
    quotient = np.where(measured, first / np.where(measured, second, 1), np.where(np.isinf(second), 0.0, math.inf))
    quotient = np.where(neither, 1.0, quotient)
    if neither[0]:
        return math.nan, 0.0, math.inf
    return (float(quotient[0]), *ends(quotient[1:], 0.025, 0.975))
