"""What happened, as events: small facts in the order they came to pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_json

BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Event:
    """One fact.

    Attributes:
        kind: ``question_started`` and ``question`` (its end); ``layer_started`` and ``layer`` (its end, with the
            candidates it leaves); ``call`` (a request of the architecture with its messages and replies, wherever
            they came from); ``attempt`` (a request that was sent); ``hit`` (draws found in the store); ``retry``,
            ``hedge``, ``fallback`` (why there is one more attempt); ``budget`` (a request that was not sent);
            ``execution`` (a program that a technique ran, with its source and how it ended). Others are what techniques
            and rewards record of their own, such as ``reward`` (a request to a reward server).
        question: The task's id.
        layer: The path of the layer, if it happened inside one.
        data: What there is to say, as JSON values; ``run`` tells apart two tasks with the same id.
        time: Seconds since the epoch, at the end of what is told.
    """

    kind: str
    question: str
    layer: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that looks away."""


def tell(*observers: Observer) -> Observer:
    """An observer that tells several."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


class TraceFile:
    """Appends events to a JSON Lines file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", BUFFER_BYTES)

    def __call__(self, event: Event) -> None:
        """Append one event."""
        self._append(event, {})

    def of(self, architecture: str) -> Observer:
        """An observer that says whose events it appends."""
        label = {"architecture": architecture}
        return lambda event: self._append(event, label)

    def _append(self, event: Event, label: Mapping[str, str]) -> None:
        line: dict[str, Any] = {"time": event.time, "kind": event.kind, **label, "question": event.question}
        if event.layer:
            line["layer"] = event.layer
        line.update(event.data)
        self._file.write(to_json(line) + b"\n")

    def close(self) -> None:
        """Write what is left and close the file."""
        self._file.close()
