"""What is worth reading: questions all got wrong, answers that could not be graded, and disagreements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evals.records import Record, Sample

QUESTIONS = 200
"""How many questions a report holds in full, those most worth reading first."""
SAMPLES = 16
CHARACTERS = 2_000
"""How much of each text a report holds; the whole is in ``records.jsonl``."""
ALL_CHARACTERS = 3_000_000

KINDS = {
    "not graded": "the grader crashed or had nothing to compare with",
    "no answer": "an architecture has no answer",
    "all wrong": "no architecture was ever right",
    "disagreement": "some were right and some were wrong",
    "all right": "every architecture was always right",
}


def reading(records: Sequence[Record], architectures: Sequence[str]) -> dict[str, Any]:
    """Counts of each kind of question, and the questions that a report has room for.

    Args:
        records: Of one benchmark, in the order in which they are shown.
        architectures: The order of the answers to each question.
    """
    by_problem: dict[str, list[Record]] = {}
    for record in records:
        by_problem.setdefault(record.problem, []).append(record)
    kinds = {problem: _kind(rows) for problem, rows in by_problem.items()}
    place = {kind: index for index, kind in enumerate(KINDS)}
    order = sorted(by_problem, key=lambda problem: place[kinds[problem]])
    questions: list[dict[str, Any]] = []
    room = ALL_CHARACTERS
    for problem in order[:QUESTIONS]:
        question = _question(problem, kinds[problem], by_problem[problem])
        room -= _size(question)
        if room < 0 and questions:
            break
        questions.append(question)
    return {
        "counts": {kind: sum(found == kind for found in kinds.values()) for kind in KINDS},
        "grader_crashes": [
            {"architecture": name, "records": crashed}
            for name in architectures
            if (crashed := sum(r.architecture == name and r.score is None for r in records))
        ],
        "questions": questions,
        "left_out": len(by_problem) - len(questions),
    }


def _kind(records: Sequence[Record]) -> str:
    if any(record.score is None for record in records):
        return "not graded"
    if any(record.status == "failed" for record in records):
        return "no answer"
    right = [record.score or 0.0 for record in records]
    if not any(right):
        return "all wrong"
    return "all right" if all(score == 1 for score in right) else "disagreement"


def _question(problem: str, kind: str, records: Sequence[Record]) -> dict[str, Any]:
    first = records[0]
    return {
        "problem": problem,
        "kind": kind,
        "question": clipped(first.question),
        "reference": None if first.reference is None else clipped(first.reference),
        "answers": [_answer(record) for record in records],
    }


def _answer(record: Record) -> dict[str, Any]:
    return {
        "architecture": record.architecture,
        "repeat": record.repeat,
        "status": record.status,
        "score": record.score,
        "answer": None if record.answer is None else clipped(record.answer),
        "text": None if record.text is None else clipped(record.text),
        "reason": clipped(record.reason),
        "error": None if record.error is None else clipped(record.error),
        "calls": record.attributed.calls,
        "tokens": record.attributed.usage.total,
        "dollars": record.dollars,
        "seconds": record.seconds,
        "samples": [_sample(sample) for sample in record.samples[:SAMPLES]] if len(record.samples) > 1 else [],
        "samples_left_out": max(0, len(record.samples) - SAMPLES),
        "layers": [
            {
                "layer": spent.layer,
                "model": spent.model,
                "calls": spent.totals.calls,
                "tokens": spent.totals.usage.total,
                "seconds": spent.totals.seconds,
            }
            for spent in record.spent
        ],
        "trace": None,
        "failures": [{"layer": layer, "kind": kind, "reason": clipped(why)} for layer, kind, why in record.failures],
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "answer": None if sample.answer is None else clipped(sample.answer),
        "score": sample.score,
        "reward": sample.reward,
        "text": clipped(sample.text),
    }


def clipped(text: str, file: str = "records.jsonl") -> str:
    """The beginning of a text, how much of it is missing, and where that is."""
    if len(text) <= CHARACTERS:
        return text
    return f"{text[:CHARACTERS]} … ({len(text) - CHARACTERS:,} more characters in {file})"


def _size(question: dict[str, Any]) -> int:
    answers = question["answers"]
    texts = sum(len(answer["text"] or "") + sum(len(s["text"]) for s in answer["samples"]) for answer in answers)
    return len(question["question"]) + texts
