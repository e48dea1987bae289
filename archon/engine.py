"""Runs an architecture on tasks: everything independent at once, the same draws for the same seed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

from archon.architecture import Architecture
from archon.branch import Branch, Resources, Scope
from archon.budget import Budget, BudgetSpec
from archon.concurrency import gather
from archon.cost import Ledger, shares_of_run
from archon.errors import BudgetExhausted
from archon.finish import Finish
from archon.models.base import Model, Tag
from archon.models.pool import ModelPool
from archon.models.retry import RetryPolicy
from archon.models.stack import Stack
from archon.placement import Component, place
from archon.prices import with_list_price
from archon.result import Result
from archon.sandbox import Sandbox
from archon.state import Candidate, Failure, State, Task, number_repeats
from archon.store import Store
from archon.stream import Finished, LayerFinished, LayerStarted, StreamEvent
from archon.technique import Programs
from archon.trace import Event, Observer, ignore

# Four times what an endpoint is asked at a time unless its model says otherwise.
BEGUN = 1024
# A run starts with few questions, so that their requests are under way while the next are begun.
FIRST = 8
PAUSE_SECONDS = 0.002


class Engine:
    """Runs one architecture; use it as an async context manager.

    Args:
        architecture: What to run.
        pool: Where models come from; shared between engines that should share connections and limits. Not needed
            when ``models`` names them all.
        models: Models by reference that replace those of the architecture, such as scripted ones.
        seed: Decides every draw.
        retry: Bounds on retrying.
        store: Where samples are looked up before they are bought, and kept; ``None`` buys everything anew.
        budget: What all questions together may really cost; a purse that engines share, or a new one's contents.
        ledger: Where the architecture's own costs are recorded; one of its own if not given.
        paid: Where what was really sent is recorded; one of its own if not given.
        sandbox: Where techniques run what models wrote; a :class:`archon.sandbox.Sandbox` of its own if not given.
        observe: Told every event as it happens.
    """

    def __init__(
        self,
        architecture: Architecture,
        pool: ModelPool | None = None,
        *,
        models: Mapping[str, Model] | None = None,
        seed: int = 0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        store: Store | None = None,
        budget: BudgetSpec | Budget | None = None,
        ledger: Ledger | None = None,
        paid: Ledger | None = None,
        sandbox: Programs | None = None,
        observe: Observer = ignore,
    ) -> None:
        self.architecture = architecture
        self.ledger = Ledger() if ledger is None else ledger
        self.paid = Ledger() if paid is None else paid
        self._budgets: dict[int, Budget] = {}
        self._pool = pool
        self._own_pool: ModelPool | None = None
        self._given = dict(models or {})
        self._seed = seed
        self._observe = observe
        # What works on this machine is only found out when the first program runs.
        self._sandbox = Sandbox() if sandbox is None else sandbox
        self._run_budget = Budget(budget) if isinstance(budget, BudgetSpec) else budget
        self._bounded = budget is not None or architecture.budget is not None
        self._specs = {ref: with_list_price(spec) for ref, spec in architecture.specs().items()}
        self._layers = place(architecture, self._specs)
        self._stack = Stack(
            ledger=self.ledger,
            paid=self.paid,
            retry=retry,
            store=store,
            run_budget=self._run_budget,
            question_budgets=None if architecture.budget is None else self._budgets,
            observe=observe,
        )
        self._resources: Resources | None = None
        self._finish: Finish | None = None
        self._runs = itertools.count()

    async def __aenter__(self) -> Self:
        pool = self._pool
        if pool is None and self._specs.keys() - self._given.keys():
            pool = self._own_pool = ModelPool()
        try:
            models = await self._stack.build(self._specs, self._given, pool)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        samplings = {ref: spec.sampling for ref, spec in self._specs.items()}
        self._resources = Resources(
            models,
            samplings,
            self.architecture.answer,
            self._seed,
            self._sandbox,
            self._observe,
            self._seconds_left,
            self._bounded,
        )
        self._finish = Finish(self._layers, self._specs, models)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own_pool is not None:
            await self._own_pool.__aexit__(kind, error, trace)
            self._own_pool = None

    async def run(self, task: Task, *, order: int = 0) -> Result:
        """Run every layer on one task.

        Args:
            task: What is asked.
            order: Its position in a batch; older tasks are served first where requests queue.

        Returns:
            Its result; what failed for good is in there, not raised.
        """
        return await self._run(task, Scope(next(self._runs), order))

    async def stream(self, task: Task, *, order: int = 0) -> AsyncGenerator[StreamEvent, None]:
        """Run every layer on one task and tell what happens, as it happens.

        Closing the generator, or cancelling who waits for its next event, stops all spending on the task: requests in
        flight are cancelled within one turn of the event loop and no other is sent. Use
        :func:`contextlib.aclosing` where the iteration may be left early.

        Yields:
            :class:`LayerStarted`, :class:`Token`, :class:`Restarted`, :class:`Sampled` and :class:`LayerFinished`
            events, and at the end :class:`Finished` with the result.
        """
        happened: asyncio.Queue[StreamEvent] = asyncio.Queue()
        scope = Scope(next(self._runs), order, happened.put_nowait)

        async def finish() -> None:
            happened.put_nowait(Finished(await self._run(task, scope)))

        job = asyncio.create_task(finish())
        try:
            while True:
                event = await happened.get()
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            await _stop([job], [scope])

    async def run_all(
        self, tasks: Iterable[Task], *, at_once: int | None = None
    ) -> AsyncGenerator[tuple[int, Result], None]:
        """Run many tasks at once; yields (position, result) as they finish.

        More tasks are begun than the endpoints can be asked at a time, but not all of many thousands: what only waits
        costs memory and time. Leaving the iteration early cancels what is still running.

        Args:
            tasks: What is asked.
            at_once: How many are begun at a time; one, for example, where a question's own time is to be measured, or
                where a local model's prompt cache should stay with it. ``None`` leaves that to the engine.
        """
        waiting = enumerate(list(number_repeats(tasks)))
        finished: asyncio.Queue[tuple[int, Result]] = asyncio.Queue()
        running: dict[int, tuple[asyncio.Task[None], Scope]] = {}
        most = at_once or max(BEGUN, 4 * max((spec.concurrency or 0 for spec in self._specs.values()), default=0))
        allowed, open_, left = min(FIRST, most), 0, 0
        loop = asyncio.get_running_loop()
        pause = loop.call_later(PAUSE_SECONDS, lambda: allow_more())

        def begin() -> None:
            nonlocal open_, left
            for order, task in islice(waiting, allowed - open_):
                scope = Scope(next(self._runs), order)
                running[scope.run] = (asyncio.create_task(one(task, scope)), scope)
                open_, left = open_ + 1, left + 1

        def allow_more() -> None:
            nonlocal allowed, pause
            allowed = min(most, 2 * allowed)
            begin()
            if allowed < most:
                pause = loop.call_later(PAUSE_SECONDS, allow_more)

        async def one(task: Task, scope: Scope) -> None:
            nonlocal open_
            finished.put_nowait((scope.order, await self._run(task, scope)))
            del running[scope.run]
            open_ -= 1
            # Several at a time: what they ask first goes into the store's books in one stroke.
            if open_ <= allowed // 2:
                begin()

        try:
            begin()
            while left:
                item = await finished.get()
                left -= 1
                yield item
        finally:
            pause.cancel()
            await _stop([job for job, _ in running.values()], [scope for _, scope in running.values()])

    async def _run(self, task: Task, scope: Scope) -> Result:
        started = time.monotonic()
        run = scope.run
        state = State(task)
        error: Exception | None = None
        self._observe(Event("question_started", task.id, "", {"run": run}))
        if self.architecture.budget is not None:
            self._budgets[run] = Budget(self.architecture.budget)
        try:
            for index, layer in enumerate(self._layers):
                if (budget := self._budgets.get(run)) is not None and self._finish is not None:
                    self._finish.keep_back(budget, index, state)
                state = await self._run_layer(layer, state, scope)
        except Exception as caught:
            # Not only our own errors: a defect in one technique must not lose the other questions.
            error = caught
        finally:
            self._budgets.pop(run, None)
        result = Result.of(
            state,
            error,
            self.architecture.answer,
            shares=shares_of_run(self.ledger, self.paid, run),
            seconds=time.monotonic() - started,
        )
        self._observe(Event("question", task.id, "", {"run": run, **result.summary()}))
        return result

    def _seconds_left(self, run: int) -> float | None:
        """How long the budgets of one run still last; ``None`` without end."""
        budgets = (self._budgets.get(run), self._run_budget)
        left = [budget.seconds_left for budget in budgets if budget is not None]
        return min((seconds for seconds in left if seconds is not None), default=None)

    async def _run_layer(self, layer: Sequence[Component], state: State, scope: Scope) -> State:
        if not state.candidates:
            # A budget has bought nothing to work on.
            layer = [component for component in layer if not component.technique.needs_candidates]
        if not layer:
            return state
        states = await gather([self._run_component(component, state, scope) for component in layer])
        if len(states) == 1 and states[0].candidates:
            return states[0]
        candidates = tuple(candidate for s in states for candidate in s.candidates)
        return State(
            state.task,
            candidates=candidates or state.candidates,
            unit_tests=state.unit_tests + tuple(t for s in states for t in s.unit_tests[len(state.unit_tests) :]),
            failures=state.failures + tuple(f for s in states for f in s.failures[len(state.failures) :]),
            tests_shown=any(s.tests_shown for s in states),
        )

    async def _run_component(self, component: Component, state: State, scope: Scope) -> State:
        assert self._resources is not None, "the engine is entered before it runs"
        task, technique, path = state.task, component.technique, component.path
        started = time.monotonic()
        self._observe(Event("layer_started", task.id, path, {"run": scope.run, "technique": technique.kind}))
        if scope.tell is not None:
            scope.tell(LayerStarted(path, technique.kind))
        tag = Tag(task.id, scope.order, path, technique.kind, scope.run)
        stream = component.stream + (f"#{task.repeat}" if task.repeat else "")
        try:
            after = await technique(state, Branch(self._resources, scope, task, tag, stream))
        except BudgetExhausted as exhausted:
            after = technique.degrade(state).with_failures([Failure.of(path, exhausted)])
        data: dict[str, Any] = {
            "run": scope.run,
            "technique": technique.kind,
            "candidates": [_candidate_data(candidate) for candidate in after.candidates],
            "failures": [f"{failure.kind}: {failure.reason}" for failure in after.failures[len(state.failures) :]],
            "seconds": round(time.monotonic() - started, 4),
        }
        if after.unit_tests != state.unit_tests:
            data["unit_tests"] = list(after.unit_tests)
        self._observe(Event("layer", task.id, path, data))
        if scope.tell is not None:
            scope.tell(LayerFinished(path, technique.kind, after.candidates))
        return after


async def _stop(jobs: Sequence[asyncio.Task[Any]], scopes: Iterable[Scope]) -> None:
    for scope in scopes:
        scope.stop()
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    data: dict[str, Any] = {"text": candidate.text, "origin": candidate.origin}
    if candidate.critiques:
        data["critiques"] = list(candidate.critiques)
    if candidate.score is not None:
        data["score"] = candidate.score
    if candidate.verdict is not None:
        data["verdict"] = candidate.verdict
    return data
