"""How much one endpoint is asked at a time, shared by everything in the process.

Concurrency adapts: it grows by one per round of answers and is halved when the endpoint says that it has too much
(429, 503, a timeout). Requests and tokens per minute are sliding windows, so that no minute holds more than allowed.
What the endpoint says in its headers of what is left holds requests back before it has to refuse them. A
``Retry-After`` stops everything at that endpoint until it is over. Among those who wait, the oldest question goes
first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from archon.errors import ConfigError, TransientError
from archon.models.base import Model, Reply, Request
from archon.models.quota import Allowance, Amounts, Kind, Notice, read_notices
from archon.models.window import Limits, OwnWindows, Windows
from archon.models.wrapper import Wrapper

OVERLOADED = frozenset({"rate_limit", "overloaded", "timeout"})
CHARACTERS_PER_TOKEN = 3
UNBOUNDED_COMPLETION = 1024
ONE_REQUEST = Amounts(1)


class _Admission(NamedTuple):
    """When a request was let in, and what had been let in by then, itself included."""

    at: float
    admitted: Amounts


class Limiter:
    """Admits requests to one endpoint.

    Args:
        limits: What it may be asked.
        windows: What it was asked within the last minute, here or also by other processes.
        clock: Seconds that never go back.
    """

    def __init__(
        self, limits: Limits, windows: Windows | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._windows = windows or OwnWindows(clock=clock)
        self._clock = clock
        self._allowed = float(limits.concurrency)
        self._in_flight = 0
        self._paused_until = 0.0
        self._reduced_at = float("-inf")
        self._ticket = itertools.count()
        self._waiting: list[tuple[int, int, Amounts, asyncio.Future[_Admission]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._admitted = Amounts()
        self._allowances: dict[Kind, Allowance] = {}
        self._heard: Mapping[Kind, Notice] = {}
        self._newest_heard = 0

    @property
    def allowed(self) -> int:
        """How many requests may be in flight just now."""
        return max(1, int(self._allowed))

    def tighten(self, limits: Limits) -> None:
        """Keep to further limits too."""
        self._limits = self._limits.strictest(limits)
        self._allowed = min(self._allowed, float(self._limits.concurrency))

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take note of the headers of a reply, by the task that holds its slot and just before it leaves it."""
        self._heard = read_notices(headers)

    @asynccontextmanager
    async def slot(self, order: int, amounts: Amounts = ONE_REQUEST) -> AsyncIterator[None]:
        """Hold one slot; what happens inside decides how many there will be.

        Args:
            order: The position of the question in its run.
            amounts: An upper estimate of what the request will take.

        Raises:
            ConfigError: What other processes ask of the endpoint cannot be looked up.
        """
        admission = await self._acquire(order, amounts)
        started = self._clock()
        try:
            yield
        except TransientError as error:
            if error.retry_after:
                self._paused_until = max(self._paused_until, self._clock() + error.retry_after)
            if error.reason in OVERLOADED:
                self._reduce(started)
            raise
        else:
            self._allowed = min(self._limits.concurrency, self._allowed + 1 / self._allowed)
        finally:
            self._in_flight -= 1
            if self._heard:
                self._learn(admission)
            self._admit()

    def _reduce(self, started: float) -> None:
        """Halve the concurrency, once for all requests that were in flight together."""
        if started > self._reduced_at:
            self._allowed = max(1.0, self._allowed / 2)
            self._reduced_at = self._clock()

    def _learn(self, admission: _Admission) -> None:
        """Believe what was heard, unless a request that was admitted later has brought news already."""
        heard, self._heard = self._heard, {}
        if admission.admitted.requests < self._newest_heard:
            return
        self._newest_heard = admission.admitted.requests
        now = self._clock()
        for kind, notice in heard.items():
            if kind not in self._allowances:
                self._allowances[kind] = Allowance(getattr(self._admitted, kind), now)
            self._allowances[kind].hear(notice, getattr(admission.admitted, kind), admission.at, now)

    async def _acquire(self, order: int, amounts: Amounts) -> _Admission:
        turn: asyncio.Future[_Admission] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._ticket), amounts, turn))
        self._admit()
        try:
            return await turn
        except asyncio.CancelledError:
            # The slot may have been handed over in the very turn in which the waiter was cancelled.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        """Let in whoever may go, oldest first, or come back when time has made room."""
        while self._waiting and self._in_flight < self.allowed:
            _, _, amounts, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
                continue
            now = self._clock()
            try:
                wait = self._wait(amounts, now)
            except ConfigError as error:
                heapq.heappop(self._waiting)
                turn.set_exception(error)
                continue
            if wait > 0:
                self._come_back(wait)
                return
            heapq.heappop(self._waiting)
            for kind, allowance in self._allowances.items():
                allowance.spend(getattr(amounts, kind), now)
            self._admitted = self._admitted.plus(amounts)
            self._in_flight += 1
            turn.set_result(_Admission(now, self._admitted))

    def _wait(self, amounts: Amounts, now: float) -> float:
        """Seconds until a request may be let in; 0 when it may now, and is counted."""
        wait = self._paused_until - now
        for kind, allowance in self._allowances.items():
            wait = max(wait, allowance.wait(getattr(amounts, kind), now))
        if wait <= 0 and self._limits.per_minute:
            wait = self._windows.take(amounts.tokens, self._limits)
        return max(0.0, wait)

    def _come_back(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait, self._admit)


class Limited(Wrapper):
    """A model whose requests pass through a limiter."""

    def __init__(self, model: Model, limiter: Limiter) -> None:
        super().__init__(model)
        self._limiter = limiter

    async def complete(self, request: Request) -> Reply:
        """Complete once it is our turn."""
        async with self._limiter.slot(request.tag.order, estimated(request)):
            return await self._model.complete(request)


def estimated(request: Request) -> Amounts:
    """What a request takes, estimated from above: the prompt by its length, the completions by their limit."""
    prompt = sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN
    longest = request.sampling.max_tokens or UNBOUNDED_COMPLETION
    return Amounts(1, prompt + longest * len(request.indices), prompt)
