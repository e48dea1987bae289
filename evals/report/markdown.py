"""The report in Markdown: the tables and sentences of the page, without figures and texts of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals.report import words
from evals.report.html import ESSENTIALNESS, price_sentence, records_sentence, title_of
from evals.report.reading import KINDS

Data = Mapping[str, Any]


def to_markdown(report: Data) -> str:
    """The report as Markdown."""
    runs = [
        f"- {run['name']}: started {run['started'] or 'at an unknown time'}, seed {run['seed']}, "
        f"{words.count(run['repeats'], 'repetition')}"
        for run in report["runs"]
    ]
    parts = [
        f"# {title_of(report)}",
        records_sentence(report),
        "\n".join(runs),
        *(part for benchmark in report["benchmarks"] for part in _benchmark(benchmark)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def claims_to_markdown(report: Data) -> str:
    """Only whether voting and refinement pay, benchmark by benchmark."""
    parts = [f"# {title_of(report)}: whether voting and refinement pay", price_sentence(report)]
    for benchmark in report["benchmarks"]:
        said = _claims(benchmark) or (
            "There is nothing to check: it takes a single sample (one `generate` layer with n: 1) and a vote or a "
            "refinement of the same models."
        )
        parts += [f"## {benchmark['name']}", said]
    return "\n\n".join(parts) + "\n"


def _benchmark(benchmark: Data) -> list[str]:
    unit = benchmark["unit"]
    diagnoses = [
        f"- **{_safe(r['architecture'])}**: {_safe(r['diagnosis']['sentence'])}"
        for r in benchmark["results"]
        if r["whole"]
    ]
    parts = [
        f"## {_safe(benchmark['name'])}",
        f"{words.count(benchmark['problems'], 'problem')}. {benchmark['note']}".rstrip(),
        "\n".join(diagnoses),
        _table(RESULT_HEADS, (_result(result, unit) for result in benchmark["results"])),
        "Calls, tokens, cost and seconds are per answer. Cost of pass is what a right answer costs, in "
        f"{words.unit_in_words(unit)}.",
    ]
    if benchmark["claims"]:
        parts += ["### Whether voting and refinement pay", _claims(benchmark)]
    if (economics := benchmark["economics"]) is not None:
        parts += ["### The frontier, and what it needs", _safe(economics["sentence"])]
        if economics["essentialness"]:
            parts += [ESSENTIALNESS, _table(ESSENTIAL_HEADS, (_essential(row) for row in economics["essentialness"]))]
    if benchmark["curves"]:
        parts += ["### More samples", _table(("architecture", "k", "value", "95 % interval"), _curves(benchmark))]
    if benchmark["layers"]:
        parts += ["### Layers", _table(LAYER_HEADS, (_layer(row, unit) for row in benchmark["layers"]))]
    if benchmark["comparisons"]:
        parts += ["### Compared in pairs", _table(PAIR_HEADS, (_pair(row) for row in benchmark["comparisons"]))]
    counts = benchmark["reading"]["counts"]
    read = [f"- {counts[kind]:,} {kind}: {meaning}" for kind, meaning in KINDS.items() if counts[kind]]
    return [*parts, "### To read", "\n".join(read)]


RESULT_HEADS = (
    "architecture", "accuracy ± SE", "95 % interval", "n", "calls", "tokens", "cost", "paid", "seconds", "cost of pass",
    "its 95 % interval",
)  # fmt: skip
LAYER_HEADS = ("architecture", "layer", "calls", "tokens", "cost", "share of cost", "lift")
ESSENTIAL_HEADS = ("without", "kind", "used by", "essentialness", "95 % interval", "n")
PAIR_HEADS = ("first − second", "difference", "95 % interval", "SE", "p", "p (Holm)", "n")


def _result(result: Data, unit: Data) -> tuple[str, ...]:
    right = result["accuracy"]
    return (
        result["architecture"],
        words.accuracy(right),
        "" if right is None else words.interval(right),
        "0" if right is None else f"{right['n']:,}",
        words.number(result["calls"]),
        words.number(result["tokens"]),
        words.dollars(result["attributed"]),
        words.paid(result["paid"]),
        words.seconds(result["seconds"]),
        *words.cost_of_pass(result["cost_of_pass"], unit),
    )


def _curves(benchmark: Data) -> Iterable[tuple[str, ...]]:
    return (
        (f"{curve['architecture']}, {curve['protocol']}", str(p["k"]), words.share(p["value"]), words.interval(p))
        for curve in benchmark["curves"]
        for p in curve["points"]
    )


def _layer(row: Data, unit: Data) -> tuple[str, ...]:
    lift = row["lift"]
    return (
        row["architecture"],
        row["layer"],
        words.number(row["calls"]),
        words.number(row["tokens"]),
        words.amount(row["cost"], unit) if row["calls"] else "",
        f"{row['share']:.0%}",
        "" if lift is None else f"{words.signed(lift['value'])} ({words.interval(lift)})",
    )


def _essential(row: Data) -> tuple[str, ...]:
    members = ", ".join(row["members"])
    return (row["name"], row["kind"], members, words.essentialness(row), words.interval(row), f"{row['n']:,}")


def _pair(row: Data) -> tuple[str, ...]:
    return (
        f"{row['first']} − {row['second']}",
        words.signed(row["value"]),
        words.interval(row),
        "" if row["standard_error"] is None else f"{row['standard_error']:.3f}",
        words.p_value(row["p"]),
        words.p_value(row["holm"]),
        f"{row['n']:,}",
    )


def _claims(benchmark: Data) -> str:
    return "\n".join(f"- **{claim['kind']}**: {_safe(claim['sentence'])}" for claim in benchmark["claims"])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruled = ["---", *("---:" for _ in heads[1:])]
    return "\n".join("| " + " | ".join(_safe(cell) for cell in row) + " |" for row in (heads, ruled, *rows))


def _safe(text: str) -> str:
    """Text that neither ends a cell or a line nor starts markup of its own."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
