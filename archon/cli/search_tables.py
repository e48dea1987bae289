"""What a search ends in, for people who did not follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

UNITS = {"usd": "$", "seconds": "endpoint seconds", "tokens": "tokens", "calls": "calls"}
MOST_IMPORTANT = 8


def report(found: Mapping[str, Any], out: Console) -> None:
    """Print everything that is worth knowing of a search."""
    out.print(winner_table(found))
    for line in sentences(found):
        out.print(line, markup=False, soft_wrap=True)
    if found["sealed"]:
        out.print(sealed_table(found))
    out.print(pareto_table(found))
    if found["ablation"]:
        out.print(ablation_table(found))
    if found["importance"]:
        out.print(importance_table(found["importance"]))
    if found["effects"]:
        out.print(effects_table(found["effects"]))


def winner_table(found: Mapping[str, Any]) -> Table:
    """The winner's accuracy on the search's own problems, guarded, and sealed."""
    winner, guard, sealed = found["winner"], found["guard"], found["sealed"]
    table = _table(f"Winner: {winner['name']}")
    for heading in ("on the problems of", "accuracy ± SE", "95 % interval", "n", "cost", "cost of a right answer"):
        table.add_column(heading, justify="left" if heading.startswith("on") else "right")
    unit, measured = winner["cost"]["unit"], winner["accuracy"]
    own = (_accuracy(measured["mean"], measured["standard_error"]), _between(winner["interval_95"]), str(measured["n"]))
    table.add_row(
        "the search, by which it was chosen",
        *own,
        _cost(winner["cost"]["mean"], unit),
        _cost(winner["cost_of_pass"], unit),
    )
    if guard is not None:
        table.add_row("the guard, as it lets on", f"{guard['guarded']:.3f}", "", str(guard["problems"]), "", "")
    if sealed:
        table.add_row("the seal, opened once", *_measured(sealed[0]))
    table.caption = f"{winner['layers']}\nCosts are in {UNITS[unit]}, per answer and at list price."
    return table


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What the tables do not say."""
    progress, saved = found["progress"], found["saved"]
    said = [] if found["guard"] is None else [found["guard"]["says"]]
    if found["best_on_search"] != found["winner"]["name"]:
        said.append(
            f"On the search's own problems {found['best_on_search']} looked better; the guard did not confirm it."
        )
    said.append(
        f"The search ended since {progress['stopped']}: {progress['trials']} architectures, of which "
        f"{progress['dropped']} were dropped on the way, {progress['predicted']} were predicted from samples at hand "
        f"and {progress['failed']} failed; {progress['pruned']} proposals were turned down by rules."
    )
    times = saved["calls_anew"] / saved["paid_calls"] if saved["paid_calls"] else None
    said.append(
        f"{saved['paid_calls']:,} calls were paid; the same answers bought anew take {saved['calls_anew']:,}"
        + (f", {times:.1f} times as many" if times else "")
        + f", and all problems for every trial about {saved['calls_anew_without_racing']:,}."
    )
    return said


def sealed_table(found: Mapping[str, Any]) -> Table:
    """The winner against single models and best-of-N on problems that nothing was chosen by."""
    table = _table("On the sealed problems")
    table.add_column("architecture", overflow="fold")
    for heading in ("accuracy ± SE", "95 % interval", "n", "cost", "cost of a right answer", "winner is better by"):
        table.add_column(heading, justify="right")
    for row in found["sealed"]:
        than = row.get("winner_minus_this")
        points = "" if than is None else f"{than['points']:+.1f} points ({than['low']:+.1f} to {than['high']:+.1f})"
        table.add_row(row["name"], *_measured(row), points)
    table.caption = (
        "Differences are paired, problem by problem, with 95 % intervals. The last one is a majority of as many\n"
        "samples of the best single model as the winner's cost buys."
    )
    return table


def pareto_table(found: Mapping[str, Any]) -> Table:
    """What nothing else beats at once in accuracy, cost and latency."""
    table = _table("Nothing tried beats these in accuracy, cost and latency at once")
    table.add_column("architecture", overflow="fold")
    for heading in ("accuracy ± SE", "cost", "cost of a right answer", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found["pareto"]:
        unit = row["cost"]["unit"]
        table.add_row(
            f"{row['name']}\n{row['layers']}",
            _accuracy(row["accuracy"]["mean"], row["accuracy"]["standard_error"]),
            _cost(row["cost"]["mean"], unit),
            _cost(row["cost_of_pass"], unit),
            f"{row['latency_seconds']:.2f}",
        )
    table.caption = "On the search's own problems. Seconds are those of the endpoints, one layer after the other."
    return table


def ablation_table(found: Mapping[str, Any]) -> Table:
    """What each layer of the winner contributes."""
    table = _table("What each layer of the winner adds, on the search's own problems")
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
    table = _table("What separates the best tenth of trials from the others")
    table.add_column("setting", overflow="fold")
    table.add_column("share", justify="right")
    for name, share in sorted(importance.items(), key=lambda item: -item[1])[:MOST_IMPORTANT]:
        table.add_row(name, f"{100 * share:.0f} %")
    return table


def effects_table(effects: Mapping[str, Mapping[str, float]]) -> Table:
    """The main effects of a factorial design."""
    table = _table("Main effects on accuracy")
    table.add_column("setting", overflow="fold")
    table.add_column("from first to last value, points ± SE", justify="right")
    for name, effect in sorted(effects.items(), key=lambda item: -abs(item[1]["effect"])):
        table.add_row(name, f"{100 * effect['effect']:+.1f} ± {100 * effect['standard_error']:.1f}")
    return table


def _measured(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        _accuracy(row["accuracy"], row["standard_error"]),
        _between(row["interval_95"]),
        str(row["n"]),
        _cost(row["cost"], row["unit"]),
        _cost(row["cost_of_pass"], row["unit"]),
    )


def _accuracy(value: float, error: float | None) -> str:
    return f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _between(interval: Sequence[float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _cost(value: float | None, unit: str, sign: str = "") -> str:
    if value is None:
        return "unknown"
    short = {"usd": "", "seconds": " s", "tokens": " tok", "calls": " calls"}[unit]
    amount = format(value, f"{sign},.0f") if abs(value) >= 1000 else format(value, f"{sign}.3g")
    return (f"{amount[0]}${amount[1:]}" if sign else f"${amount}") if unit == "usd" else amount + short


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
