"""A search as one page: what won, what it is worth, what else was tried, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.report import figures, words
from evals.report.html import document, titled, with_caption
from evals.report.markup import Markup, el, join
from evals.report.tables import cell, paragraph, swatch, table
from evals.report.write import write_text
from search.directory import WINNER, read_result
from search.measures import cheaper_baseline

Data = Mapping[str, Any]
UNITS = {"usd": "USD", "seconds": "endpoint seconds", "tokens": "tokens", "calls": "calls"}
WON, BETTER, TRIED, DROPPED = 0, 1, 2, 7
"""The colours of the winner, of what nothing beats, of what was tried on all problems, and of what was dropped."""


def write_page(run: Path, page: Path) -> None:
    """Write the page of a search.

    Raises:
        ConfigError: The search is not over, or the file cannot be written.
    """
    write_text(page, to_page(read_result(run), (run / WINNER).read_text(encoding="utf-8")))


def to_page(found: Data, winner: str) -> str:
    """The page of a search; the same result gives the same bytes.

    Args:
        found: What ``search.json`` holds.
        winner: The winner as YAML.
    """
    unit = {"name": UNITS[found["winner"]["cost"]["unit"]], "price_date": found["price_date"]}
    return document(
        f"Architecture search on {found['benchmark']}",
        _about(found, unit),
        _winner(found, unit, winner),
        _sealed(found, unit),
        _tried(found, unit),
        _settings(found),
    )


def _about(found: Data, unit: Data) -> Markup:
    spec, progress, problems = found["spec"], found["progress"], found["problems"]
    shares = f"{problems['search']} problems for the search, {problems['guard']} for the guard and {problems['sealed']}"
    counted = f"US dollars, list prices of {unit['price_date']}" if unit["name"] == "USD" else unit["name"]
    return join(
        paragraph(
            f"{words.count(progress['trials'], 'architecture')} tried, on {shares} sealed. Objective: "
            f"{spec['objective'].replace('_', ' ')}; sampler: {spec['sampler']}; racing: {spec['racing']}; seed "
            f"{spec['seed']}. It ended there: {progress['stopped']}."
        ),
        paragraph(
            f"Dropped on the way: {progress['dropped']}; predicted from samples at hand, and not shown below: "
            f"{progress['predicted']}; failed: {progress['failed']}."
        ),
        paragraph(f"Costs are in {counted}, as if nothing had been in the sample store."),
        paragraph(
            f"{found['saved']['paid_calls']:,} calls were paid; the same answers bought anew take "
            f"{found['saved']['calls_anew']:,}, and all problems for every trial about "
            f"{found['saved']['calls_anew_without_racing']:,}."
        ),
        *(paragraph(remark, class_="warning") for remark in found["remarks"]),
    )  # fmt: skip


def _winner(found: Data, unit: Data, yaml: str) -> Markup:
    winner, guard, sealed = found["winner"], found["guard"], found["sealed"]
    heads = [("on the problems of", ""), *_heads()]
    rows = [_row("the search, by which it was chosen", winner, unit)]
    if guard is not None:
        named = el("th", "the guard, as it lets on", scope="row", class_="text")
        rows.append(
            el("tr", named, cell(words.share(guard["guarded"])), cell(str(guard["problems"])), el("td"), el("td"))
        )
    if sealed:
        rows.append(_row("the seal, opened once", sealed[0], unit))
    return el(
        "section",
        el("h2", "The winner"),
        paragraph(el("b", winner["name"]), f": {winner['layers']}."),
        table("The winner's accuracy", heads, rows, sortable=False),
        None if guard is None else paragraph(guard["says"], _cheaper(found, unit)),
        el("details", el("summary", "winner.yaml, which archon run takes"), el("pre", yaml)),
        id="results",
    )


def _cheaper(found: Data, unit: Data) -> str:
    costs = cheaper_baseline(found)
    if costs is None:
        return ""
    baseline, own = (words.amount(cost, unit) for cost in costs)
    return f" {found['guard']['baseline']} takes {baseline} an answer against {own}."


def _sealed(found: Data, unit: Data) -> Markup | None:
    sealed = found["sealed"]
    if not sealed:
        return None
    than = [_between_points(row["winner_minus_this"]) for row in sealed if "winner_minus_this" in row]
    span = figures.span_of(than)
    rows = [_row(row["name"], row, unit, *_difference(row, span)) for row in sealed]
    heads = [
        ("architecture", ""),
        *_heads(),
        ("winner − this", "In accuracy, problem by problem; below it the 95 % interval."),
        ("", ""),
    ]
    shown = {"results": [{"architecture": row["name"], "cost_of_pass": _of_pass(row)} for row in sealed], "unit": unit}
    colours = {row["name"]: place for place, row in enumerate(sealed)}
    return el(
        "section",
        el("h2", "On the sealed problems"),
        paragraph(
            "Nothing was chosen by these problems. A vote is a majority of as many samples of the best single model as "
            "the winner's cost buys, if that is more than one."
        ),
        table("On the sealed problems", heads, rows, sortable=False),
        with_caption(
            figures.cost_of_pass({**shown, "name": found["benchmark"]}, colours, "pass"),
            "Cost of pass",
            "What a right answer costs on the sealed problems, with 95 % intervals.",
        ),
    )


def _tried(found: Data, unit: Data) -> Markup:
    best = {row["name"] for row in found["pareto"]}
    groups = {row["name"]: _group(row, found["winner"]["name"], best) for row in found["trials"]}
    called = {row["name"]: f"trial {row['trial']}" for row in found["trials"]} | {found["winner"]["name"]: "winner"}
    # The dropped lie below.
    points = [
        {
            "architecture": called[row["name"]],
            "accuracy": _ends(row["accuracy"]["mean"], row["accuracy"]["interval_95"]),
            "cost": _ends(row["cost"]["mean"], row["cost"]["interval_95"]),
            "efficient": row["name"] in best,
            "whole": groups[row["name"]] in (WON, BETTER),
        }
        for row in sorted(found["trials"], key=lambda row: -groups[row["name"]])
        if row["cost"]["mean"] and row["accuracy"]
    ]
    colours = {called[name]: group for name, group in groups.items()}
    rows = [
        _row(called[row["name"]], row, unit, cell(words.seconds(row["latency_seconds"])),
             cell(row["layers"], class_="text wide"), place=row["trial"], colour=groups[row["name"]])
        for row in found["trials"]
    ]  # fmt: skip
    heads = [
        ("trial", ""),
        *_heads(),
        ("seconds", "Of endpoints, one layer after the other."),
        ("layers", ""),
    ]
    legend = el(
        "ul",
        *(el("li", swatch(colour), text) for colour, text in LEGEND if colour in groups.values()),
        class_="legend",
    )
    return el(
        "section",
        el("h2", "What was tried"),
        legend,
        with_caption(
            figures.frontier({"frontier": points, "unit": unit, "name": found["benchmark"]}, colours, "frontier"),
            "Accuracy and cost",
            "On the search's own problems, where the best look better than they are. The line joins what nothing else "
            "beats in accuracy, cost and latency.",
        ),
        table("What was tried", heads, rows),
    )


LEGEND = (
    (WON, "the winner"),
    (BETTER, "nothing tried on all problems beats it"),
    (TRIED, "tried on all problems"),
    (DROPPED, "dropped in a race, on the problems it saw"),
)


def _settings(found: Data) -> Markup | None:
    parts = [
        titled("What each layer of the winner adds, on the search's own problems", _ablation(found["ablation"])),
        titled("What separates the best tenth of trials from the others", _importance(found["importance"])),
        titled("Main effects on accuracy", _effects(found["effects"])),
    ]
    return el("section", el("h2", "What mattered"), *parts) if any(parts) else None


def _ablation(rows: Sequence[Data]) -> Markup | None:
    if not rows:
        return None
    lifts = [_between_points({**row, "points": row["lift_points"]}) for row in rows]
    span = figures.span_of(lifts)
    heads = [
        ("layer", ""),
        ("lift", "Accuracy with it minus accuracy without it; below it the 95 % interval."),
        ("", ""),
        ("n", "Problems."),
        ("cost", "Of an answer, with it minus without it."),
    ]
    drawn = [
        el(
            "tr",
            el("th", row["layer"], scope="row", class_="text"),
            cell(words.signed(lift["value"]), words.interval(lift)),
            el("td", figures.difference(lift, span)),
            cell(str(row["n"])),
            cell("" if row["cost"] is None else f"{row['cost']:+.3g}".replace("-", words.MINUS)),
        )
        for row, lift in zip(rows, lifts, strict=True)
    ]
    return table("Layers", heads, drawn, sortable=False)


def _importance(shares: Mapping[str, float]) -> Markup | None:
    rows = [
        el(
            "tr",
            el("th", name, scope="row", class_="text"),
            el("td", el("span", el("span", style=f"width:{100 * share:.1f}%"), class_="share"), f" {share:.0%}"),
        )
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    return table("Settings", [("setting", ""), ("share", "")], rows, sortable=False) if rows else None


def _effects(effects: Mapping[str, Data]) -> Markup | None:
    rows = [
        el(
            "tr",
            el("th", name, scope="row", class_="text"),
            cell(words.signed(found["effect"])),
            cell("" if found["standard_error"] is None else f"{found['standard_error']:.3f}"),
        )
        for name, found in sorted(effects.items(), key=lambda item: -abs(item[1]["effect"]))
    ]
    heads = [("setting", ""), ("from first to last value", ""), ("SE", "")]
    return table("Main effects", heads, rows, sortable=False) if rows else None


def _heads() -> list[tuple[str, str]]:
    return [
        ("accuracy ± SE", "The mean over problems with its standard error; below it the 95 % interval."),
        ("n", "Problems."),
        ("cost per answer", "The mean over problems; below it the 95 % interval."),
        ("cost of pass", "What a right answer costs; below it the 95 % interval."),
    ]


def _row(
    name: str, row: Data, unit: Data, *more: Markup, place: int | None = None, colour: int | None = None
) -> Markup:
    right, cost, of_pass = _right(row["accuracy"]), row["cost"], _of_pass(row)
    shown, between = ("unknown", "") if of_pass is None else words.cost_of_pass(of_pass, unit)
    of_answer = "unknown" if cost["mean"] is None else words.amount(cost["mean"], unit)
    ends = cost["interval_95"]
    named = [name] if colour is None else [swatch(colour), name, el("small", row["name"])]
    return el(
        "tr",
        el("th", *named, scope="row", class_="text", data_sort=place),
        *right,
        cell(of_answer, "" if ends is None else words.interval(_ends(cost["mean"], ends), unit), cost["mean"]),
        cell(shown, between, 1e300 if row["cost_of_pass"] is None else float(row["cost_of_pass"])),
        *more,
    )


def _right(found: Data | None) -> tuple[Markup, Markup]:
    """Accuracy and how many problems it is of."""
    if found is None:
        return cell(words.accuracy(None), sort=-1.0), cell("0", sort=0.0)
    said = words.accuracy({"value": found["mean"], "standard_error": found["standard_error"]})
    between = words.interval(_ends(found["mean"], found["interval_95"]))
    return cell(said, between, float(found["mean"])), cell(str(found["n"]), sort=float(found["n"]))


def _of_pass(row: Data) -> Data | None:
    ends = row["cost_of_pass_95"]
    return None if ends is None else _ends(row["cost_of_pass"], ends)


def _ends(value: float | None, ends: Sequence[float | None] | None) -> dict[str, Any]:
    low, high = (value, value) if ends is None else ends
    return {"value": value, "low": low, "high": high}


def _between_points(points: Data) -> dict[str, float]:
    return {"value": points["points"] / 100, "low": points["low"] / 100, "high": points["high"] / 100}


def _difference(row: Data, span: float) -> tuple[Markup, Markup]:
    if "winner_minus_this" not in row:
        return el("td"), el("td")
    found = _between_points(row["winner_minus_this"])
    return cell(words.signed(found["value"]), words.interval(found)), el("td", figures.difference(found, span))


def _group(row: Data, winner: str, best: set[str]) -> int:
    if row["name"] == winner:
        return WON
    if row["name"] in best:
        return BETTER
    return TRIED if row["saw_all_problems"] else DROPPED
