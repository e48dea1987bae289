"""The table that an evaluation ends in, and what is to be said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from archon.cli.progress import dollars, spent
from archon.cost import Totals
from evals.economics.cost_of_pass import CostOfPass
from evals.records import Record
from evals.statistics.accuracy import Accuracy
from evals.summary import Summary


def eval_table(summaries: Sequence[Summary]) -> Table:
    """One row for every architecture on every benchmark."""
    table = Table(title_justify="left", caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("benchmark\narchitecture", overflow="fold")
    headings = ("accuracy ± SE\n95 % interval (n)", "samples\ncalls", "tokens", "seconds", "cost\npaid", "cost of pass")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for found in summaries:
        n, totals = max(found.answers, 1), found.attributed
        table.add_row(
            f"{found.benchmark}\n{found.architecture}",
            "not graded" if found.accuracy is None else _accuracy(found.accuracy),
            f"{totals.samples / n:,.1f}\n{totals.calls / n:,.1f}",
            f"{totals.usage.total / n:,.0f}",
            f"{totals.seconds / n:,.2f}",
            f"{dollars(totals)}\n{dollars(found.paid) if found.paid.calls else '$0.0000'}",
            "" if found.cost_of_pass is None else _cost_of_pass(found.cost_of_pass),
        )
    table.caption = (
        "Samples, calls, tokens and seconds of endpoints are per answer; cost is in all, at list price, and paid is "
        "what was really sent. Cost of pass is what a right answer costs. The interval of the accuracy is Wilson's."
    )
    return table


def _accuracy(measured: Accuracy) -> str:
    error = "" if measured.standard_error is None else f" ± {measured.standard_error:.3f}"
    return f"{measured.value:.3f}{error}\n{measured.low:.2f} to {measured.high:.2f} ({measured.n})"


def _cost_of_pass(found: CostOfPass) -> str:
    shown = [_amount(value, found) for value in (found.value, found.low, found.high)]
    return f"{shown[0]}\n{shown[1]} to {shown[2]}"


def _amount(value: float, found: CostOfPass) -> str:
    if math.isinf(value):
        return "∞"
    return f"${value:.3g}" if found.unit.price_date else f"{value:.3g} s"


def summary_remarks(summaries: Sequence[Summary], records: Sequence[Record]) -> list[str]:
    """What went wrong or was saved, in sentences."""
    first: dict[tuple[str, str], Record] = {}
    ungraded: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.benchmark, record.architecture)
        if record.status == "failed":
            first.setdefault(key, record)
        if record.score is None:
            ungraded.setdefault(key, record)
    said = []
    for found in summaries:
        key = (found.benchmark, found.architecture)
        who = f"{found.benchmark} · {found.architecture}"
        if found.failed:
            said.append(f"{who}: {found.failed} of {found.answers} questions failed; the first: {first[key].error}")
        if found.cut:
            said.append(f"{who}: a budget cut {found.cut} of {found.answers} questions")
        if found.incomplete:
            said.append(f"{who}: {found.incomplete} questions were answered although some of their calls failed")
        if found.ungraded:
            reason = ungraded[key].reason.rstrip(".")
            said.append(f"{who}: {found.ungraded} answers could not be graded and are in no mean; the first: {reason}")
        reused = found.attributed.calls - found.paid.calls
        if reused > 0:
            said.append(f"{who}: {reused} of {found.attributed.calls} calls were answered by the sample store")
    return said


def judge_remarks(judges: Mapping[tuple[str, str], tuple[Totals, Totals]]) -> list[str]:
    """What judges cost, which is no part of what architectures cost."""
    return [
        f"{benchmark}: grading took {spent(attributed)} of {model}, of which {paid.calls} calls were sent"
        for (benchmark, model), (attributed, paid) in judges.items()
        if attributed.calls
    ]
