"""The tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals.report import figures, words
from evals.report.markup import Markup, el, join

Data = Mapping[str, Any]
# Columns of words, which begin on the left; numbers end on the right.
_WORDS = (
    "architecture", "benchmark", "layer", "layers", "model", "first − second", "without", "kind", "used by",
    "on the problems of", "setting", "value", "trial",
)  # fmt: skip


def table(caption: str, heads: Sequence[tuple[str, str]], rows: Iterable[Markup], *, sortable: bool = True) -> Markup:
    """A table that scrolls by itself on a narrow screen. Each head has its words and an explanation."""
    cells = [
        el("th", el("button", head, type="button", title=why or None) if sortable else head, scope="col",
           class_="text" if head in _WORDS else None)
        for head, why in heads
    ]  # fmt: skip
    inner = el(
        "table",
        el("caption", caption),
        el("thead", el("tr", *cells)),
        el("tbody", *rows),
        class_="sortable" if sortable else None,
    )
    return el("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption)


def cell(main: str, below: str = "", sort: float | str | None = None, *, class_: str | None = None) -> Markup:
    """A cell with a line and a smaller one below it; ``sort`` is what the column is sorted by."""
    second = el("small", below) if below else None
    return el("td", main, second, data_sort=repr(sort) if isinstance(sort, float) else sort,
              class_=class_)  # fmt: skip


def results(report: Data, colours: Mapping[str, int]) -> Markup:
    """Every architecture on every benchmark."""
    several = len(report["benchmarks"]) > 1
    heads = [
        ("architecture", ""),
        *([("benchmark", "")] if several else []),
        ("accuracy ± SE", "The mean over problems with its standard error; below it the 95 % interval."),
        ("n", "Problems; below them graded answers, where there are more."),
        ("calls", "Requests per answer; below them the samples they brought."),
        ("tokens", "Per answer; below them those of the prompt and of the completion."),
        (
            "cost per answer",
            "At list price, as if nothing had been in the sample store; below it what was really sent.",
        ),
        (
            "seconds",
            "From question to answer; below it the seconds of endpoints, which the sample store does not save.",
        ),
        ("cost of pass", "All the cost over all that is right: what a right answer costs; below it the 95 % interval."),
    ]
    rows = [
        el("tr", *_result(result, benchmark, colours, several=several))
        for benchmark in report["benchmarks"]
        for result in benchmark["results"]
    ]
    return table("Architectures and benchmarks", heads, rows)


def _result(result: Data, benchmark: Data, colours: Mapping[str, int], *, several: bool) -> list[Markup]:
    unit, right = benchmark["unit"], result["accuracy"]
    name = result["architecture"]
    shown, between = words.cost_of_pass(result["cost_of_pass"], unit)
    pass_cost = result["cost_of_pass"]
    infinite = pass_cost is not None and pass_cost["value"] is None
    return [
        el("th", swatch(colours[name]), name, scope="row", class_="text"),
        *([cell(benchmark["name"], class_="text")] if several else []),
        cell(
            words.accuracy(right),
            "" if right is None else words.interval(right),
            -1.0 if right is None else right["value"],
        ),
        cell(*_counts(result), float(right["n"]) if right else 0.0, class_="wrap"),
        cell(words.number(result["calls"]), words.count_of(result["samples"], "sample"), float(result["calls"])),
        cell(
            words.number(result["tokens"]),
            f"{words.number(result['prompt_tokens'])} + {words.number(result['completion_tokens'])}",
            float(result["tokens"]),
        ),
        cell(
            words.dollars(result["attributed"]), f"paid: {words.paid(result['paid'])}",
            float(result["attributed"]["dollars"] or 0.0),
        ),
        cell(
            words.seconds(result["seconds"]), f"endpoint: {words.number(result['endpoint_seconds'])}",
            float(result["seconds"]),
        ),
        cell(shown, between, 1e300 if infinite else float(pass_cost["value"]) if pass_cost else -1.0),
    ]  # fmt: skip


def _counts(result: Data) -> tuple[str, str]:
    right = result["accuracy"]
    parts = []
    if right is not None and right["runs"] != right["n"]:
        parts.append(words.count(right["runs"], "answer"))
    if right is not None and right["clusters"] != right["n"]:
        parts.append(words.count(right["clusters"], "cluster"))
    parts += [f"{result[key]:,} {key}" for key in ("failed", "cut", "ungraded") if result[key]]
    return ("0" if right is None else f"{right['n']:,}"), ", ".join(parts)


def swatch(colour: int) -> Markup:
    """The colour of an architecture in the figures."""
    return el("span", class_=f"swatch s{colour % 8}", aria_hidden="true")


def layers(benchmark: Data) -> Markup | None:
    """What each layer costs and adds."""
    rows = benchmark["layers"]
    if not rows:
        return None
    unit = benchmark["unit"]
    lifted = any(row["lift"] is not None for row in rows)
    heads = [
        ("architecture", ""),
        ("layer", ""),
        ("model", ""),
        ("calls", "Per answer."),
        ("tokens", "Per answer."),
        ("cost", "Per answer, at list price."),
        ("share of cost", ""),
        *([("lift", "Accuracy with the layer minus accuracy without it, and the 95 % interval.")] if lifted else []),
    ]
    drawn = []
    for row in rows:
        lift = row["lift"]
        bar = el("span", el("span", style=f"width:{100 * row['share']:.1f}%"), class_="share")
        drawn.append(
            el(
                "tr",
                el("th", row["architecture"], scope="row", class_="text"),
                cell(row["layer"], class_="text"),
                cell(", ".join(row["models"]) or "none asked", class_="text"),
                cell(words.number(row["calls"]), sort=float(row["calls"])),
                cell(words.number(row["tokens"]), sort=float(row["tokens"])),
                cell(words.amount(row["cost"], unit) if row["calls"] else "", sort=float(row["cost"])),
                el("td", bar, f" {row['share']:.0%}", data_sort=row["share"]),
                *([_lift(lift)] if lifted else []),
            )
        )
    return table("Layers", heads, drawn)


def _lift(lift: Data | None) -> Markup:
    if lift is None:
        return el("td", el("small", "not run without it", class_="words"), data_sort="")
    return cell(words.signed(lift["value"]), words.interval(lift), float(lift["value"]))


def essentialness(benchmark: Data) -> Markup | None:
    """How much dearer a right answer would be without each model, technique and layer."""
    rows = [] if benchmark["economics"] is None else benchmark["economics"]["essentialness"]
    if not rows:
        return None
    heads = [
        ("without", ""),
        ("kind", ""),
        ("used by", "Architectures that go with it."),
        ("essentialness", "From 0, nothing is lost, to 1: the part of the cost without it that it saves; below it the "
         "95 % interval."),
        ("", ""),
        ("n", "Problems."),
    ]  # fmt: skip
    drawn = [
        el(
            "tr",
            el("th", row["name"], scope="row", class_="text"),
            cell(row["kind"], class_="text"),
            cell(_listed(row["members"]), class_="text"),
            cell(words.essentialness(row), words.interval(row), -1.0 if row["value"] is None else float(row["value"])),
            el("td", figures.fraction(row)),
            cell(f"{row['n']:,}", sort=float(row["n"])),
        )
        for row in rows
    ]
    return table("Essentialness", heads, drawn)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def comparisons(benchmark: Data) -> Markup | None:
    """Pairs of architectures on the same problems."""
    rows = benchmark["comparisons"]
    if not rows:
        return None
    heads = [
        ("first − second", "Which accuracy is taken from which."),
        ("difference", "In accuracy, by problem; below it the 95 % interval."),
        ("", ""),
        ("SE", "The standard error of the difference."),
        ("p", "How likely a difference so large is if there is none."),
        ("p (Holm)", "Adjusted for the number of comparisons."),
        ("n", "Problems, or clusters of them."),
    ]
    span = figures.span_of(rows)
    drawn = [
        el(
            "tr",
            el("th", f"{row['first']} − {row['second']}", scope="row", class_="text"),
            cell(words.signed(row["value"]), words.interval(row), float(row["value"])),
            el("td", figures.difference(row, span)),
            cell("" if row["standard_error"] is None else f"{row['standard_error']:.3f}"),
            cell(words.p_value(row["p"]), sort=float(row["p"])),
            cell(words.p_value(row["holm"]), sort=float(row["holm"])),
            cell(f"{row['n']:,}", sort=float(row["n"])),
        )
        for row in rows
    ]
    return table("Paired comparisons", heads, drawn)


def by_problem(benchmark: Data) -> Markup:
    """The cost of pass as the study has it: problem by problem, then averaged."""
    unit = benchmark["unit"]
    rows = []
    for result in benchmark["results"]:
        found = result["cost_of_pass_by_problem"]
        shown, between = words.cost_of_pass(found, unit)
        unsolved = "" if found is None else f"{found['unsolved']:,} of {found['n']:,}"
        bound = el("th", result["architecture"], scope="row", class_="text")
        rows.append(el("tr", bound, cell(shown, between), cell(unsolved)))
    heads = [("architecture", ""), ("mean over problems", ""), ("problems never solved", "")]
    return table("Cost of pass, problem by problem", heads, rows, sortable=False)


def legend(names: Iterable[str], colours: Mapping[str, int]) -> Markup:
    """Which colour is whose."""
    return el("ul", *(el("li", swatch(colours[name]), name) for name in names), class_="legend")


def paragraph(*children: str | Markup | None, class_: str | None = None) -> Markup:
    """A paragraph."""
    return el("p", join(*children), class_=class_)
