"""Runs many architectures on many benchmarks, several times, and makes a record of every answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from archon.budget import Budget, BudgetSpec
from archon.concurrency import gather
from archon.cost import Totals
from archon.engine import Engine
from archon.errors import ConfigError, PermanentError
from archon.models.base import Model
from archon.models.pool import ModelPool
from archon.models.providers import LOCAL
from archon.models.retry import RetryPolicy
from archon.result import Result
from archon.sandbox import Sandbox
from archon.state import Message, Task
from archon.store import Store
from archon.technique import Programs
from archon.trace import Observer, ignore, tell
from evals.contest import Contender, ProblemSet
from evals.graders.base import Problem
from evals.grading import JUDGE, Grading, Judged
from evals.layers import Layers
from evals.recording import Asked, record_of, regraded, unasked
from evals.records import Record
from evals.records_io import Key, key_of

# What an endpoint says of the whole run, not of one question.
HOPELESS = frozenset({401, 403, 404})
# A conversation that stands twice in a benchmark is asked under repeats that no repetition reaches.
TWINS = 1_000_000


class Bar(Protocol):
    """Shows how far one architecture is on one benchmark."""

    def update(self, finished: int, totals: Totals, failed: int = 0) -> None:
        """So many records there are, at this cost, and so many of them without an answer."""
        ...


class Progress(Protocol):
    """Shows how far an evaluation is."""

    def start(self, name: str, questions: int) -> Bar:
        """A new bar, for so many records."""
        ...

    def finish(self, name: str, questions: int, totals: Totals, seconds: float) -> None:
        """One architecture has all its records of one benchmark."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for everything in an evaluation.

    Attributes:
        seed: Decides every draw; with a repetition's number it is the same for all architectures.
        repeats: How often every problem is asked, each time with draws of its own.
        budget: What each architecture may really spend on each benchmark; judges are not part of it.
        retry: Bounds on retrying.
        at_once: How many questions of an architecture are begun at a time; as many as its endpoints bear if not given.
    """

    seed: int = 0
    repeats: int = 1
    budget: BudgetSpec | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an evaluation puts what comes of it.

    Attributes:
        keep: Takes every record, as soon as it is graded.
        judged: Takes what a judge cost.
        observe: Makes the observer of one architecture on one benchmark, by their names; ``None`` is the judge.
        progress: Shows how far it is.
    """

    keep: Callable[[Record], None] = lambda record: None
    judged: Callable[[Judged], None] = lambda judged: None
    observe: Callable[[str, str | None], Observer] = lambda benchmark, architecture: ignore
    progress: Progress | None = None


