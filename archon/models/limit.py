"""How much one endpoint is asked at a time, shared by everything in the process.

Concurrency adapts: it grows by one per round of answers and is halved when the endpoint says that it has too much
(429, 503, a timeout). Requests and tokens per minute are sliding windows, so that no minute holds more than allowed.
A ``Retry-After`` stops everything at that endpoint until it is over. Among those who wait, the oldest question goes
first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from archon.errors import TransientError
from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper

MINUTE = 60.0
OVERLOADED = frozenset({"rate_limit", "overloaded", "timeout"})
CHARACTERS_PER_TOKEN = 3
UNBOUNDED_COMPLETION = 1024


class Window:
    """At most ``limit`` units within any ``seconds``."""

    def __init__(self, limit: int, seconds: float = MINUTE) -> None:
        self.limit = limit
        self._seconds = seconds
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait(self, units: int, now: float) -> float:
        """Seconds until ``units`` fit; more than the limit fits only into an empty window."""
        while self._spent and self._spent[0][0] <= now:
            self._sum -= self._spent.popleft()[1]
        excess = self._sum + units - self.limit
        if excess <= 0 or not self._spent:
            return 0.0
        for until, amount in self._spent:
            excess -= amount
            if excess <= 0:
                return until - now
        return self._spent[-1][0] - now

    def spend(self, units: int, now: float) -> None:
        """Count units from now on."""
        self._spent.append((now + self._seconds, units))
        self._sum += units


@dataclass(frozen=True, slots=True)
class Limits:
    """What an endpoint may be asked.

    Attributes:
        concurrency: The most requests in flight.
        requests_per_minute: The most requests that start within any minute.
        tokens_per_minute: The most tokens, estimated from above, of requests that start within any minute.
    """

    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Limiter:
    """Admits requests to one endpoint.

    Args:
        limits: What it may be asked.
        clock: Seconds that never go back.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = limits.concurrency
        self._clock = clock
        self._allowed = float(limits.concurrency)
        self._in_flight = 0
        self._paused_until = 0.0
        self._reduced_at = float("-inf")
        self._ticket = itertools.count()
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._requests = Window(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = Window(limits.tokens_per_minute) if limits.tokens_per_minute else None

    @property
    def allowed(self) -> int:
        """How many requests may be in flight just now."""
        return max(1, int(self._allowed))

    @asynccontextmanager
    async def slot(self, order: int, tokens: int = 0) -> AsyncIterator[None]:
        """Hold one slot; what happens inside decides how many there will be.

        Args:
            order: The position of the question in its run.
            tokens: An upper estimate of the tokens the request will take.
        """
        await self._acquire(order, tokens)
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
            self._allowed = min(self._most, self._allowed + 1 / self._allowed)
        finally:
            self._in_flight -= 1
            self._admit()

    def _reduce(self, started: float) -> None:
        """Halve the concurrency, once for all requests that were in flight together."""
        if started > self._reduced_at:
            self._allowed = max(1.0, self._allowed / 2)
            self._reduced_at = self._clock()

    async def _acquire(self, order: int, tokens: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._ticket), tokens, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have been handed over in the very turn in which the waiter was cancelled.
            if turn.done() and not turn.cancelled():
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        """Let in whoever may go, oldest first, or come back when time has made room."""
        while self._waiting and self._in_flight < self.allowed:
            _, _, tokens, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
                continue
            now = self._clock()
            wait = max(
                self._paused_until - now,
                self._requests.wait(1, now) if self._requests else 0.0,
                self._tokens.wait(tokens, now) if self._tokens else 0.0,
            )
            if wait > 0:
                self._come_back(wait)
                return
            heapq.heappop(self._waiting)
            if self._requests:
                self._requests.spend(1, now)
            if self._tokens:
                self._tokens.spend(tokens, now)
            self._in_flight += 1
            turn.set_result(None)

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
        async with self._limiter.slot(request.tag.order, estimated_tokens(request)):
            return await self._model.complete(request)


def estimated_tokens(request: Request) -> int:
    """Tokens of a request, estimated from above: the prompt by its length, the completions by their limit."""
    prompt = sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN
    longest = request.sampling.max_tokens or UNBOUNDED_COMPLETION
    return prompt + longest * len(request.indices)
