"""A second request for stragglers: whichever of the two answers first is the answer."""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections import deque
from dataclasses import replace

from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer

ENOUGH = 20
REMEMBERED = 256


class Latencies:
    """How long the last replies took."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Remember one reply, and forget the oldest of too many."""
        self._arrived.append(seconds)
        insort(self._sorted, seconds)
        if len(self._arrived) > REMEMBERED:
            self._sorted.remove(self._arrived.popleft())

    def quantile(self, q: float) -> float | None:
        """The time in which the share ``q`` of them came; ``None`` while there are too few to tell."""
        if len(self._sorted) < ENOUGH:
            return None
        return self._sorted[min(int(q * len(self._sorted)), len(self._sorted) - 1)]


class Hedged(Wrapper):
    """A model whose stragglers are asked a second time.

    A request that takes longer than the quantile ``after`` of the replies so far (counted from when it was sent, not
    from when it queued) is sent once more. The first answer counts, the other request is cancelled; both are
    accounted for. Requests that somebody listens to are left alone.

    Source: Dean and Barroso 2013 (The Tail at Scale), hedged requests.

    Args:
        model: The model.
        after: The quantile, such as 0.95.
        observe: Told of every second request.
    """

    def __init__(self, model: Model, after: float, observe: Observer) -> None:
        super().__init__(model)
        self._after = after
        self._observe = observe
        self._latencies = Latencies()

    async def complete(self, request: Request) -> Reply:
        """Complete with one request or, if that takes too long, with the faster of two."""
        if request.listener is not None:
            return await self._model.complete(request)
        left = asyncio.Event()
        first = asyncio.create_task(self._timed(replace(request, on_sent=left.set)))
        running = {first}
        try:
            patience = self._latencies.quantile(self._after)
            if patience is not None and await self._takes_longer(first, left, patience):
                data = {"run": request.tag.run, "model": self.name, "after": round(patience, 4)}
                self._observe(Event("hedge", request.tag.question, request.tag.layer, data))
                running.add(asyncio.create_task(self._model.complete(request)))
            return await _first_answer(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _timed(self, request: Request) -> Reply:
        started = time.monotonic()
        reply = await self._model.complete(request)
        self._latencies.add(reply.seconds or time.monotonic() - started)
        return reply

    @staticmethod
    async def _takes_longer(request: asyncio.Task[Reply], left: asyncio.Event, patience: float) -> bool:
        """Whether a request is still unanswered so many seconds after it left."""
        departure = asyncio.create_task(left.wait())
        await asyncio.wait({request, departure}, return_when=asyncio.FIRST_COMPLETED)
        departure.cancel()
        await asyncio.wait({request}, timeout=patience)
        return not request.done()


async def _first_answer(running: set[asyncio.Task[Reply]]) -> Reply:
    """The first reply that is no error, or the last error."""
    waiting = set(running)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered = [task for task in done if not task.cancelled() and task.exception() is None]
        if answered or not waiting:
            return (answered or list(done))[0].result()