async def evaluate(
    contenders: Sequence[Contender],
    problem_sets: Sequence[ProblemSet],
    settings: Settings = Settings(),
    *,
    pool: ModelPool | None = None,
    models: Mapping[str, Model] | None = None,
    store: Store | None = None,
    sandbox: Programs | None = None,
    done: Iterable[Record] = (),
    purse: Budget | None = None,
    desk: Desk = Desk(),
) -> list[Record]:
    """Ask every contender every problem, as often as is wanted, and grade the answers.

    Architectures that use a model of this machine run one after the other, so that their seconds compare; all others
    run at once, and share what they have in common where there is a store. The same seed gives the same draws.

    Args:
        contenders: The architectures.
        problem_sets: The benchmarks.
        settings: Seed, repeats, budget.
        pool: Where models come from; not needed where ``models`` names them all.
        models: Models by reference that replace those of the architectures; ``judge`` is the judge.
        store: Where samples are looked up before they are bought, and kept.
        sandbox: Where techniques and graders run programs; one of its own if not given.
        done: Records there are already: what was answered is not asked again, what lacks a grade is graded.
        purse: What all of it together may really spend, in place of a budget for each architecture.
        desk: Where to put what comes of it.

    Returns:
        All records, by benchmark, architecture, repeat and problem, those of ``done`` included.

    Raises:
        ConfigError: An endpoint refused the key or does not know the model; what had finished was kept.
    """
    programs = Sandbox() if sandbox is None else sandbox
    given = dict(models or {})
    judge = given.pop(JUDGE, None)
    known = {key_of(record): record for record in done}
    async with AsyncExitStack() as stack:
        if pool is None:
            pool = await stack.enter_async_context(ModelPool())
        trials = []
        for problems in problem_sets:
            grading = await Grading.begin(
                problems,
                programs,
                pool=pool,
                given=judge,
                store=store,
                seed=settings.seed,
                retry=settings.retry,
                observe=desk.observe(problems.name, None),
                judged=desk.judged,
            )
            shared = _Shared(settings, pool, given, store, programs, grading, purse, desk)
            trials += [_Trial(contender, problems, shared, known) for contender in contenders]

        async def in_turn() -> None:
            for trial in trials:
                if trial.local:
                    await trial.run()

        await gather([in_turn(), *(trial.run() for trial in trials if not trial.local)])
    return [record for trial in trials for record in trial.in_order()]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the trials of one benchmark share."""

    settings: Settings
    pool: ModelPool
    models: Mapping[str, Model]
    store: Store | None
    programs: Programs
    grading: Grading
    purse: Budget | None
    desk: Desk


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn of one problem in one repetition.

    Attributes:
        problem: As the benchmark gives it.
        repeat: Which repetition.
        draws: Which repetition of this very conversation, where it stands twice.
        answers: The answers to the turns before.
    """

    problem: Problem
    repeat: int
    draws: int
    answers: tuple[str, ...] = ()

    @property
    def turn(self) -> Problem:
        """The turn as a problem of its own, graded like the first."""
        number, first = len(self.answers), self.problem
        if not number:
            return replace(first, group=first.group or first.id)
        later = zip(self.answers, first.follow_ups, strict=False)
        said = [m for answer, question in later for m in (Message("assistant", answer), Message("user", question))]
        messages = (*first.messages, *said)
        return replace(first, id=_turn_id(first, number), messages=messages, group=first.group or first.id)

    @property
    def task(self) -> Task:
        """What is asked, under an id that no other question of the trial has."""
        turn = self.turn
        return Task(turn.messages, f"{turn.id}#{self.repeat}", self.draws)

    @property
    def last(self) -> bool:
        """Whether no turn follows."""
        return len(self.answers) == len(self.problem.follow_ups)


def _turn_id(problem: Problem, number: int) -> str:
    return f"{problem.id}/{number + 1}" if number else problem.id


