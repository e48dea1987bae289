"""Programs; their tests stay in the columns and in the form in which they were published."""

from __future__ import annotations

import re
from random import Random
from typing import Any

IMAGE = re.compile(r"<image>|\[image\]", re.IGNORECASE)


def mbpp(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """MBPP and MBPP+: ``question`` is the task, ``shown`` the tests that a solution may look at, one a line.

    The task stands in ``text`` in the full dataset and in ``prompt`` in the sanitised one and in MBPP+.
    """
    question = str(row["prompt"] if "prompt" in row else row["text"]).strip()
    return {**row, "question": question, "shown": "\n".join(map(str, row["test_list"]))}


def code_contests(row: dict[str, Any], rng: Random) -> dict[str, Any] | None:
    """CodeContests: statements that cannot be understood without their images are passed over."""
    return None if IMAGE.search(row["description"]) else row


def livecodebench(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """LiveCodeBench: ``form`` says how a solution has to look: a function to complete, or a program."""
    starter = str(row.get("starter_code") or "").strip()
    if starter:
        form = f"Complete this code, whose names must stay as they are:\n\n```python\n{starter}\n```"
    else:
        form = "Write a program that reads from standard input and prints to standard output."
    return {**row, "form": form}
