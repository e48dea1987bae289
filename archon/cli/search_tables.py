"""What a search ends in, for people who did not follow it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from search.measures import cheaper_baseline

UNITS = {"usd": "$", "seconds": "endpoint seconds", "tokens": "tokens", "calls": "calls"}
MEASURED = ("accuracy ± SE\n95 % interval", "n", "cost", "cost of pass\n95 % interval")
MOST_IMPORTANT = 8


def report(found: Mapping[str, Any], out: Console) -> None:
    """Print everything that is worth knowing of a search."""
    winner = found["winner"]

    def part(title: str, table: Table, *remarks: str) -> None:
        # A table's own title and caption break at its width, which is often small.
        out.print(title, style="bold", markup=False, soft_wrap=True)
        out.print(table)
        for remark in remarks:
            out.print(remark, markup=False, soft_wrap=True)
        out.print()

    part(
        f"Winner: {winner['name']}",
        winner_table(found),
        f"It is {winner['layers']}.",
        f"Costs are in {priced(found)}, for an answer and for a right one (of pass).",
        *sentences(found),
    )
    if found["sealed"]:
        part(
            "On the sealed problems",
            sealed_table(found),
            "Differences are paired, problem by problem, with 95 % intervals. A vote is a majority of as many "
            "samples of the best single model as the winner's cost buys, if that is more than one.",
        )
    part(
        "Nothing that was tried on all of the problems beats these in accuracy, cost and latency at once",
        pareto_table(found),
        "On the search's own problems; seconds are those of the endpoints, one layer after the other.",
    )
    if found["ablation"]:
        part("What each layer of the winner adds, on the search's own problems", ablation_table(found))
    if found["importance"]:
        part("What separates the best tenth of trials from the others", importance_table(found["importance"]))
    if found["effects"]:
        part("Main effects on accuracy", effects_table(found["effects"]))


def priced(found: Mapping[str, Any]) -> str:
    """What costs are counted in, and of which day prices are."""
    unit = found["winner"]["cost"]["unit"]
    return UNITS[unit] + (f", list prices of {found['price_date']}" if unit == "usd" else "")


def winner_table(found: Mapping[str, Any]) -> Table:
    """The winner's accuracy on the search's own problems, guarded, and sealed."""
    winner, guard, sealed = found["winner"], found["guard"], found["sealed"]
    table = _table()
    for heading in ("on the problems of", *MEASURED):
        table.add_column(heading, justify="left" if heading.startswith("on") else "right", no_wrap=True)
    table.add_row("the search, by which it was chosen", *_measured(winner))
    if guard is not None:
        table.add_row("the guard, as it lets on", f"{guard['guarded']:.3f}", str(guard["problems"]), "", "")
    if sealed:
        table.add_row("the seal, opened once", *_measured(sealed[0]))
    return table


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What the tables do not say."""
    progress, saved = found["progress"], found["saved"]
    said = [] if found["guard"] is None else [found["guard"]["says"], *cheaper(found)]
    if found["best_on_search"] != found["winner"]["name"]:
        said.append(
            f"On the search's own problems {found['best_on_search']} looked better; the guard did not confirm it."
        )
    said.append(
        f"The search tried {progress['trials']} architectures and ended there ({progress['stopped']}): "
        f"dropped on the way: {progress['dropped']}, predicted from samples at hand: {progress['predicted']}, "
        f"failed: {progress['failed']}, proposals that rules turned down: {progress['pruned']}."
    )
    times = saved["calls_anew"] / saved["paid_calls"] if saved["paid_calls"] else None
    said.append(
        f"{saved['paid_calls']:,} calls were paid; the same answers bought anew take {saved['calls_anew']:,}"
        + (f", {times:.1f} times as many" if times else "")
        + f", and all problems for every trial about {saved['calls_anew_without_racing']:,}."
    )
    return said