class _Trial:
    """One contender on one benchmark."""

    def __init__(
        self, contender: Contender, problems: ProblemSet, shared: _Shared, known: Mapping[Key, Record]
    ) -> None:
        self._name = contender.name
        self._set = problems
        self._architecture = problems.asked_of(contender)
        self._shared = shared
        self._layers = Layers()
        self._turns = {
            _turn_id(problem, number): (problem, number)
            for problem in problems.problems
            for number in range(1 + len(problem.follow_ups))
        }
        keys = [
            (problems.name, contender.name, turn, repeat)
            for repeat in range(shared.settings.repeats)
            for turn in self._turns
        ]
        self._places = {key: place for place, key in enumerate(keys)}
        self._records = {key: known[key] for key in keys if key in known and known[key].status == "done"}
        self._spent = sum((record.attributed for record in self._records.values()), Totals())
        self._failed = 0
        self._bar: Bar | None = None

    @property
    def local(self) -> bool:
        """Whether it needs this machine for itself."""
        specs = self._architecture.specs()
        return any(spec.provider == LOCAL for ref, spec in specs.items() if ref not in self._shared.models)

    def in_order(self) -> list[Record]:
        """Its records by repeat and problem."""
        return [self._records[key] for key in sorted(self._records, key=self._places.__getitem__)]

    async def run(self) -> None:
        """Ask what is open, grade what has no grade."""
        shared, desk = self._shared, self._shared.desk
        title = f"{self._set.name} · {self._name}"
        started = asyncio.get_running_loop().time()
        if desk.progress is not None:
            self._bar = desk.progress.start(title, len(self._places))
        self._show()
        open_ = self._open()
        async with Engine(
            self._architecture,
            shared.pool,
            models=shared.models or None,
            seed=shared.settings.seed,
            retry=shared.settings.retry,
            store=shared.store,
            budget=shared.settings.budget if shared.purse is None else shared.purse,
            sandbox=shared.programs,
            observe=tell(self._layers, desk.observe(self._set.name, self._name)),
        ) as engine:
            try:
                async with asyncio.TaskGroup() as group:
                    for record in [r for r in self._records.values() if _lacks_grades(r)]:
                        group.create_task(self._grade_again(record))
                    async for index, result in engine.run_all(
                        (asked.task for asked in open_), at_once=shared.settings.at_once
                    ):
                        group.create_task(self._finish(engine, open_[index], result))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None
        if desk.progress is not None:
            seconds = asyncio.get_running_loop().time() - started
            desk.progress.finish(title, len(self._records), self._spent, seconds)

    def _open(self) -> list[_Turn]:
        """What has no answer yet, in the order that is common to all contenders."""
        stands = Counter[tuple[Message, ...]]()
        twins = []
        for problem in self._set.problems:
            twins.append(TWINS * stands[problem.messages])
            stands[problem.messages] += 1
        chains = [
            self._resumed(_Turn(problem, repeat, repeat + twin))
            for repeat in range(self._shared.settings.repeats)
            for problem, twin in zip(self._set.problems, twins, strict=True)
        ]
        return [asked for asked in chains if asked is not None]

    def _resumed(self, asked: _Turn) -> _Turn | None:
        """The first turn that has no answer, ``None`` if all have one."""
        while (record := self._records.get(self._key(asked))) is not None:
            if asked.last:
                return None
            asked = replace(asked, answers=(*asked.answers, record.text or ""))
        return asked

    def _key(self, asked: _Turn) -> Key:
        return (self._set.name, self._name, _turn_id(asked.problem, len(asked.answers)), asked.repeat)

    async def _finish(self, engine: Engine, asked: _Turn, result: Result) -> None:
        """Grade and keep an answer, and go on with the turns that follow it."""
        while True:
            pool = self._layers.take(result.task.id)
            self._keep(
                await record_of(self._about(asked), result, pool, self._architecture.answer, self._shared.grading)
            )
            _stop_if_hopeless(result)
            if asked.last:
                return
            if result.text is None:
                self._give_up(asked)
                return
            asked = replace(asked, answers=(*asked.answers, result.text))
            result = await engine.run(asked.task)

    def _about(self, asked: _Turn) -> Asked:
        return Asked(self._set.name, self._name, asked.turn, asked.repeat)

    def _give_up(self, asked: _Turn) -> None:
        """Record that the later turns could not be asked."""
        failed = asked.turn.id
        while not asked.last:
            asked = replace(asked, answers=(*asked.answers, ""))
            self._keep(unasked(self._about(asked), failed))

    async def _grade_again(self, record: Record) -> None:
        problem, number = self._turns[record.problem]
        before = [replace(record, problem=_turn_id(problem, earlier)) for earlier in range(number)]
        answers = tuple(self._records[key_of(earlier)].text or "" for earlier in before)
        turn = _Turn(problem, record.repeat, 0, answers).turn
        self._keep(await regraded(record, turn, self._shared.grading))

    def _keep(self, record: Record) -> None:
        self._shared.desk.keep(record)
        if key_of(record) not in self._records:
            self._spent += record.attributed
            self._failed += record.status == "failed"
        self._records[key_of(record)] = record
        self._show()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(len(self._records), self._spent, self._failed)


def _lacks_grades(record: Record) -> bool:
    return record.score is None or any(sample.score is None for sample in record.samples)


def _stop_if_hopeless(result: Result) -> None:
    """End the evaluation where no other question would fare better.

    Raises:
        ConfigError: The key or the model's name is wrong.
    """
    if isinstance(result.error, ConfigError):
        raise result.error
    if isinstance(result.error, PermanentError) and result.error.status in HOPELESS:
        raise ConfigError(f"{result.error}. The evaluation was stopped: no other question would fare better.")
