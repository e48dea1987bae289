"""Instructions that a program can check."""

from __future__ import annotations

from random import Random
from typing import Any


def ifeval(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """IFEval: the hub fills the settings of every instruction up with ``None``; only those that are there stay."""
    settings = [{k: v for k, v in given.items() if v is not None} for given in row["kwargs"]]
    return {**row, "kwargs": settings}
