"""Run architectures over questions, keep everything, and sum up."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archon.architecture import Architecture
from archon.cli.progress import Bar, RunProgress
from archon.cost import Ledger, Totals
from archon.engine import Engine, Result
from archon.errors import ArchonError, ConfigError, PermanentError
from archon.models.pool import ModelPool
from archon.questions import Question
from archon.runs import RunDirectory
from archon.store import SampleStore
from archon.trace import Event
from evals.accuracy import accuracy

# What an endpoint says of the whole run, not of one question.
HOPELESS = frozenset({401, 403, 404})


@dataclass
class Outcome:
    """One architecture over all questions.

    Attributes:
        name: The architecture's name.
        totals: What the architecture costs by itself.
        paid: What was really sent, failed attempts included.
        seconds: Wall time.
        rows: The records, by position.
        questions: How many there were.
    """

    name: str
    questions: int
    totals: Totals = field(default_factory=Totals)
    paid: Totals = field(default_factory=Totals)
    seconds: float = 0.0
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Questions without an answer."""
        return sum(row["status"] == "failed" for row in self.rows.values())

    @property
    def incomplete(self) -> int:
        """Questions answered although something the architecture asked for did not come."""
        return sum(
            row["status"] != "failed" and any(f["kind"] == "call" for f in row["failures"])
            for row in self.rows.values()
        )

    @property
    def unreadable(self) -> int:
        """Replies that could not be parsed."""
        return sum(f["kind"] == "parse" for row in self.rows.values() for f in row["failures"])

    @property
    def grades(self) -> list[bool]:
        """Right or wrong for every question with a reference; a question that failed is wrong."""
        return [row["correct"] for row in self.rows.values() if "correct" in row]

    def summary(self) -> dict[str, Any]:
        """The figures as JSON values."""
        totals, n = self.totals, max(len(self.rows), 1)
        data: dict[str, Any] = {
            "architecture": self.name,
            "questions": self.questions,
            "finished": len(self.rows),
            "failed": self.failed,
            "incomplete": self.incomplete,
            "unreadable_replies": self.unreadable,
            "calls": totals.calls,
            "samples": totals.samples,
            "failed_calls": totals.failed,
            "paid_calls": self.paid.calls,
            "failed_attempts": self.paid.failed,
            "paid_dollars": self.paid.dollars if self.paid.unpriced < max(self.paid.calls, 1) else None,
            "prompt_tokens": totals.usage.prompt,
            "cached_tokens": totals.usage.cached,
            "completion_tokens": totals.usage.completion,
            "reasoning_tokens": totals.usage.reasoning,
            "dollars": totals.dollars if totals.unpriced < totals.calls else None,
            "unpriced_calls": totals.unpriced,
            "seconds": round(self.seconds, 3),
            "calls_per_question": totals.calls / n,
            "samples_per_question": totals.samples / n,
            "tokens_per_question": totals.usage.total / n,
            "seconds_per_question": self.seconds / n,
        }
        if self.grades:
            measured = accuracy(self.grades)
            data["accuracy"] = {
                "mean": measured.mean,
                "standard_error": measured.standard_error,
                "n": measured.n,
                "wilson_95": [measured.low, measured.high],
            }
        return data


async def run_batch(
    architectures: Sequence[Architecture],
    questions: Sequence[Question],
    directory: RunDirectory,
    *,
    seed: int,
    store: SampleStore | None,
) -> list[Outcome]:
    """Run every architecture over all questions, one architecture after the other, so that times compare.

    Raises:
        ConfigError: An endpoint refused the key or does not know the model; what had finished is kept.
    """
    outcomes = []
    with RunProgress() as shown:
        async with ModelPool() as pool:
            for architecture in architectures:
                outcome = Outcome(architecture.name, len(questions))
                outcomes.append(outcome)
                bar = shown.start(architecture.name, len(questions))
                ledger, paid = Ledger(), Ledger()

                def observe(event: Event, outcome: Outcome = outcome, bar: Bar = bar, ledger: Ledger = ledger) -> None:
                    directory.trace(event)
                    bar.update(len(outcome.rows), ledger.total, outcome.failed)

                async with Engine(
                    architecture, pool, seed=seed, store=store, ledger=ledger, paid=paid, observe=observe
                ) as engine:
                    started = time.monotonic()
                    async for position, result in engine.run_all(question.task for question in questions):
                        grade = _grade(architecture, questions[position], result)
                        outcome.rows[position] = directory.record(architecture.name, position, result, grade)
                        outcome.totals, outcome.paid = ledger.total, paid.total
                        outcome.seconds = time.monotonic() - started
                        bar.update(len(outcome.rows), outcome.totals, outcome.failed)
                        _stop_if_hopeless(result)
                shown.finish(outcome.name, len(questions), outcome.totals, outcome.seconds)
    return outcomes


def _stop_if_hopeless(result: Result) -> None:
    if isinstance(result.error, PermanentError) and result.error.status in HOPELESS:
        raise ConfigError(f"{result.error}. The run was stopped: no other question would fare better.")


def _grade(architecture: Architecture, question: Question, result: Result) -> Mapping[str, Any]:
    """The grade of a result, empty without a reference; a grader that crashes is recorded and is not a zero."""
    if question.reference is None:
        return {}
    expected = architecture.answer.extract(question.reference) or question.reference
    try:
        correct = result.answer is not None and architecture.answer.equal(result.answer, expected)
    except ArchonError as error:
        return {"reference": question.reference, "grader_error": str(error)}
    return {"reference": question.reference, "correct": correct}


def write_output(path: Path, outcomes: Sequence[Outcome]) -> None:
    """The records as JSON Lines in the order of the input.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            for outcome in outcomes:
                for position in sorted(outcome.rows):
                    file.write(json.dumps(outcome.rows[position], ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}.") from None
