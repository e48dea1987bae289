"""The table that a run ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from archon.cli.batch import Outcome
from archon.cli.progress import dollars
from evals.statistics.accuracy import Accuracy, accuracy


def results_table(outcomes: Sequence[Outcome], title: str) -> Table:
    """One row per architecture; tokens, calls and seconds are per question."""
    graded = any(outcome.grades for outcome in outcomes)
    table = Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    # The name alone gives way where the terminal is narrow: a number that is cut off is worse than none.
    table.add_column("architecture", overflow="fold")
    headings = ["accuracy ± SE\n95 % interval (n)"] if graded else []
    for heading in (*headings, "samples\ncalls", "tokens in\nand out", "seconds", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        n = max(len(outcome.rows), 1)
        totals = outcome.totals
        measured = _accuracy_cell(accuracy(outcome.grades)) if outcome.grades else ""
        table.add_row(
            outcome.name,
            *([measured] if graded else []),
            f"{totals.samples / n:,.1f}\n{totals.calls / n:,.1f}",
            f"{totals.usage.prompt / n:,.0f}\n{totals.usage.completion / n:,.0f}",
            f"{outcome.seconds / n:,.2f}",
            dollars(totals),
        )
    interval = " The interval is Wilson's." if graded else ""
    table.caption = f"Samples, calls, tokens and seconds are per question, cost is in all.{interval}"
    return table


def _accuracy_cell(measured: Accuracy) -> str:
    error = "" if measured.standard_error is None else f" ± {measured.standard_error:.3f}"
    return f"{measured.value:.3f}{error}\n{measured.low:.2f} to {measured.high:.2f} ({measured.n})"


def remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, in sentences."""
    said = []
    for outcome in outcomes:
        if outcome.failed:
            first = next(row["error"] for row in outcome.rows.values() if row["status"] == "failed" and row["error"])
            said.append(f"{outcome.name}: {outcome.failed} of {outcome.questions} questions failed; the first: {first}")
        if outcome.cut:
            said.append(f"{outcome.name}: a budget cut {outcome.cut} of {outcome.questions} questions")
        if outcome.incomplete:
            said.append(
                f"{outcome.name}: {outcome.incomplete} questions were answered although some of their calls failed"
            )
        if outcome.unreadable:
            said.append(f"{outcome.name}: {outcome.unreadable} replies did not have the form they were asked for")
        reused = outcome.totals.calls - outcome.paid.calls
        if reused > 0:
            said.append(f"{outcome.name}: {reused} of {outcome.totals.calls} calls were answered by the sample store")
        crashed = sum("grader_error" in row for row in outcome.rows.values())
        if crashed:
            said.append(f"{outcome.name}: {crashed} answers could not be graded and are not counted")
        if compared := outcome.compared:
            said.append(f"{outcome.name}: {comparison(compared)}")
    return said


def comparison(compared: Mapping[str, Any]) -> str:
    """How far off an estimate was, in a sentence."""
    units = {"calls": "{:,.0f} calls", "tokens": "{:,.0f} tokens", "dollars": "${:.4f}", "seconds": "{:.3g} s"}
    shown = {name: unit for name, unit in units.items() if name in compared}
    said = ", ".join(unit.format(compared[name]["predicted"]) for name, unit in shown.items())
    took = ", ".join(unit.format(compared[name]["actual"]) + _error(compared[name]) for name, unit in shown.items())
    return f"the estimate said {'at least ' if compared['lower_bound'] else ''}{said}; it took {took}"


def _error(figure: Mapping[str, Any]) -> str:
    return "" if figure["error"] is None else f" ({figure['error']:+.0%})".replace("%", " %")
