"""What happened, as events: small facts in the order they came to pass."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One fact.

    Attributes:
        kind: ``attempt`` (a request that was sent), ``call`` (a request of the architecture, which may have been
            answered by the store), ``layer`` or ``question``.
        question: The task's id.
        layer: The path of the layer, if it happened inside one.
        data: What there is to say, as JSON values.
        time: Seconds since the epoch.
    """

    kind: str
    question: str
    layer: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that looks away."""


class TraceFile:
    """An observer that appends every event to a JSON Lines file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        """Append one event."""
        line = {"time": round(event.time, 6), "kind": event.kind, "question": event.question}
        if event.layer:
            line["layer"] = event.layer
        self._file.write(json.dumps({**line, **event.data}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Write what is left and close the file."""
        self._file.close()
