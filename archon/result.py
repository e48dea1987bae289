"""What became of one task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from archon.answers import AnswerFormat
from archon.cost import Share, Totals, together
from archon.errors import ArchonError, BudgetExhausted
from archon.state import Candidate, Failure, State, Task


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task.

    Attributes:
        task: The task.
        status: ``done``; ``budget`` when the answer is the best that a budget could buy; ``failed`` when there is
            none.
        text: The final candidate's text, ``None`` when failed.
        answer: The answer found in that text, ``None`` when failed or when there is none in it.
        candidates: What the last layer left, best first where it ranks.
        failures: What the architecture asked for and did not get, in any layer.
        totals: Calls, tokens and cost of the architecture alone, as if nothing had been in the store.
        paid: What was really sent and paid, failed attempts included.
        shares: What each model cost in each layer; they add up to ``totals`` and ``paid``.
        seconds: From the start of the task to its end.
        error: Why it failed.
    """

    task: Task
    status: Literal["done", "budget", "failed"]
    text: str | None
    answer: str | None
    candidates: tuple[Candidate, ...]
    failures: tuple[Failure, ...]
    totals: Totals
    paid: Totals
    shares: tuple[Share, ...]
    seconds: float
    error: Exception | None = None

    @classmethod
    def of(
        cls,
        state: State,
        error: Exception | None,
        answers: AnswerFormat,
        *,
        shares: tuple[Share, ...],
        seconds: float,
    ) -> Result:
        """The result that a final state, or an error on the way to it, comes to."""
        if error is None and not state.candidates:
            error = _no_answer(state)
        text = None if error is not None else state.candidates[0].text
        cut = any(failure.kind == "budget" for failure in state.failures)
        return cls(
            task=state.task,
            status="failed" if error is not None else "budget" if cut else "done",
            text=text,
            answer=None if text is None else answers.extract(text),
            candidates=state.candidates,
            failures=state.failures,
            totals=together([share.attributed for share in shares]),
            paid=together([share.paid for share in shares]),
            shares=shares,
            seconds=seconds,
            error=error,
        )

    def summary(self) -> dict[str, Any]:
        """The gist as JSON values."""
        data: dict[str, Any] = {"status": self.status, "answer": self.answer, "seconds": round(self.seconds, 4)}
        if self.error is not None:
            data["error"] = describe(self.error)
        return data


def describe(error: Exception) -> str:
    """An error in one line for records: a sentence for our own, type and message for a defect."""
    return str(error) if isinstance(error, ArchonError) else f"internal error: {type(error).__name__}: {error}"


def _no_answer(state: State) -> ArchonError:
    cut = [failure.reason for failure in state.failures if failure.kind == "budget"]
    return BudgetExhausted(f"{cut[0]}, and there was no answer yet") if cut else ArchonError("no candidate was left")
