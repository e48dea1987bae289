"""Problems that are scored once, at the very end, with an architecture that was fixed before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from archon.errors import GuardError
from search.log import Line, Log


class Sealed:
    """The sealed problems of a benchmark; a file in the directory remembers that they were opened, and for what.

    Args:
        directory: Of the run, or of the benchmark where runs are to share its one use.
    """

    def __init__(self, directory: Path) -> None:
        self._log = Log(directory / "sealed.jsonl")

    def open(self, candidate: str) -> None:
        """Say which candidate will be scored, before any of its answers is looked at.

        A run that was cut may open them again for the same candidate, as long as no score was kept.

        Raises:
            GuardError: They were scored, or opened for another candidate.
        """
        with self._log.turn() as turn:
            opened = next((line for line in turn.lines if line is not None), None)
            if opened is None:
                turn.append({"candidate": candidate, "opened": _now()})
                return
            self._refuse(opened, candidate, scored=len(turn.lines) > 1)

    def close(self, candidate: str, scores: Mapping[str, float]) -> float:
        """Keep the score of the candidate they were opened for, and return it: the mean over the problems.

        Raises:
            GuardError: They were not opened for it, or were scored before.
            ValueError: There are no scores, or one is not a finite number.
        """
        if not scores or not all(math.isfinite(score) for score in scores.values()):
            raise ValueError("the sealed problems need a finite score each")
        with self._log.turn() as turn:
            opened = next((line for line in turn.lines if line is not None), None)
            if opened is None:
                raise GuardError(f"{self._log.path}: the sealed problems were not opened for {candidate}.")
            self._refuse(opened, candidate, scored=len(turn.lines) > 1)
            mean = math.fsum(scores.values()) / len(scores)
            turn.append({"candidate": candidate, "score": mean, "problems": len(scores), "closed": _now()})
        return mean

    def _refuse(self, opened: Line, candidate: str, *, scored: bool) -> None:
        whom, when = opened["candidate"], opened["opened"]
        if scored:
            raise GuardError(f"{self._log.path}: the sealed problems were scored with {whom} ({when}), and only once.")
        if whom != candidate:
            raise GuardError(f"{self._log.path}: the sealed problems were opened for {whom} ({when}), not {candidate}.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
