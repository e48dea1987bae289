"""The report as one page that needs nothing else: no network, no script to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.report import figures, questions, tables, words
from evals.report.markup import Markup, el, join
from evals.report.scaling import PROTOCOLS
from evals.report.tables import paragraph

Data = Mapping[str, Any]
_HERE = Path(__file__).parent
# The page may load nothing, whatever a model wrote into it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def to_html(report: Data) -> str:
    """The page of a report that :func:`evals.report.analyse` made; the same report gives the same bytes."""
    colours = colours_of(report)
    return document(
        title_of(report),
        _what_ran(report),
        _diagnoses(report, colours),
        _results(report, colours),
        *(_benchmark(b, i, report, colours) for i, b in enumerate(report["benchmarks"])),
    )


def document(title: str, about: Markup, *sections: Markup | None) -> str:
    """A page that needs nothing else, with one section among ``sections`` whose id is ``results``."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Markup((_HERE / "page.css").read_text(encoding="utf-8"))),
    )
    body = el(
        "body",
        el("a", "To the results", href="#results", class_="skip"),
        el("header", el("h1", title), about),
        el("main", *sections, id="main"),
        el("div", "", id="tip", role="status", hidden=True),
        el("script", Markup((_HERE / "page.js").read_text(encoding="utf-8"))),
    )
    return "<!doctype html>\n" + el("html", head, "\n", body, lang="en") + "\n"


def colours_of(report: Data) -> dict[str, int]:
    """The number of each architecture's colour."""
    return {architecture["name"]: index for index, architecture in enumerate(report["architectures"])}


def title_of(report: Data) -> str:
    """What the report is about."""
    names = [benchmark["name"] for benchmark in report["benchmarks"]]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    whole = sum(not architecture["without"] for architecture in report["architectures"])
    return f"{words.count(whole, 'architecture')} on {shown}"


def records_sentence(report: Data) -> str:
    """How many records there are, and of how many variants."""
    left = sum(bool(architecture["without"]) for architecture in report["architectures"])
    variants = f" {words.count(left, 'variant')} of these architectures, each without a layer, ran too." if left else ""
    return f"{words.count(report['records'], 'record')}.{variants} {price_sentence(report)}"


def price_sentence(report: Data) -> str:
    """Which prices count, and what does where there is none."""
    models = {(m["use"], m["price_date"]) for a in report["architectures"] for m in a["models"]}
    unpriced = sorted(use for use, date in models if date is None)
    dated = f"List prices of {report['price_date']}." if report["price_date"] else "No model has a price."
    without = f" Without a price: {', '.join(unpriced)}." if unpriced and report["price_date"] else ""
    units = {benchmark["unit"]["name"] for benchmark in report["benchmarks"]} - {"USD"}
    instead = {"endpoint seconds": "the seconds that endpoints took", "tokens": "tokens"}
    counted = "".join(f" Costs are counted in {instead[unit]} instead." for unit in sorted(units))
    return dated + without + counted


def _what_ran(report: Data) -> Markup:
    runs = [
        el("li", f"{run['name']}: started {run['started'] or 'at an unknown time'}, seed {run['seed']}, "
           f"{words.count(run['repeats'], 'repetition')} of each problem; {_versions(run)}")
        for run in report["runs"]
    ]  # fmt: skip
    architectures = [
        el(
            "li",
            el("b", architecture["name"]),
            f": {_layers(architecture)}" if architecture["layers"] else "",
            el("small", _models(architecture)) if architecture["models"] else None,
        )
        for architecture in report["architectures"]
    ]
    simulated = any(m["use"].startswith("simulated/") for a in report["architectures"] for m in a["models"])
    return join(
        paragraph(records_sentence(report)),
        paragraph("Simulated models answered: nothing here says anything about real ones.", class_="warning")
        if simulated
        else None,
        el(
            "details",
            el("summary", "What ran"),
            el("ul", *runs),
            el("ul", *architectures),
            open=len(report["architectures"]) <= 8 or None,
        ),
    )


def _versions(run: Data) -> str:
    return ", ".join(f"{package} {version}" for package, version in run["versions"].items()) or "versions unknown"


def _layers(architecture: Data) -> str:
    return " → ".join(" + ".join(layer) for layer in architecture["layers"])


def _models(architecture: Data) -> str:
    return " " + ", ".join(
        f"{model['role']}: {model['use']}" + ("" if model["price_date"] else " (no price)")
        for model in architecture["models"]
    )


