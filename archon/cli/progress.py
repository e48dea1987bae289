"""The live line of a run: questions, calls, tokens and dollars so far."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from archon.cli.console import progress as console
from archon.cost import Totals


class RunProgress:
    """One bar per architecture on stderr, or one line at its end where stderr is not a terminal."""

    def __init__(self) -> None:
        self._console = console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[spent]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, name: str, questions: int) -> Bar:
        """A new bar."""
        return Bar(self._progress, name, questions)

    def finish(self, name: str, questions: int, totals: Totals, seconds: float) -> None:
        """Say in one line what the bar would have shown."""
        if not self._console.is_terminal:
            self._console.print(f"{name}: {questions} questions · {spent(totals)} · {seconds:.0f} s", markup=False)


class Bar:
    """One architecture's line."""

    def __init__(self, progress: Progress, name: str, questions: int) -> None:
        self._progress = progress
        self._id = progress.add_task(name, total=questions, spent="")
        self._shown = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to look again: events come in thousands, eyes follow ten pictures a second."""
        now = time.monotonic()
        if self._progress.disable or now - self._shown < 0.1:
            return False
        self._shown = now
        return True

    def update(self, finished: int, totals: Totals, failed: int = 0) -> None:
        """Show how far it is and what it has spent."""
        text = spent(totals) + (f" · {failed} failed" if failed else "")
        self._progress.update(self._id, completed=finished, spent=text)


def spent(totals: Totals) -> str:
    """Calls, tokens and what is known of the cost, in a few words."""
    text = f"{totals.calls:,} calls · {totals.usage.total:,} tokens"
    return text + (f" · {dollars(totals)}" if totals.unpriced < totals.calls else "")


def dollars(totals: Totals) -> str:
    """The known cost, marked as a lower bound where some of it is not known."""
    if totals.calls and totals.unpriced == totals.calls:
        return "unknown"
    return ("≥ " if totals.unpriced or totals.uncertain else "") + f"${totals.dollars:.4f}"
