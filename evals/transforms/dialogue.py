"""Open questions, whose answers a judge compares with those of a baseline: the column ``baseline`` holds its text."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any


def alpaca_eval(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """AlpacaEval: ``output`` is what ``generator`` answered."""
    return {**row, "baseline": str(row["output"])}


def arena_hard(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Arena-Hard-Auto: the row beside is ``{uid, messages: [..., {role, content: {answer}}]}``; a text stays one."""
    baseline = row["baseline"]
    if isinstance(baseline, Mapping):
        said = baseline["messages"][-1]["content"]
        baseline = said["answer"] if isinstance(said, Mapping) else said
    return {**row, "baseline": str(baseline)}
