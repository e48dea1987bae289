"""The records of an evaluation: a row for every architecture, problem and repetition, enough to recompute all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from archon.cost import Totals, totals_from_data, totals_to_data


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of the pool that an architecture chose from, graded like the final one.

    Attributes:
        text: As the model wrote it.
        answer: The answer found in it.
        score: Its grade from 0 to 1; ``None`` where grading failed.
        reward: What the architecture's own reward or ranking gave it, if anything did.
    """

    text: str
    answer: str | None
    score: float | None
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one model cost in one layer.

    Attributes:
        layer: The path of the layer, such as ``1.rank``.
        technique: Its kind.
        model: The model's name.
        totals: What it cost by itself, as if nothing had been in the store.
    """

    layer: str
    technique: str
    model: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one problem with one architecture, once.

    Attributes:
        benchmark: The benchmark's name.
        architecture: The architecture's name.
        problem: The problem's id.
        repeat: Which independent repetition, from 0.
        group: The cluster of the problem; the problem's id where it stands alone.
        status: ``done``, ``budget`` (the best a budget could buy) or ``failed`` (no answer, which counts as wrong).
        question: The last user turn.
        reference: The right answer, if the benchmark has one.
        text: The final answer as written, ``None`` when failed.
        answer: The answer found in it.
        score: From 0 to 1; ``None`` when the grader crashed, which takes the record out of every mean and is counted.
        reason: What the grader said of it.
        detail: What else the grader found.
        samples: The pool that the final answer was chosen or made from: the candidates of the first layer that left
            the most.
        attributed: What the architecture costs by itself, at list price.
        paid: What was really sent.
        spent: ``attributed`` by layer, technique and model.
        seconds: From the start of the question to its end.
        error: Why there is no answer.
        failures: What went missing on the way, as ``(layer, kind, reason)``.
    """

    benchmark: str
    architecture: str
    problem: str
    repeat: int
    group: str
    status: Literal["done", "budget", "failed"]
    question: str
    reference: str | None
    text: str | None
    answer: str | None
    score: float | None
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    attributed: Totals = field(default_factory=Totals)
    paid: Totals = field(default_factory=Totals)
    spent: tuple[Spent, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    failures: tuple[tuple[str, str, str], ...] = ()

    @property
    def dollars(self) -> float | None:
        """What the answer costs at list price; ``None`` unless every call has a known price."""
        return None if self.attributed.unpriced else self.attributed.dollars

    def to_row(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "benchmark": self.benchmark,
            "architecture": self.architecture,
            "problem": self.problem,
            "repeat": self.repeat,
            "group": self.group,
            "status": self.status,
            "question": self.question,
            "reference": self.reference,
            "text": self.text,
            "answer": self.answer,
            "score": self.score,
            "reason": self.reason,
            "detail": dict(self.detail),
            "samples": [
                {"text": s.text, "answer": s.answer, "score": s.score, "reward": s.reward} for s in self.samples
            ],
            "attributed": totals_to_data(self.attributed),
            "paid": totals_to_data(self.paid),
            "spent": [
                {"layer": s.layer, "technique": s.technique, "model": s.model, "totals": totals_to_data(s.totals)}
                for s in self.spent
            ],
            "seconds": round(self.seconds, 4),
            "error": self.error,
            "failures": [list(failure) for failure in self.failures],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_row`."""
        values = dict(row)
        # Often all that was attributed was paid, and one layer spent it all: then the totals are one object.
        attributed = row["attributed"]
        totals = totals_from_data(attributed)
        values["samples"] = tuple([Sample(s["text"], s["answer"], s["score"], s["reward"]) for s in row["samples"]])
        values["attributed"] = totals
        values["paid"] = totals if row["paid"] == attributed else totals_from_data(row["paid"])
        values["spent"] = tuple(
            [
                Spent(
                    s["layer"],
                    s["technique"],
                    s["model"],
                    totals if s["totals"] == attributed else totals_from_data(s["totals"]),
                )
                for s in row["spent"]
            ]
        )
        values["failures"] = tuple([(layer, kind, reason) for layer, kind, reason in row["failures"]])
        return cls(**values)
