"""How much one endpoint is asked at a time, shared by everything in the process.

Concurrency adapts: it grows by one per round of answers and is halved when the endpoint says that it has too much
(429, 503, a timeout). Requests and tokens per minute are sliding windows, so that no minute holds more than allowed.
What the endpoint says in its headers of what is left holds requests back before it has to refuse them. A
``Retry-After`` stops everything at that endpoint until it is over. Among those who wait, the oldest question goes
first.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType

from archon.errors import ConfigError, TransientError
from archon.models.base import Model, Reply, Request
from archon.models.lane import Admission, Lane
from archon.models.quota import Amounts, Kind, Notice, read_notices
from archon.models.window import Limits, OwnWindows, Windows
from archon.models.wrapper import Wrapper

OVERLOADED = frozenset({"rate_limit", "overloaded", "timeout"})
CHARACTERS_PER_TOKEN = 3
UNBOUNDED_COMPLETION = 1024
ONE_REQUEST = Amounts(1)


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
        self._lanes: defaultdict[str, Lane] = defaultdict(Lane)
        self._timer: asyncio.TimerHandle | None = None
        self._heard: Mapping[Kind, Notice] = {}

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

    def slot(self, order: int, amounts: Amounts = ONE_REQUEST, model: str = "") -> _Slot:
        """Hold one slot as an async context; what happens inside decides how many there will be.

        Args:
            order: The position of the question in its run.
            amounts: An upper estimate of what the request will take.
            model: Whom it is for; what the endpoint says is left of one model holds back nobody else.

        Raises:
            ConfigError: What other processes ask of the endpoint cannot be looked up.
        """
        return _Slot(self, self._lanes[model], order, amounts)

    def _leave(self, lane: Lane, admission: Admission, started: float, error: BaseException | None) -> None:
        """Give a slot back and learn from what happened in it."""
        if error is None:
            self._allowed = min(self._limits.concurrency, self._allowed + 1 / self._allowed)
        elif isinstance(error, TransientError):
            if error.retry_after:
                self._paused_until = max(self._paused_until, self._clock() + error.retry_after)
            if error.reason in OVERLOADED:
                self._reduce(started)
        self._in_flight -= 1
        if self._heard:
            lane.learn(self._heard, admission, self._clock())
            self._heard = {}
        self._admit()

    def _reduce(self, started: float) -> None:
        """Halve the concurrency, once for all requests that were in flight together."""
        if started > self._reduced_at:
            self._allowed = max(1.0, self._allowed / 2)
            self._reduced_at = self._clock()

    async def _acquire(self, lane: Lane, order: int, amounts: Amounts) -> Admission:
        turn = lane.join(order, next(self._ticket), amounts)
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
        while self._in_flight < self.allowed:
            lanes = [lane for lane in self._lanes.values() if not lane.is_empty()]
            if not lanes:
                return
            now = self._clock()
            lane = lanes[0] if len(lanes) == 1 else min(lanes, key=lambda lane: (lane.wait(now), lane.place))
            wait = max(lane.wait(now), self._paused_until - now)
            if wait <= 0 and self._limits.per_minute:
                try:
                    wait = self._windows.take(lane.amounts.tokens, self._limits)
                except ConfigError as error:
                    lane.refuse(error)
                    continue
            if wait > 0:
                self._come_back(wait)
                return
            lane.admit(now)
            self._in_flight += 1

    def _come_back(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait, self._admit)


class _Slot:
    """One slot, from its turn to the end of its request."""

    __slots__ = ("_admission", "_amounts", "_lane", "_limiter", "_order", "_started")

    def __init__(self, limiter: Limiter, lane: Lane, order: int, amounts: Amounts) -> None:
        self._limiter = limiter
        self._lane = lane
        self._order = order
        self._amounts = amounts

    async def __aenter__(self) -> None:
        self._admission = await self._limiter._acquire(self._lane, self._order, self._amounts)
        self._started = self._limiter._clock()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limiter._leave(self._lane, self._admission, self._started, error)


class Limited(Wrapper):
    """A model whose requests pass through a limiter."""

    def __init__(self, model: Model, limiter: Limiter) -> None:
        super().__init__(model)
        self._limiter = limiter

    async def complete(self, request: Request) -> Reply:
        """Complete once it is our turn."""
        async with self._limiter.slot(request.tag.order, estimated(request), self.identity):
            return await self._model.complete(request)


def estimated(request: Request) -> Amounts:
    """What a request takes, estimated from above: the prompt by its length, the completions by their limit."""
    prompt = sum([len(message.content) for message in request.messages]) // CHARACTERS_PER_TOKEN
    longest = request.sampling.max_tokens or UNBOUNDED_COMPLETION
    return Amounts(1, prompt + longest * len(request.indices), prompt)
