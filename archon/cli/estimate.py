"""``archon estimate``: what architectures would ask, cost and take."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from archon.cli.console import output, print_json
from archon.cli.run import questions_of
from archon.estimate import ASSUMPTIONS, Estimate, Figures, LayerEstimate, estimate, estimate_to_data
from archon.observed import Profile
from archon.questions import Fields
from archon.source import load_architecture


def estimate_architectures(
    architectures: Annotated[list[Path], typer.Argument(metavar="ARCHITECTURE...", help="YAML files to estimate.")],
    question: Annotated[str | None, typer.Option(help="Estimate this one question.")] = None,
    input: Annotated[  # noqa: A002 - the flag's name
        Path | None, typer.Option("--input", help="Estimate every line of this JSON Lines file.")
    ] = None,
    question_field: Annotated[
        str, typer.Option(help="Field with the question, or with a list of messages.")
    ] = "question",
    answer_field: Annotated[str, typer.Option(help="Field with the reference answer, if there is one.")] = "answer",
    id_field: Annotated[str, typer.Option(help="Field with the id.")] = "id",
    system_field: Annotated[str, typer.Option(help="Field with a system message.")] = "system",
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many questions.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting, as in layers.0.generate.n=4."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what architectures would ask, cost and take, without asking any model."""
    loaded = [load_architecture(path, set_ or ()) for path in architectures]
    questions = questions_of(question, input, Fields(question_field, answer_field, id_field, system_field), limit)
    profile = Profile.load()
    estimates = [estimate(architecture, [q.task for q in questions], profile) for architecture in loaded]
    if json:
        print_json([estimate_to_data(estimated) for estimated in estimates])
        return
    for estimated in estimates:
        output().print(_table(estimated))


def _table(estimated: Estimate) -> Table:
    """One row per component, then one question and all of them, as expected and at most."""
    table = Table(
        title=estimated.architecture,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("layer", overflow="fold")
    for heading in ("calls", "samples", "tokens in", "tokens out", "cost", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("basis", overflow="fold")
    for layer in estimated.layers:
        cells = _cells(layer.figures, layer.seconds) if layer.known else ["unknown"] * 6
        table.add_row(layer.layer, *cells, _basis(layer))
    table.add_section()
    lower = "≥ " if estimated.unknown else ""
    table.add_row("one question", *_cells(estimated.each, estimated.each_seconds, lower))
    table.add_row(
        f"all {estimated.questions:,} questions" if estimated.questions > 1 else "all",
        *_cells(estimated.total, estimated.seconds, lower),
    )
    table.add_row("at most", *_cells(estimated.at_most, math.inf))
    table.caption = "\n".join(_remarks(estimated))
    return table


def _cells(figures: Figures, seconds: float, lower: str = "") -> list[str]:
    numbers = [lower + _number(n) for n in (figures.calls, figures.samples, figures.prompt, figures.completion)]
    return [*numbers, _dollars(figures, lower), "" if math.isinf(seconds) else lower + _number(seconds)]


def _number(value: float) -> str:
    """Whole where that is precise enough, with one decimal below a hundred."""
    if math.isinf(value):
        return "no limit"
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.1f}"


def _dollars(figures: Figures, lower: str) -> str:
    if figures.calls == 0:
        return ""
    if figures.unpriced >= figures.calls:
        return "unknown"
    if math.isinf(figures.dollars):
        return "no limit"
    return ("≥ " if figures.unpriced else lower) + f"${figures.dollars:.4f}"


def _basis(layer: LayerEstimate) -> str:
    return layer.basis + (f" ({layer.observed_calls:,} calls)" if layer.observed_calls else "")


def _remarks(estimated: Estimate) -> list[str]:
    """What has to be known to read the figures."""
    said = ["Layers are per question; at most is for all questions."]
    prices: dict[str, list[str]] = {}
    for use, price in estimated.prices.items():
        prices.setdefault("" if price is None else price.date, []).append(use)
    for date, uses in sorted(prices.items(), reverse=True):
        names = ", ".join(uses)
        said.append(f"Prices of {date}: {names}." if date else f"No price is known: {names}.")
    if estimated.unknown:
        said.append(f"What {', '.join(estimated.unknown)} would ask is not known and not counted.")
    if any("assumed" in layer.basis or layer.basis == "partly observed" for layer in estimated.layers):
        said.append(f"Assumed: {ASSUMPTIONS}. A run makes it more exact.")
    return said
