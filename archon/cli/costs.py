"""``archon costs``: where the money of a run or an evaluation went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from archon.architecture import Architecture
from archon.cli.console import output, print_json
from archon.cli.progress import dollars
from archon.cost import Totals, totals_from_data, totals_to_data
from archon.errors import ConfigError
from archon.runs import read_records, read_settings
from evals.directory import ABOUT, read_about
from evals.records import Record
from evals.records_io import RECORDS, read_jsonl


class Key(StrEnum):
    """What costs are grouped by."""

    LAYER = "layer"
    TECHNIQUE = "technique"
    MODEL = "model"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Group:
    """The costs of one architecture's one layer, technique, model or question.

    Attributes:
        benchmark: What it was asked of, empty for an ordinary run.
        architecture: Its name.
        name: Of the layer, technique, model or question.
        attributed: What it costs by itself.
        paid: What was sent; ``None`` where that was not recorded for a part of an answer.
    """

    benchmark: str
    architecture: str
    name: str
    attributed: Totals
    paid: Totals | None


def costs(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run or of an evaluation.")],
    by: Annotated[Key, typer.Option(help="What to add up.")] = Key.LAYER,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what a run or an evaluation cost by layer, technique, model or question."""
    groups, dates = _of_evaluation(run, by) if (run / ABOUT).is_file() else _of_run(run, by)
    if json:
        print_json([_to_data(group, by) for group in groups])
        return
    split = all(group.paid is not None for group in groups)
    table = Table(
        title=str(run),
        title_justify="left",
        caption="\n".join([CAPTION if split else WITHOUT_PAID, *_prices(dates)]),
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    several = len({group.benchmark for group in groups}) > 1
    for heading in (*(["benchmark"] if several else []), "architecture", by.value):
        table.add_column(heading, overflow="fold")
    tokens = ("tokens in\n(cached)", "tokens out\n(reasoning)")
    for heading in ("calls", "samples", *tokens, "attributed", *(("paid", "failed\nattempts") if split else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(*([group.benchmark] if several else []), group.architecture, group.name, *_cells(group))
    output().print(table)


CAPTION = "Attributed is what it costs by itself; paid is what was sent, failed attempts included."
WITHOUT_PAID = (
    "Attributed is what it costs by itself. An evaluation records what was paid for each answer as a whole: "
    "--by question shows it."
)


def _of_run(run: Path, by: Key) -> tuple[list[Group], Mapping[str, str | None]]:
    if not (run / "run.json").is_file():
        raise ConfigError(
            f"{run} is not the directory of a run or of an evaluation: it has neither run.json nor {ABOUT}."
        )
    _, architectures = read_settings(run)
    specs = [spec for architecture in architectures for spec in architecture.specs().values()]
    dates = {spec.use: None if spec.price is None else spec.price.date for spec in specs}
    return [group for architecture in architectures for group in _groups(run, architecture, by)], dates


def _groups(run: Path, architecture: Architecture, by: Key) -> Iterator[Group]:
    attributed: dict[str, Totals] = {}
    paid: dict[str, Totals] = {}
    for _, row in sorted(read_records(run, architecture.name).items()):
        for share in row["shares"]:
            name = row["id"] if by is Key.QUESTION else share[by.value]
            attributed[name] = attributed.get(name, Totals()) + totals_from_data(share["attributed"])
            paid[name] = paid.get(name, Totals()) + totals_from_data(share["paid"])
    for name in attributed if by is Key.QUESTION else sorted(attributed):
        yield Group("", architecture.name, name, attributed[name], paid[name])


def _of_evaluation(run: Path, by: Key) -> tuple[list[Group], Mapping[str, str | None]]:
    about = read_about(run)
    models = [model for row in about["architectures"] for model in row["models"].values()]
    dates = {model["use"]: (model["price"] or {}).get("date") for model in models}
    rows: dict[tuple[str, str], list[Record]] = {}
    for record in read_jsonl(run / RECORDS):
        rows.setdefault((record.benchmark, record.architecture), []).append(record)
    order = [(benchmark["name"], row["name"]) for benchmark in about["benchmarks"] for row in about["architectures"]]
    groups = [
        _whole(*key, rows[key]) if by is Key.QUESTION else _parts(*key, rows[key], by) for key in order if key in rows
    ]
    return [group for found in groups for group in found], dates


def _whole(benchmark: str, architecture: str, records: Sequence[Record]) -> list[Group]:
    """By question, the repetitions of each added up."""
    attributed: dict[str, Totals] = {}
    paid: dict[str, Totals] = {}
    for record in records:
        attributed[record.problem] = attributed.get(record.problem, Totals()) + record.attributed
        paid[record.problem] = paid.get(record.problem, Totals()) + record.paid
    return [Group(benchmark, architecture, name, attributed[name], paid[name]) for name in attributed]


def _parts(benchmark: str, architecture: str, records: Sequence[Record], by: Key) -> list[Group]:
    attributed: dict[str, Totals] = {}
    for spent in (spent for record in records for spent in record.spent):
        name: str = getattr(spent, by.value)
        attributed[name] = attributed.get(name, Totals()) + spent.totals
    return [Group(benchmark, architecture, name, attributed[name], None) for name in sorted(attributed)]


def _prices(dates: Mapping[str, str | None]) -> list[str]:
    """The day of every price."""
    return [
        f"{use}: " + ("no price is known." if date is None else f"price of {date}.")
        for use, date in sorted(dates.items())
    ]


def _cells(group: Group) -> list[str]:
    totals, usage, paid = group.attributed, group.attributed.usage, group.paid
    cells = [
        f"{totals.calls:,}",
        f"{totals.samples:,}",
        f"{usage.prompt:,}" + (f"\n({usage.cached:,})" if usage.cached else ""),
        f"{usage.completion:,}" + (f"\n({usage.reasoning:,})" if usage.reasoning else ""),
        dollars(totals),
    ]
    return cells if paid is None else [*cells, dollars(paid), f"{paid.failed:,}" if paid.failed else ""]


def _to_data(group: Group, by: Key) -> dict[str, Any]:
    return {
        **({"benchmark": group.benchmark} if group.benchmark else {}),
        "architecture": group.architecture,
        by.value: group.name,
        "attributed": totals_to_data(group.attributed),
        "paid": None if group.paid is None else totals_to_data(group.paid),
    }
