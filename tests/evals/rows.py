"""Records for tests of what is computed from them."""

from __future__ import annotations

from typing import Any

from archon.cost import Totals, Usage
from evals.records import Record, Sample


def record(problem: str, score: float | None, repeat: int = 0, **values: Any) -> Record:
    """One record, of the architecture ``a`` unless another is given."""
    row: dict[str, Any] = {
        "benchmark": "b",
        "architecture": "a",
        "problem": problem,
        "repeat": repeat,
        "group": problem,
        "status": "done",
        "question": "?",
        "reference": "1",
        "text": "1",
        "answer": "1",
        "score": score,
        "reason": "",
    }
    return Record(**{**row, **values})


def cost(dollars: float, tokens: int = 0, unpriced: int = 0) -> Totals:
    """What one call cost."""
    return Totals(calls=1, usage=Usage(prompt=tokens), dollars=dollars, unpriced=unpriced)


def samples(scores: list[float | None], rewards: list[float] | None = None) -> tuple[Sample, ...]:
    """A pool in which samples with the same grade agree."""
    given: list[float] | list[None] = rewards or [None] * len(scores)
    return tuple(Sample(str(s), str(s), s, r) for s, r in zip(scores, given, strict=True))
