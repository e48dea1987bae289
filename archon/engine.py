"""Runs an architecture on tasks: everything independent at once, the same draws for the same seed."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self

from archon.answers import AnswerFormat
from archon.architecture import Architecture
from archon.budget import Budget, BudgetSpec
from archon.concurrency import gather
from archon.cost import Ledger, Totals
from archon.errors import ArchonError, BudgetExhausted, ModelError
from archon.models.base import Completion, Model, Request, Sampling, Tag
from archon.models.budget import Budgeted
from archon.models.meter import Metered
from archon.models.pool import ModelPool
from archon.models.retry import Retrying, RetryPolicy
from archon.models.spec import ModelSpec
from archon.models.store import Stored
from archon.prices import with_list_price
from archon.state import Candidate, Failure, Message, State, Task, number_repeats
from archon.store import SampleStore
from archon.technique import Technique
from archon.trace import Event, Observer, ignore


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
    seconds: float
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Resources:
    """What every context of a run shares."""

    models: Mapping[str, Model]
    samplings: Mapping[str, Sampling]
    answers: AnswerFormat
    seed: int


class _Branch:
    """The engine's :class:`archon.technique.Context`: one branch of one component on one task."""

    def __init__(self, resources: _Resources, task: Task, tag: Tag, stream: str) -> None:
        self._resources = resources
        self._task = task
        self._tag = tag
        self._stream = stream
        self._drawn: Counter[tuple[str, tuple[Message, ...], str]] = Counter()
        material = f"{resources.seed}\x00{task.digest}\x00{task.repeat}\x00{stream}"
        self.rng = random.Random(hashlib.blake2b(material.encode(), digest_size=8).digest())
        self.answers = resources.answers
        self.layer = tag.layer

    def fork(self, label: str | int) -> _Branch:
        return _Branch(self._resources, self._task, self._tag, f"{self._stream}/{label}")

    async def sample(self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any) -> list[Completion]:
        requests = self._requests(model, messages, n, sampling)
        replies = await gather(self._resources.models[model].complete(request) for request in requests)
        return [completion for reply in replies for completion in reply.completions]

    async def attempt(
        self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any
    ) -> list[Completion | ModelError]:
        async def one(request: Request) -> list[Completion | ModelError]:
            try:
                reply = await self._resources.models[model].complete(request)
            except BudgetExhausted as error:
                if len(request.indices) == 1:
                    return [error]
                # What does not fit as a whole may fit in part.
                middle = len(request.indices) // 2
                halves = (request.indices[:middle], request.indices[middle:])
                return [o for half in halves for o in await one(replace(request, indices=half))]
            except ModelError as error:
                return [error] * len(request.indices)
            return list(reply.completions)

        outcomes = await gather(one(request) for request in self._requests(model, messages, n, sampling))
        return [outcome for part in outcomes for outcome in part]

    def _requests(self, model: str, messages: Sequence[Message], n: int, overrides: Mapping[str, Any]) -> list[Request]:
        """The requests that buy the next ``n`` draws: one, or singles where the endpoint cannot do several."""
        conversation = tuple(messages)
        sampling = self._resources.samplings[model].override(**overrides)
        # Asking twice for the same thing must give new samples, so indices go on where they stopped.
        key = (self._resources.models[model].identity, conversation, repr(sampling))
        first = self._drawn[key]
        self._drawn[key] += n
        indices = tuple(range(first, first + n))
        groups = [indices] if self._resources.models[model].capabilities.multiple else [(i,) for i in indices]
        request = Request(conversation, sampling, self._resources.seed, self._stream, indices, self._tag)
        return [replace(request, indices=group) for group in groups]


@dataclass(frozen=True, slots=True)
class _Component:
    """A technique at its place: the path people see and the stream its samples come from."""

    technique: Technique
    path: str
    stream: str


