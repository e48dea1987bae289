"""Prompts as they were last agreed on, so that a change of one is seen and meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from archon.state import Message

FOLDER = Path(__file__).parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS"


def check_snapshot(name: str, messages: Sequence[Message]) -> None:
    """Compare a conversation with the stored one, or store it if the variable ``UPDATE_SNAPSHOTS`` is set."""
    text = "".join(f"--- {message.role}\n{message.content}\n" for message in messages)
    path = FOLDER / f"{name}.txt"
    if os.environ.get(UPDATE):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == stored, f"{path.name} differs; if that is meant, run pytest with {UPDATE}=1 and review the diff"
