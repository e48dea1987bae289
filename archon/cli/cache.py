"""``archon cache``: what the sample store holds, and forgetting it."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from archon.cli.console import output, print_json, progress
from archon.cli.storing import StoreFlag
from archon.paths import default_store
from archon.store import Store
from archon.stores import open_store

app = typer.Typer(no_args_is_help=True, help="The samples that were paid for.", rich_markup_mode=None)

DAY = 86400.0


@contextmanager
def _opened(place: str | None) -> Iterator[Store]:
    store = open_store(place or default_store())
    try:
        yield store
    finally:
        store.close()


@app.command("stats")
def stats(
    store: StoreFlag = None, json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False
) -> None:
    """Count the samples by model."""
    with _opened(store) as samples:
        found = samples.stats()
    if json:
        print_json({"path": samples.place, **asdict(found)})
        return
    table = Table("model", "samples", title=samples.place, title_justify="left")
    for model, count in found.by_model.items():
        table.add_row(model, f"{count:,}")
    table.add_row("all", f"{found.samples:,}", style="bold")
    since = "" if found.oldest is None else time.strftime(", the oldest of %Y-%m-%d", time.localtime(found.oldest))
    table.caption = f"{found.bytes / 1e6:,.1f} MB{since}"
    output().print(table)


@app.command("prune")
def prune(
    older_than: Annotated[float, typer.Option(min=0, metavar="DAYS", help="Forget samples older than this.")],
    model: Annotated[str | None, typer.Option(help="Only those of this model, such as openai/gpt-4o-mini.")] = None,
    store: StoreFlag = None,
) -> None:
    """Forget old samples."""
    with _opened(store) as samples:
        forgotten = samples.prune(time.time() - older_than * DAY, model)
    progress().print(f"{forgotten:,} samples forgotten.")


@app.command("export")
def export(store: StoreFlag = None) -> None:
    """Print every sample as one JSON object per line."""
    with _opened(store) as samples:
        for sample in samples.export():
            sys.stdout.write(jsonlib.dumps(sample, ensure_ascii=False) + "\n")
