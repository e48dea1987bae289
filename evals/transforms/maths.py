"""Reference answers that stand at the end of a worked solution."""

from __future__ import annotations

from random import Random
from typing import Any

from archon.answers import MathAnswer


def hash_answer(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """GSM8K: the column ``answer`` is a solution whose last line is ``#### 45``; it stays as ``solution``.

    An ``answer`` without the marks is taken for the answer itself, as in many copies of the dataset.
    """
    solution = str(row["answer"])
    answer = solution.rpartition("####")[2].strip().replace(",", "")
    return {**row, "answer": answer, "solution": row.get("solution", solution)}


def worked_answer(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    r"""MATH: ``answer`` is what the column ``solution`` puts into its last ``\boxed{}``."""
    return {**row, "answer": MathAnswer().extract(str(row["solution"]))}
