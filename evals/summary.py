"""The figures that an evaluation ends with: one row for every architecture on every benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archon.cost import Totals, totals_to_data
from evals.diagnosis import Diagnosis, diagnose
from evals.economics.cost_of_pass import CostOfPass, pooled
from evals.records import Record
from evals.statistics.accuracy import Accuracy, accuracy_over_repeats
from evals.table import Table, Unit, dollars, tabulate

ENDPOINT_SECONDS = Unit("endpoint seconds")
"""How long endpoints took over an answer, added up; unlike the time on the clock it does not depend on the store."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One architecture on one benchmark.

    Attributes:
        benchmark: The benchmark's name.
        architecture: The architecture's name.
        answers: How many records there are.
        failed: Questions without an answer, for another reason than a budget.
        cut: Questions that a budget cut, with an answer or without.
        incomplete: Questions answered although something the architecture asked for did not come.
        ungraded: Answers without a grade, which are in no mean.
        accuracy: Over problems, repeats averaged first; ``None`` where nothing was graded.
        attributed: What the architecture costs by itself.
        paid: What was really sent.
        cost_of_pass: What a right answer costs: all the cost over all that is right, in dollars where everything has a
            price, else in endpoint seconds. ``None`` where nothing was graded.
        diagnosis: What holds it back.
    """

    benchmark: str
    architecture: str
    answers: int
    failed: int
    cut: int
    incomplete: int
    ungraded: int
    accuracy: Accuracy | None
    attributed: Totals
    paid: Totals
    cost_of_pass: CostOfPass | None
    diagnosis: Diagnosis

    def to_data(self) -> dict[str, Any]:
        """The figures as JSON values; what is infinite is ``null``."""
        measured, n = self.accuracy, max(self.answers, 1)
        return {
            "benchmark": self.benchmark,
            "architecture": self.architecture,
            "answers": self.answers,
            "failed": self.failed,
            "cut_by_budget": self.cut,
            "incomplete": self.incomplete,
            "ungraded": self.ungraded,
            "accuracy": None
            if measured is None
            else {
                "mean": measured.value,
                "standard_error": measured.standard_error,
                "n": measured.n,
                "runs": measured.runs,
                "wilson_95": [measured.low, measured.high],
            },
            "attributed": totals_to_data(self.attributed),
            "paid": totals_to_data(self.paid),
            "calls_per_answer": self.attributed.calls / n,
            "samples_per_answer": self.attributed.samples / n,
            "tokens_per_answer": self.attributed.usage.total / n,
            "endpoint_seconds_per_answer": self.attributed.seconds / n,
            "cost_of_pass": None if self.cost_of_pass is None else _cost_of_pass_data(self.cost_of_pass),
            "diagnosis": {"kind": self.diagnosis.kind, "sentence": self.diagnosis.sentence},
        }


def summarise(records: Sequence[Record], price_date: str | None = None) -> list[Summary]:
    """The figures of every architecture on every benchmark, in the order of the records.

    Args:
        records: Of one evaluation.
        price_date: The day of its prices, ``None`` where nothing has one.
    """
    benchmarks: dict[str, list[Record]] = {}
    for record in records:
        benchmarks.setdefault(record.benchmark, []).append(record)
    return [summary for rows in benchmarks.values() for summary in _of_benchmark(rows, price_date)]


def _of_benchmark(records: Sequence[Record], price_date: str | None) -> list[Summary]:
    more = {ENDPOINT_SECONDS: lambda record: record.attributed.seconds}
    tables = tabulate(records, price_date=price_date, more=more)
    diagnoses = diagnose(records)
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record.architecture, []).append(record)
    return [_summary(name, found, tables[name], diagnoses[name], price_date) for name, found in rows.items()]


def _summary(
    name: str, records: Sequence[Record], table: Table, diagnosis: Diagnosis, price_date: str | None
) -> Summary:
    priced = price_date is not None and all(record.dollars is not None for record in records)
    unit = dollars(price_date) if priced and price_date is not None else ENDPOINT_SECONDS
    return Summary(
        benchmark=records[0].benchmark,
        architecture=name,
        answers=len(records),
        failed=sum(record.status == "failed" and not _out_of_budget(record) for record in records),
        cut=sum(record.status == "budget" or _out_of_budget(record) for record in records),
        incomplete=sum(r.status == "done" and any(kind == "call" for _, kind, _ in r.failures) for r in records),
        ungraded=table.ungraded,
        accuracy=accuracy_over_repeats([list(s) for s in table.by_problem()], table.groups) if table.runs else None,
        attributed=sum((record.attributed for record in records), Totals()),
        paid=sum((record.paid for record in records), Totals()),
        cost_of_pass=pooled(table, unit) if table.runs else None,
        diagnosis=diagnosis,
    )


def _out_of_budget(record: Record) -> bool:
    return record.status == "failed" and any(kind == "budget" for _, kind, _ in record.failures)


def _cost_of_pass_data(found: CostOfPass) -> Mapping[str, Any]:
    values = {"value": found.value, "low": found.low, "high": found.high}
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return {**finite, "unit": found.unit.name, "price_date": found.unit.price_date}