def _diagnoses(report: Data, colours: Mapping[str, int]) -> Markup:
    several = len(report["benchmarks"]) > 1
    said = [
        el(
            "li",
            tables.swatch(colours[result["architecture"]]),
            el("b", result["architecture"]),
            f" on {benchmark['name']}" if several else "",
            f": {result['diagnosis']['sentence']}",
        )
        for benchmark in report["benchmarks"]
        for result in benchmark["results"]
        if result["whole"]
    ]
    return el("section", el("h2", "What holds each back"), el("ul", *said, class_="plain"))


def _results(report: Data, colours: Mapping[str, int]) -> Markup:
    return el("section", el("h2", "Results"), tables.results(report, colours), id="results")


def _benchmark(benchmark: Data, number: int, report: Data, colours: Mapping[str, int]) -> Markup:
    drawn = [
        with_caption(
            figures.frontier(benchmark, colours, f"frontier-{number}"),
            "Accuracy and cost",
            "Accuracy against cost per answer, with 95 % intervals. The line joins what no other beats in both; hollow "
            "marks are beaten.",
        ),
        with_caption(
            figures.cost_of_pass(benchmark, colours, f"pass-{number}"),
            "Cost of pass",
            "What a right answer costs, with 95 % intervals. An open bar begins at the least it may cost where nothing "
            "was right; an arrow has no upper bound.",
        ),
        *(
            with_caption(
                figures.curves(benchmark, protocol, colours, f"curve-{number}-{place}"), protocol, CAPTIONS[protocol]
            )
            for place, protocol in enumerate(PROTOCOLS.values())
        ),
    ]
    names = [result["architecture"] for result in benchmark["results"]]
    return el(
        "section",
        el("h2", benchmark["name"]),
        paragraph(f"{words.count(benchmark['problems'], 'problem')}. {benchmark['note']}"),
        tables.legend(names, colours),
        el("div", *drawn, class_="figures"),
        _left_out(benchmark),
        titled("Whether voting and refinement pay", _claims(benchmark)),
        titled("The frontier, and what it needs", _economics(benchmark)),
        titled("What each layer costs", tables.layers(benchmark)),
        titled("Compared in pairs", tables.comparisons(benchmark)),
        titled("Cost of pass, problem by problem", _by_problem(benchmark)),
        el("h3", "To read"),
        *questions.section(benchmark, number),
        id=f"benchmark-{number}",
    )


CAPTIONS = {
    "pass@k": "The chance that at least one of k samples is right, from the pools.",
    "maj@k": "What the most frequent answer of k samples reaches.",
    "best-of-k": "What the sample with the highest reward of k reaches.",
}


def with_caption(figure: Markup | None, title: str, caption: str) -> Markup | None:
    """A figure with its title and what it shows, if there is one."""
    return None if figure is None else el("figure", el("figcaption", el("b", title), caption), figure)


def titled(title: str, content: Markup | None) -> Markup | None:
    """A heading and what is below it, if there is something."""
    return None if content is None else join(el("h3", title), content)


def _left_out(benchmark: Data) -> Markup | None:
    said = {
        f"{curve['architecture']}: {words.count(curve['left_out'], 'problem')} left out of the curves, with fewer "
        "graded samples than usual."
        for curve in benchmark["curves"]
        if curve["left_out"]
    }
    return join(*(paragraph(sentence, class_="note") for sentence in sorted(said))) if said else None


def _economics(benchmark: Data) -> Markup | None:
    found = benchmark["economics"]
    if found is None:
        return None
    needed = tables.essentialness(benchmark)
    return join(
        paragraph(found["sentence"]),
        None if needed is None else paragraph(ESSENTIALNESS, class_="note"),
        needed,
    )


ESSENTIALNESS = (
    "Essentialness says how much dearer a right answer gets without a model, a technique or a layer, as a share of "
    "what it would then cost: 0, nothing is lost; 0.5, it costs twice as much; 1, none is to be had. Models and "
    "techniques are taken away with all architectures that use them; a layer by having its architecture only without "
    "it. Where no run was right, intervals draw the rate from what so few runs still allow, never zero."
)


def _claims(benchmark: Data) -> Markup | None:
    if not benchmark["claims"]:
        return None
    return el("ul", *(el("li", el("b", f"{c['kind']}: "), c["sentence"]) for c in benchmark["claims"]), class_="plain")


def _by_problem(benchmark: Data) -> Markup:
    why = (
        "The mean over problems of what a right answer to each costs is infinite as soon as one is never solved; its "
        "lower bound draws every problem's rate from what its runs allow."
    )
    return join(paragraph(why, class_="note"), tables.by_problem(benchmark))
