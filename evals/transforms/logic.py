"""Conclusions from premises."""

from __future__ import annotations

from random import Random
from typing import Any


def folio(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """FOLIO: ``premises`` is a text or, in version 0.0, a list; its label ``Unknown`` is now ``Uncertain``."""
    premises = row["premises"]
    text = premises if isinstance(premises, str) else "\n".join(map(str, premises))
    label = str(row["label"]).strip().capitalize()
    return {**row, "premises": text.strip(), "answer": "Uncertain" if label == "Unknown" else label}
