"""Run architectures over questions, keep everything, and sum up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archon.architecture import Architecture
from archon.budget import BudgetSpec
from archon.cli.progress import Bar, RunProgress
from archon.cost import Ledger, Totals, totals_from_data, totals_to_data
from archon.engine import Engine
from archon.errors import ArchonError, ConfigError, PermanentError
from archon.estimate import compare
from archon.learning import learn
from archon.models.pool import ModelPool
from archon.observed import Watch, remember
from archon.paths import cache_dir
from archon.questions import Question
from archon.result import Result
from archon.runs import Rows, RunDirectory
from archon.store import Store
from archon.trace import Event, Observer, tell
from evals.statistics.accuracy import accuracy

# What an endpoint says of the whole run, not of one question.
HOPELESS = frozenset({401, 403, 404})

# Facts about one run rather than about the answers.
PASSING = frozenset({"paid", "shares", "seconds", "elapsed", "endpoint_seconds"})


@dataclass
class Outcome:
    """One architecture over all questions.

    Attributes:
        name: The architecture's name.
        questions: How many there are.
        rows: The records, by position.
        seconds: Wall time, that of a run which was cut included.
        estimate: What was estimated before anything was asked, as JSON values.
    """

    name: str
    questions: int
    rows: Rows = field(default_factory=dict)
    seconds: float = 0.0
    estimate: Mapping[str, Any] | None = None

    @property
    def totals(self) -> Totals:
        """What the architecture costs by itself."""
        return sum((totals_from_data(row["attributed"]) for row in self.rows.values()), Totals())

    @property
    def paid(self) -> Totals:
        """What was really sent, failed attempts included."""
        return sum((totals_from_data(row["paid"]) for row in self.rows.values()), Totals())

    @property
    def failed(self) -> int:
        """Questions without an answer, for another reason than a budget."""
        return sum(row["status"] == "failed" and not _out_of_budget(row) for row in self.rows.values())

    @property
    def cut(self) -> int:
        """Questions that a budget cut, with an answer or without."""
        return sum(row["status"] == "budget" or _out_of_budget(row) for row in self.rows.values())

    @property
    def incomplete(self) -> int:
        """Questions answered although something the architecture asked for did not come."""
        return sum(
            row["status"] == "done" and any(f["kind"] == "call" for f in row["failures"]) for row in self.rows.values()
        )

    @property
    def unreadable(self) -> int:
        """Replies that could not be parsed."""
        return sum(f["kind"] == "parse" for row in self.rows.values() for f in row["failures"])

    @property
    def grades(self) -> list[bool]:
        """Right or wrong for every question with a reference; a question that failed is wrong."""
        return [row["correct"] for row in self.rows.values() if "correct" in row]

    @property
    def compared(self) -> dict[str, Any] | None:
        """How far off the estimate was, if there was one and all of it was done."""
        if self.estimate is None or len(self.rows) < self.questions or self.failed or self.cut:
            return None
        # What the store answers takes no time.
        bought = self.paid.calls >= self.totals.calls
        return compare(self.estimate, self.totals, self.seconds if bought else None)

    def summary(self) -> dict[str, Any]:
        """The figures as JSON values."""
        totals, n = self.totals, max(len(self.rows), 1)
        data: dict[str, Any] = {
            "architecture": self.name,
            "questions": self.questions,
            "finished": len(self.rows),
            "failed": self.failed,
            "cut_by_budget": self.cut,
            "incomplete": self.incomplete,
            "unreadable_replies": self.unreadable,
            "attributed": totals_to_data(totals),
            "paid": totals_to_data(self.paid),
            "seconds": round(self.seconds, 3),
            "calls_per_question": totals.calls / n,
            "samples_per_question": totals.samples / n,
            "tokens_per_question": totals.usage.total / n,
            "seconds_per_question": self.seconds / n,
        }
        if self.compared:
            data["estimate"] = self.compared
        if self.grades:
            measured = accuracy(self.grades)
            data["accuracy"] = {
                "mean": measured.value,
                "standard_error": measured.standard_error,
                "n": measured.n,
                "wilson_95": [measured.low, measured.high],
            }
        return data


def _out_of_budget(row: Mapping[str, Any]) -> bool:
    return row["status"] == "failed" and any(failure["kind"] == "budget" for failure in row["failures"])


async def run_batch(
    directory: RunDirectory, store: Store | None, watchers: Sequence[Callable[[str], Observer]] = ()
) -> list[Outcome]:
    """Run every architecture over all questions, one architecture after the other, so that times compare.

    Questions that the directory has answers to are not asked again.

    Args:
        directory: What runs, and where what comes of it is kept.
        store: Where samples are kept.
        watchers: Make observers of one architecture each, by its name.

    Raises:
        ConfigError: An endpoint refused the key or does not know the model; what had finished is kept.
    """
    outcomes = []
    with RunProgress() as shown:
        async with ModelPool(cache_dir() / "limits.sqlite") as pool:
            for architecture in directory.architectures:
                bar = shown.start(architecture.name, len(directory.questions))
                outcome = await _run_one(architecture, directory, pool, store, bar, watchers)
                shown.finish(outcome.name, outcome.questions, outcome.totals, outcome.seconds)
                outcomes.append(outcome)
    return outcomes


async def _run_one(
    architecture: Architecture,
    directory: RunDirectory,
    pool: ModelPool,
    store: Store | None,
    bar: Bar,
    watchers: Sequence[Callable[[str], Observer]],
) -> Outcome:
    outcome = Outcome(architecture.name, len(directory.questions), directory.finished(architecture.name))
    before, already = outcome.totals, max((row["elapsed"] for row in outcome.rows.values()), default=0.0)
    open_ = [position for position in range(outcome.questions) if position not in outcome.rows]
    if len(open_) == outcome.questions:
        outcome.estimate = directory.settings.get("estimate", {}).get(architecture.name)
    failed = 0
    ledger = Ledger()
    watch = Watch()

    def show(event: Event) -> None:
        if bar.due:
            bar.update(len(outcome.rows), before + ledger.total, failed)

    made = [make(architecture.name) for make in watchers]
    observe = tell(directory.trace.of(architecture.name), watch, show, *made)

    seed, limits = directory.settings["seed"], directory.settings["budget"]
    budget = None if limits is None else BudgetSpec.model_validate(limits)
    async with Engine(
        architecture, pool, seed=seed, store=store, budget=budget, ledger=ledger, observe=observe
    ) as engine:
        started = time.monotonic()
        tasks = [directory.questions[position].task for position in open_]
        async for index, result in engine.run_all(tasks, at_once=directory.settings.get("at_once")):
            position = open_[index]
            outcome.seconds = already + time.monotonic() - started
            grade = _grade(architecture, directory.questions[position], result)
            outcome.rows[position] = directory.record(architecture.name, position, result, grade, outcome.seconds)
            failed += result.status == "failed"
            bar.update(len(outcome.rows), before + ledger.total, failed)
            _stop_if_hopeless(result)
    outcome.seconds = outcome.seconds or already
    done = [directory.questions[position].task for position in open_ if outcome.rows[position]["status"] == "done"]
    remember(learn(architecture, done, watch))
    return outcome


def _stop_if_hopeless(result: Result) -> None:
    if isinstance(result.error, ConfigError):
        raise result.error
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
    """The records as JSON Lines in the order of the input, without what differs from one run to the next.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            for outcome in outcomes:
                for position in sorted(outcome.rows):
                    row = {k: v for k, v in outcome.rows[position].items() if k not in PASSING}
                    row["attributed"] = {k: v for k, v in row["attributed"].items() if k not in PASSING}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}.") from None
