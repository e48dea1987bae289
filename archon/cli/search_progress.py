"""The live line of a search: trials, the best so far, what was paid."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from archon.cli.console import progress as console
from evals.contest import ProblemSet
from search.history import Entry, History
from search.progress import Progress
from search.spec import StudySpec

EVERY = 60.0
"""Seconds after which a line says how far it is, where stderr is not a terminal."""


class SearchProgress:
    """One bar on stderr; where that is not a terminal, a line for every better architecture, and one a minute."""

    def __init__(self, spec: StudySpec, problems: ProblemSet) -> None:
        self._spec = spec
        self._console = console()
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bars.add_task(f"trials on {len(problems.problems)} problems", total=spec.trials, said="")
        self._best = ""
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, progress: Progress, history: History) -> None:
        """Show how far it is."""
        best = history.best
        said = f"{progress.paid:,} of {progress.calls:,} calls paid" + (
            f", ${progress.usd:.4f}" if progress.usd else ""
        )
        if best is not None:
            said = f"best {self._figures(best)} · {said}"
        self._bars.update(self._task, completed=progress.trials, said=said)
        better = best is not None and best.architecture.name != self._best
        if best is not None:
            self._best = best.architecture.name
        if not self._console.is_terminal and (better or time.monotonic() - self._said > EVERY):
            self._said = time.monotonic()
            name = f"{self._best}, " if better else ""
            line = f"trial {progress.trials} of {self._spec.trials}: {name}{said}"
            self._console.print(line, markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Say what comes after the trials."""
        self._bars.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(text, markup=False, soft_wrap=True)

    def _figures(self, best: Entry) -> str:
        if self._spec.objective == "cost_of_pass":
            return f"{best.cost_of_pass(self._spec.cost):.3g} {self._spec.cost} a right answer"
        return f"{best.accuracy:.3f}"
