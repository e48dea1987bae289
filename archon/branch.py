"""The engine's side of :class:`archon.technique.Context`: where techniques draw, and where drawing can be stopped."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archon.answers import AnswerFormat
from archon.concurrency import gather
from archon.errors import BudgetExhausted, ModelError
from archon.executions import Watched
from archon.models.base import Capabilities, Completion, Model, Reply, Request, Sampling, Tag
from archon.state import Message, Task
from archon.stream import Heard, StreamEvent
from archon.technique import Programs
from archon.trace import Event, Observer


@dataclass(frozen=True, slots=True)
class Resources:
    """What every branch of a run shares.

    Attributes:
        models: The models with everything around them, by reference.
        samplings: How each of them draws unless a technique says otherwise.
        answers: How final answers are found and compared.
        seed: Decides every draw.
        sandbox: Where programs run.
        observe: Told of them, and of what techniques put into the trace.
        seconds_left: How long the budgets of one run of the engine still last; ``None`` without end.
        bounded: Whether there is a budget.
    """

    models: Mapping[str, Model]
    samplings: Mapping[str, Sampling]
    answers: AnswerFormat
    seed: int
    sandbox: Programs
    observe: Observer
    seconds_left: Callable[[int], float | None]
    bounded: bool


@dataclass(slots=True)
class Scope:
    """One task on its way through the layers, and the handle to stop it by.

    Attributes:
        run: Which run of the engine this is.
        order: The task's position in its batch.
        tell: Takes the events of a streamed run; ``None`` if nobody listens.
        stopped: Whether nothing may be sent any more.
    """

    run: int
    order: int = 0
    tell: Callable[[StreamEvent], None] | None = None
    stopped: bool = False
    _working: set[asyncio.Task[Any]] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def stop(self) -> None:
        """Cancel all requests and programs within the next turn of the event loop, however deep, and allow no more."""
        self.stopped = True
        for task in self._working:
            task.cancel()

    def enter(self) -> asyncio.Task[Any]:
        """Let the current task be stopped until it leaves.

        Raises:
            CancelledError: It is stopped already.
        """
        if self.stopped:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task is not None, "requests are sent and programs run by tasks"
        self._working.add(task)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """The counterpart of :meth:`enter`."""
        self._working.discard(task)

    async def complete(self, ref: str, model: Model, request: Request) -> Reply:
        """Send a request where it can be stopped and, if somebody listens, heard."""
        task = self.enter()
        try:
            if self.tell is None:
                return await model.complete(request)
            numbers = {index: next(self._numbers) for index in request.indices}
            heard = Heard(self.tell, request.tag.layer, ref, numbers)
            reply = await model.complete(replace(request, listener=heard))
            heard.finished(zip(request.indices, reply.completions, strict=True))
            return reply
        finally:
            self.leave(task)


class Branch:
    """One branch of one component on one task."""

    def __init__(self, resources: Resources, scope: Scope, task: Task, tag: Tag, stream: str) -> None:
        self._resources = resources
        self._scope = scope
        self._task = task
        self._tag = tag
        self._stream = stream
        self._drawn: dict[tuple[str, tuple[Message, ...], str], int] = {}
        self._rng: random.Random | None = None
        self.answers = resources.answers
        self.layer = tag.layer
        self.bounded = resources.bounded

    @property
    def rng(self) -> random.Random:
        """Randomness of this branch alone."""
        if self._rng is None:
            parts = (self._resources.seed, self._task.digest, self._task.repeat, self._stream)
            material = "\x00".join(map(str, parts))
            self._rng = random.Random(hashlib.blake2b(material.encode(), digest_size=8).digest())
        return self._rng

    def capabilities(self, model: str) -> Capabilities:
        """What the endpoint behind a model supports."""
        return self._resources.models[model].capabilities

    @property
    def sandbox(self) -> Programs:
        """Where programs run, for this branch."""
        shared = self._resources
        return Watched(shared.sandbox, self._scope, self._tag, self._stream, shared.observe, shared.seconds_left)

    def fork(self, label: str | int) -> Branch:
        """A branch with samples and randomness of its own."""
        return Branch(self._resources, self._scope, self._task, self._tag, f"{self._stream}/{label}")

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Put an event of the technique's own into the trace."""
        self._resources.observe(Event(kind, self._task.id, self.layer, {**data, "run": self._scope.run}))

    async def sample(self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any) -> list[Completion]:
        """Draw ``n`` completions; all of them or the first error."""
        requests = self._requests(model, messages, n, sampling)
        replies = await gather([self._complete(model, request) for request in requests])
        return [completion for reply in replies for completion in reply.completions]

    async def attempt(
        self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any
    ) -> list[Completion | ModelError]:
        """Draw ``n`` completions or, at their places, the errors that came instead."""
        requests = self._requests(model, messages, n, sampling)
        outcomes = await gather([self._attempt(model, request) for request in requests])
        return [outcome for part in outcomes for outcome in part]

    async def _attempt(self, model: str, request: Request) -> list[Completion | ModelError]:
        try:
            reply = await self._complete(model, request)
        except BudgetExhausted as error:
            if len(request.indices) == 1:
                return [error]
            # What does not fit as a whole may fit in part.
            middle = len(request.indices) // 2
            halves = (request.indices[:middle], request.indices[middle:])
            return [o for half in halves for o in await self._attempt(model, replace(request, indices=half))]
        except ModelError as error:
            return [error] * len(request.indices)
        return list(reply.completions)

    async def _complete(self, model: str, request: Request) -> Reply:
        return await self._scope.complete(model, self._resources.models[model], request)

    def _requests(self, model: str, messages: Sequence[Message], n: int, overrides: Mapping[str, Any]) -> list[Request]:
        """The requests that buy the next ``n`` draws: one, or singles where the endpoint cannot do several."""
        conversation = tuple(messages)
        drawn_from = self._resources.models[model]
        sampling = self._resources.samplings[model].override(**overrides)
        # Asking twice for the same thing must give new samples, so indices go on where they stopped.
        key = (drawn_from.identity, conversation, sampling.text())
        first = self._drawn.get(key, 0)
        self._drawn[key] = first + n
        indices = tuple(range(first, first + n))
        groups = [indices] if drawn_from.capabilities.multiple else [(i,) for i in indices]
        seed = self._resources.seed
        return [Request(conversation, sampling, seed, self._stream, group, self._tag) for group in groups]
