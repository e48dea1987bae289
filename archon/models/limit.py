"""A bound on the requests in flight at one endpoint, shared by everything in the process."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper


class Limiter:
    """At most ``limit`` holders at a time; among those who wait, the oldest question goes first."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._ticket = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def slot(self, order: int) -> AsyncIterator[None]:
        """Hold one slot. ``order`` is the position of the question in its run."""
        await self._acquire(order)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, order: int) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._ticket), turn))
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have been handed over in the very turn in which the waiter was cancelled.
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Limited(Wrapper):
    """A model whose requests pass through a limiter."""

    def __init__(self, model: Model, limiter: Limiter) -> None:
        super().__init__(model)
        self._limiter = limiter

    async def complete(self, request: Request) -> Reply:
        """Complete once a slot is free."""
        async with self._limiter.slot(request.tag.order):
            return await self._model.complete(request)