def cheaper(found: Mapping[str, Any]) -> list[str]:
    """What the guard's baseline costs, where the winner was not shown to be better than it."""
    costs = cheaper_baseline(found)
    if costs is None:
        return []
    unit = found["winner"]["cost"]["unit"]
    baseline, own = (_cost(cost, unit) for cost in costs)
    share = f"{100 * costs[0] / costs[1]:.0f} %"
    return [f"{found['guard']['baseline']} takes {baseline} an answer against {own}, {share} of it."]


def sealed_table(found: Mapping[str, Any]) -> Table:
    """The winner against single models and best-of-N on problems that nothing was chosen by."""
    table = _table()
    table.add_column("architecture", overflow="fold")
    for heading in (*MEASURED, "winner is better\nby, points"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found["sealed"]:
        than = row.get("winner_minus_this")
        points = "" if than is None else f"{than['points']:+.1f}\n{than['low']:+.1f} to {than['high']:+.1f}"
        table.add_row(row["name"], *_measured(row), points)
    return table


def pareto_table(found: Mapping[str, Any]) -> Table:
    """What nothing else beats at once in accuracy, cost and latency."""
    table = _table()
    table.add_column("architecture", overflow="fold")
    for heading in (*MEASURED, "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found["pareto"]:
        table.add_row(f"{row['name']}\n{row['layers']}", *_measured(row), f"{row['latency_seconds']:.2f}")
    return table


def ablation_table(found: Mapping[str, Any]) -> Table:
    """What each layer of the winner contributes."""
    table = _table()
    table.add_column("layer")
    for heading in ("accuracy, points", "95 % interval", "n", "cost"):
        table.add_column(heading, justify="right")
    for row in found["ablation"]:
        interval = f"{row['low']:+.1f} to {row['high']:+.1f}"
        table.add_row(
            row["layer"], f"{row['lift_points']:+.1f}", interval, str(row["n"]), _cost(row["cost"], row["unit"], "+")
        )
    return table


def importance_table(importance: Mapping[str, float]) -> Table:
    """Which settings separate the best trials from the others."""
    table = _table()
    table.add_column("setting", overflow="fold")
    table.add_column("share", justify="right")
    for name, share in sorted(importance.items(), key=lambda item: -item[1])[:MOST_IMPORTANT]:
        table.add_row(name, f"{100 * share:.0f} %")
    return table


def effects_table(effects: Mapping[str, Mapping[str, Any]]) -> Table:
    """The main effects of a factorial design."""
    table = _table()
    table.add_column("setting", overflow="fold")
    table.add_column("from first to last value, points ± SE", justify="right")
    for name, effect in sorted(effects.items(), key=lambda item: -abs(item[1]["effect"])):
        error = effect["standard_error"]
        table.add_row(name, f"{100 * effect['effect']:+.1f}" + ("" if error is None else f" ± {100 * error:.1f}"))
    return table


def _measured(row: Mapping[str, Any]) -> Sequence[str]:
    """Figures, and below each its 95 % interval."""
    right, cost, of_pass = row["accuracy"], row["cost"], row["cost_of_pass_95"]
    unit = cost["unit"]

    def amount(value: float | None) -> str:
        return "∞" if value is None else _cost(value, unit)

    return (
        *(_right(right) if right else ("not graded", "0")),
        _cost(cost["mean"], unit),
        "unknown" if of_pass is None else "{}\n{} to {}".format(*map(amount, (row["cost_of_pass"], *of_pass))),
    )


def _right(found: Mapping[str, Any]) -> tuple[str, str]:
    accuracy = _accuracy(found["mean"], found["standard_error"])
    return f"{accuracy}\n{_between(found['interval_95'])}", str(found["n"])


def _accuracy(value: float, error: float | None) -> str:
    return f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _between(interval: Sequence[float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _cost(value: float | None, unit: str, sign: str = "") -> str:
    if value is None:
        return "unknown"
    # Three digits that count, and no exponents.
    digits = 0 if not value else max(0, 2 - math.floor(math.log10(abs(value))))
    amount = format(value, f"{sign if value else ''},.{digits}f")
    if unit == "usd":
        return f"{amount[0]}${amount[1:]}" if amount[0] in "+-" else f"${amount}"
    return amount + {"seconds": " s", "tokens": " tok", "calls": " calls"}[unit]


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