def _place(architecture: Architecture, specs: Mapping[str, ModelSpec]) -> list[list[_Component]]:
    """Give every component its path and its stream.

    The stream is the kind and the component's ordinal among those of the same kind that draw from the same model.
    So architectures that share a component share its samples, and two components of one architecture never do,
    whatever their other settings are. A component that draws from several models takes the highest ordinal that is
    free for all of them.
    """
    used: Counter[tuple[str, str, str | None]] = Counter()
    layers: list[list[_Component]] = []
    for i, layer in enumerate(architecture.layers):
        placed = []
        for j, component in enumerate(layer):
            models = {(specs[ref].use, specs[ref].base_url) for _, ref in component.model_refs()} or {("", None)}
            families = [(component.kind, *model) for model in models]
            ordinal = max(used[family] for family in families)
            for family in families:
                used[family] = ordinal + 1
            path = f"{i}.{component.kind}" + (f"[{j}]" if len(layer) > 1 else "")
            placed.append(_Component(component, path, f"{component.kind}.{ordinal}"))
        layers.append(placed)
    return layers


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
        budget: What all questions together may really cost.
        ledger: Where the architecture's own costs are recorded; one of its own if not given.
        paid: Where what was really sent is recorded; one of its own if not given.
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
        store: SampleStore | None = None,
        budget: BudgetSpec | None = None,
        ledger: Ledger | None = None,
        paid: Ledger | None = None,
        observe: Observer = ignore,
    ) -> None:
        self.architecture = architecture
        self.ledger = Ledger() if ledger is None else ledger
        self.paid = Ledger() if paid is None else paid
        self._store = store
        self._budget = None if budget is None else Budget(budget)
        self._budgets: dict[int, Budget] = {}
        self._pool = pool
        self._own_pool: ModelPool | None = None
        self._given = dict(models or {})
        self._seed = seed
        self._retry = retry
        self._observe = observe
        self._specs = {ref: with_list_price(spec) for ref, spec in architecture.specs().items()}
        self._layers = _place(architecture, self._specs)
        self._resources: _Resources | None = None
        self._runs = itertools.count()

    async def __aenter__(self) -> Self:
        pool = self._pool
        if pool is None and self._specs.keys() - self._given.keys():
            pool = self._own_pool = ModelPool()
        models: dict[str, Model] = {}
        try:
            for ref, spec in self._specs.items():
                model = self._given[ref] if ref in self._given else await self._from_pool(pool, spec)
                models[ref] = self._wrap(model, spec)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        samplings = {ref: spec.sampling for ref, spec in self._specs.items()}
        self._resources = _Resources(models, samplings, self.architecture.answer, self._seed)
        return self

    def _wrap(self, model: Model, spec: ModelSpec) -> Model:
        """Around a model: attempts are paid for, retried, kept in the store, and attributed once each.

        The run's budget bears what is really sent; a question's bears what its architecture costs by itself, so that
        a full store does not change the answer.
        """
        attempted = Metered(model, "attempt", spec.price, self.paid, self._observe)
        kept: Model = Retrying(attempted, self._retry)
        if (total := self._budget) is not None:
            kept = Budgeted(kept, spec.price, lambda run: (total,))
        if self._store is not None:
            kept = Stored(kept, self._store)
        if self.architecture.budget is not None:
            kept = Budgeted(kept, spec.price, lambda run: (self._budgets[run],))
        return Metered(kept, "call", spec.price, self.ledger, self._observe)

    @staticmethod
    async def _from_pool(pool: ModelPool | None, spec: ModelSpec) -> Model:
        assert pool is not None, "a pool is made whenever a model has to come from one"
        return await pool.model(spec)

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
        started = time.monotonic()
        run = next(self._runs)
        state = State(task)
        error: Exception | None = None
        if self.architecture.budget is not None:
            self._budgets[run] = Budget(self.architecture.budget)
        try:
            for layer in self._layers:
                state = await self._run_layer(layer, state, Tag(task.id, order, run=run))
            if not state.candidates:
                error = _no_answer(state)
        except Exception as caught:
            # Not only our own errors: a defect in one technique must not lose the other questions.
            error = caught
        self._budgets.pop(run, None)
        spent = self.ledger.of_run(run), self.paid.of_run(run)
        result = self._result(state, *spent, error, time.monotonic() - started)
        self._observe(Event("question", task.id, "", _summary(result)))
        return result

    async def run_all(self, tasks: Iterable[Task]) -> AsyncGenerator[tuple[int, Result], None]:
        """Run many tasks at once; yields (position, result) as they finish.

        Leaving the iteration early cancels what is still running.
        """
        finished: asyncio.Queue[tuple[int, Result]] = asyncio.Queue()

        async def one(order: int, task: Task) -> None:
            finished.put_nowait((order, await self.run(task, order=order)))

        running = [asyncio.create_task(one(order, task)) for order, task in enumerate(number_repeats(tasks))]
        try:
            for _ in range(len(running)):
                yield await finished.get()
        finally:
            for job in running:
                job.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _run_layer(self, layer: Sequence[_Component], state: State, tag: Tag) -> State:
        if not state.candidates:
            # A budget has bought nothing to work on.
            layer = [component for component in layer if not component.technique.needs_candidates]
        if not layer:
            return state
        states = await gather(self._run_component(component, state, tag) for component in layer)
        if len(states) == 1 and states[0].candidates:
            return states[0]
        candidates = tuple(candidate for s in states for candidate in s.candidates)
        return State(
            state.task,
            candidates=candidates or state.candidates,
            unit_tests=tuple(test for s in states for test in s.unit_tests),
            failures=state.failures + tuple(f for s in states for f in s.failures[len(state.failures) :]),
        )

    async def _run_component(self, component: _Component, state: State, tag: Tag) -> State:
        assert self._resources is not None, "the engine is entered before it runs"
        task = state.task
        started = time.monotonic()
        tag = replace(tag, layer=component.path, technique=component.technique.kind)
        stream = component.stream + (f"#{task.repeat}" if task.repeat else "")
        try:
            after = await component.technique(state, _Branch(self._resources, task, tag, stream))
        except BudgetExhausted as exhausted:
            degraded = component.technique.degrade(state)
            after = degraded.with_failures([Failure.of(component.path, exhausted)])
        data = {
            "candidates": [_candidate_data(candidate) for candidate in after.candidates],
            "seconds": round(time.monotonic() - started, 4),
        }
        self._observe(Event("layer", task.id, component.path, data))
        return after

    def _result(self, state: State, totals: Totals, paid: Totals, error: Exception | None, seconds: float) -> Result:
        text = None if error is not None else state.candidates[0].text
        return Result(
            task=state.task,
            status="failed" if error is not None else "budget" if _cut(state) else "done",
            text=text,
            answer=None if text is None else self.architecture.answer.extract(text),
            candidates=state.candidates,
            failures=state.failures,
            totals=totals,
            paid=paid,
            seconds=seconds,
            error=error,
        )


def _cut(state: State) -> bool:
    """Whether a budget kept the architecture from doing all it wanted."""
    return any(failure.kind == "budget" for failure in state.failures)


def _no_answer(state: State) -> ArchonError:
    cut = [failure.reason for failure in state.failures if failure.kind == "budget"]
    return BudgetExhausted(f"{cut[0]}, and there was no answer yet") if cut else ArchonError("no candidate was left")


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    data: dict[str, Any] = {"text": candidate.text, "origin": candidate.origin}
    if candidate.critiques:
        data["critiques"] = list(candidate.critiques)
    if candidate.score is not None:
        data["score"] = candidate.score
    if candidate.verdict is not None:
        data["verdict"] = candidate.verdict
    return data


def _summary(result: Result) -> dict[str, Any]:
    data: dict[str, Any] = {
        "status": result.status,
        "answer": result.answer,
        "seconds": round(result.seconds, 4),
    }
    if result.error is not None:
        data["error"] = describe(result.error)
    return data


def describe(error: Exception) -> str:
    """An error in one line for records: a sentence for our own, type and message for a defect."""
    return str(error) if isinstance(error, ArchonError) else f"internal error: {type(error).__name__}: {error}"
