"""``--store``: which sample store a command uses."""

from __future__ import annotations

from typing import Annotated

import typer

from archon.paths import default_store

StoreFlag = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="FILE|URL", help="Sample store to use instead of the user's own: a file or postgresql://…"
    ),
]


def chosen(store: str | None, no_store: bool = False) -> str | None:
    """Where samples are kept, with whatever password the user wrote; ``None`` for nowhere."""
    return None if no_store else store or str(default_store())
