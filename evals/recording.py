"""Makes records of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archon.answers import AnswerFormat
from archon.concurrency import gather
from archon.result import Result, describe
from evals.graders.base import Grade, Problem
from evals.grading import Grading
from evals.layers import Drawn
from evals.records import Record, Sample, Spent

WITHOUT_ANSWER = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a record is about.

    Attributes:
        benchmark: The benchmark's name.
        architecture: The contender's name.
        problem: The question, as it is graded.
        repeat: Which repetition.
    """

    benchmark: str
    architecture: str
    problem: Problem
    repeat: int


async def record_of(
    asked: Asked, result: Result, pool: Sequence[Drawn], answers: AnswerFormat, grading: Grading
) -> Record:
    """The record of an answer, with its pool, all of it graded.

    Args:
        asked: What it is the answer to.
        result: What became of the question.
        pool: What the answer was chosen or made from.
        answers: How answers are found where the grader does not say.
        grading: Grades.
    """
    problem = asked.problem
    texts = [drawn.text for drawn in pool] + ([] if result.text is None else [result.text])
    grades = await gather(grading.grade(problem, text) for text in texts)
    error = None if result.error is None else describe(result.error)
    final = Grade(WITHOUT_ANSWER, error or "") if result.text is None else grades[-1]
    record = Record(
        benchmark=asked.benchmark,
        architecture=asked.architecture,
        problem=problem.id,
        repeat=asked.repeat,
        group=problem.group or problem.id,
        status=result.status,
        question=result.task.question,
        reference=problem.reference,
        text=result.text,
        answer=None if result.text is None else _answer(final, result.text, answers),
        score=final.score,
        reason=final.reason,
        detail=final.detail,
        samples=tuple(
            Sample(drawn.text, _answer(grade, drawn.text, answers), grade.score, drawn.reward)
            for drawn, grade in zip(pool, grades, strict=False)
        ),
        attributed=result.totals,
        paid=result.paid,
        spent=tuple(Spent(s.layer, s.technique, s.model, s.attributed) for s in result.shares),
        seconds=result.seconds,
        error=error,
        failures=tuple((f.layer, f.kind, f.reason) for f in result.failures),
    )
    # Times are rounded where they are written, and a record is the same before and after.
    return Record.from_row(record.to_row())


def unasked(asked: Asked, before: str) -> Record:
    """The record of a turn that could not be asked because the turn ``before`` has no answer: it counts as wrong."""
    problem, reason = asked.problem, f"not asked: {before} has no answer"
    return Record(
        benchmark=asked.benchmark,
        architecture=asked.architecture,
        problem=problem.id,
        repeat=asked.repeat,
        group=problem.group or problem.id,
        status="failed",
        question=problem.messages[-1].content,
        reference=problem.reference,
        text=None,
        answer=None,
        score=WITHOUT_ANSWER,
        reason=reason,
        error=reason,
    )


async def regraded(record: Record, problem: Problem, grading: Grading) -> Record:
    """The record with the grades that it lacks, as far as they can be had now; nothing is asked again."""

    async def again(sample: Sample) -> Sample:
        return sample if sample.score is not None else replace(sample, score=(await grade(sample.text)).score)

    async def grade(text: str) -> Grade:
        return await grading.grade(problem, text)

    samples = tuple(await gather(again(sample) for sample in record.samples))
    if record.score is not None or record.text is None:
        return replace(record, samples=samples)
    found = await grade(record.text)
    return replace(record, samples=samples, score=found.score, reason=found.reason, detail=found.detail)


def _answer(grade: Grade, text: str, answers: AnswerFormat) -> str | None:
    """The answer that the grader found, or else the one that the architecture finds."""
    if "answer" not in grade.detail:
        return answers.extract(text)
    found = grade.detail["answer"]
    return None if found is None else str(found)
