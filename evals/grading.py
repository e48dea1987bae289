"""Grades answers: each text once, with a judge model where the grader asks one."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from archon.concurrency import gather
from archon.cost import Ledger, Totals
from archon.errors import ArchonError
from archon.models.base import Model, Request, Sampling, Tag
from archon.models.pool import ModelPool
from archon.models.retry import RetryPolicy
from archon.models.stack import Stack
from archon.state import Message
from archon.store import Store
from archon.technique import Programs
from archon.trace import Observer
from evals.contest import ProblemSet
from evals.graders.base import Asks, Grade, Problem, Tools

JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge cost over one text; no part of what an architecture costs.

    Attributes:
        benchmark: The benchmark's name.
        problem: The problem's id.
        model: The judge's name.
        attributed: What it costs at list price.
        paid: What was really sent.
    """

    benchmark: str
    problem: str
    model: str
    attributed: Totals
    paid: Totals


class Grading:
    """Grades answers to the problems of one benchmark; made by :meth:`begin`.

    The same text on the same problem is graded once. A grader that crashes gives no score, never a zero.
    """

    def __init__(
        self, problems: ProblemSet, sandbox: Programs, judge: _Judge | None, judged: Callable[[Judged], None]
    ) -> None:
        self._set = problems
        self._sandbox = sandbox
        self._judge = judge
        self._judged = judged
        self._grades: dict[bytes, asyncio.Future[Grade]] = {}

    @classmethod
    async def begin(
        cls,
        problems: ProblemSet,
        sandbox: Programs,
        *,
        pool: ModelPool | None,
        given: Model | None,
        store: Store | None,
        seed: int,
        retry: RetryPolicy,
        observe: Observer,
        judged: Callable[[Judged], None],
    ) -> Self:
        """Prepare to grade.

        Args:
            problems: What is graded, and the judge.
            sandbox: Where graders run programs.
            pool: Makes the judge model.
            given: A judge model in place of the pool's.
            store: Where the judge's replies are kept.
            seed: Decides the judge's draws.
            retry: Bounds on retrying.
            observe: Told of the judge's requests.
            judged: Told what they cost.

        Raises:
            ConfigError: The judge's key or its weights are missing.
        """
        if problems.judge is None:
            return cls(problems, sandbox, None, judged)
        spec, ledger, paid = problems.judge, Ledger(), Ledger()
        stack = Stack(ledger, paid, retry, store, None, None, observe)
        models = await stack.build({JUDGE: spec}, {} if given is None else {JUDGE: given}, pool)
        return cls(problems, sandbox, _Judge(models[JUDGE], spec.sampling, seed, ledger, paid), judged)

    async def grade(self, problem: Problem, text: str) -> Grade:
        """The grade of one answer; why there is no score stands in its reason."""
        key = _digest(problem, text)
        if (known := self._grades.get(key)) is not None:
            return await asyncio.shield(known)
        future = self._grades[key] = asyncio.get_running_loop().create_future()
        try:
            grade = await self._grade(problem, text)
        except BaseException:
            # Cancelled: whoever waits for this grade is being cancelled too, or grades by itself.
            del self._grades[key]
            future.cancel()
            raise
        future.set_result(grade)
        return grade

    async def _grade(self, problem: Problem, text: str) -> Grade:
        asks, run = (None, 0) if self._judge is None else self._judge.asks(problem.id, self._set.grader.kind)
        try:
            grade = await self._set.grader.grade(problem, text, Tools(self._sandbox, asks))
        except ArchonError as error:
            return Grade(None, str(error))
        except Exception as error:
            # Whatever goes wrong in a grader says nothing about the answer.
            return Grade(None, f"The grader crashed: {type(error).__name__}: {error}")
        finally:
            if self._judge is not None:
                self._judged(self._judge.cost(self._set.name, problem.id, run))
        if grade.score is not None and not 0 <= grade.score <= 1:
            return Grade(None, f"The grader gave {grade.score}, which is no score from 0 to 1.", grade.detail)
        return grade


class _Judge:
    """Asks the judge model through everything that stands around an architecture's models."""

    def __init__(self, model: Model, sampling: Sampling, seed: int, ledger: Ledger, paid: Ledger) -> None:
        self._model = model
        self._sampling = sampling
        self._seed = seed
        self._ledger = ledger
        self._paid = paid
        self._runs = itertools.count()

    def asks(self, problem: str, grader: str) -> tuple[Asks, int]:
        """What one grading asks with, and the number that its requests are accounted under."""
        run = next(self._runs)
        tag = Tag(problem, 0, "grade", grader, run)

        async def ask(messages: Sequence[Message], *, n: int = 1) -> Sequence[str]:
            indices = tuple(range(n))
            groups = [indices] if self._model.capabilities.multiple else [(index,) for index in indices]
            replies = await gather(
                self._model.complete(Request(tuple(messages), self._sampling, self._seed, JUDGE, group, tag))
                for group in groups
            )
            return [completion.text for reply in replies for completion in reply.completions]

        return ask, run

    def cost(self, benchmark: str, problem: str, run: int) -> Judged:
        """What the requests of one grading cost."""
        attributed, paid = (sum(book.of_run(run).values(), Totals()) for book in (self._ledger, self._paid))
        return Judged(benchmark, problem, self._model.name, attributed, paid)


def _digest(problem: Problem, text: str) -> bytes:
    """What a grade depends on: later turns of a problem are asked after answers that differ."""
    said = [part for message in problem.messages for part in (message.role, message.content)]
    joined = "\0".join((problem.id, text, *said))
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()
