"""``archon costs``: where the money of a run went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from archon.runs import read_records, read_settings


class Key(StrEnum):
    """What costs are grouped by."""

    LAYER = "layer"
    TECHNIQUE = "technique"
    MODEL = "model"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Group:
    """The costs of one architecture's one layer, technique, model or question."""

    architecture: str
    name: str
    attributed: Totals
    paid: Totals


def costs(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
    by: Annotated[Key, typer.Option(help="What to add up.")] = Key.LAYER,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what a run cost by layer, technique, model or question."""
    _, architectures = read_settings(run)
    groups = [group for architecture in architectures for group in _groups(run, architecture, by)]
    if json:
        print_json([_to_data(group, by) for group in groups])
        return
    table = Table(
        title=str(run),
        title_justify="left",
        caption="\n".join([CAPTION, *_prices(architectures)]),
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("architecture", overflow="fold")
    table.add_column(by.value, overflow="fold")
    tokens = ("tokens in\n(cached)", "tokens out\n(reasoning)")
    for heading in ("calls", "samples", *tokens, "attributed", "paid", "failed\nattempts"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(group.architecture, group.name, *_cells(group))
    output().print(table)


CAPTION = "Attributed is what it costs by itself; paid is what was sent, failed attempts included."


def _groups(run: Path, architecture: Architecture, by: Key) -> Iterator[Group]:
    attributed: dict[str, Totals] = {}
    paid: dict[str, Totals] = {}
    for _, row in sorted(read_records(run, architecture.name).items()):
        for share in row["shares"]:
            name = row["id"] if by is Key.QUESTION else share[by.value]
            attributed[name] = attributed.get(name, Totals()) + totals_from_data(share["attributed"])
            paid[name] = paid.get(name, Totals()) + totals_from_data(share["paid"])
    for name in attributed if by is Key.QUESTION else sorted(attributed):
        yield Group(architecture.name, name, attributed[name], paid[name])


def _prices(architectures: Sequence[Architecture]) -> list[str]:
    """The day of every price."""
    specs = {spec.use: spec for architecture in architectures for spec in architecture.specs().values()}
    return [
        f"{use}: " + ("no price is known." if spec.price is None else f"price of {spec.price.date}.")
        for use, spec in sorted(specs.items())
    ]


def _cells(group: Group) -> list[str]:
    totals, usage = group.attributed, group.attributed.usage
    return [
        f"{totals.calls:,}",
        f"{totals.samples:,}",
        f"{usage.prompt:,}" + (f"\n({usage.cached:,})" if usage.cached else ""),
        f"{usage.completion:,}" + (f"\n({usage.reasoning:,})" if usage.reasoning else ""),
        dollars(totals),
        dollars(group.paid),
        f"{group.paid.failed:,}" if group.paid.failed else "",
    ]


def _to_data(group: Group, by: Key) -> dict[str, Any]:
    return {
        "architecture": group.architecture,
        by.value: group.name,
        "attributed": totals_to_data(group.attributed),
        "paid": totals_to_data(group.paid),
    }
