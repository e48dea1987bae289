"""Turns on a machine that cannot do two things at once.

A local model computes with every core. Two of them at the same time take far longer than one after the other, because
their threads wait for each other at every layer of the network; requests to the same one share its batches and get
along. So requests of one model go together, and another model's wait until those are done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper


class Turns:
    """Lets the requests of one party in together, and the parties one after the other, oldest first.

    As soon as another party waits, nobody more of the present one is let in, so that none waits for ever.
    """

    def __init__(self) -> None:
        self._present: Hashable = None
        self._inside = 0
        self._waiting: deque[tuple[Hashable, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, party: Hashable) -> AsyncIterator[None]:
        """Wait for the party's turn, and keep it for as long as the context lasts."""
        if self._waiting or (self._inside and self._present != party):
            let_in = asyncio.get_running_loop().create_future()
            self._waiting.append((party, let_in))
            try:
                await let_in
            except asyncio.CancelledError:
                if let_in.done() and not let_in.cancelled():
                    self._leave()
                else:
                    self._waiting = deque(waiter for waiter in self._waiting if waiter[1] is not let_in)
                    self._let_in()
                raise
        else:
            self._present = party
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        """Let in those at the head of the queue who are of one party, and of the present one if it is still inside."""
        while self._waiting and (not self._inside or self._waiting[0][0] == self._present):
            party, let_in = self._waiting.popleft()
            if not let_in.done():
                self._present = party
                self._inside += 1
                let_in.set_result(None)


class InTurns(Wrapper):
    """A local model whose requests wait for their turn.

    Args:
        model: The model.
        turns: Shared by all local models of the machine.
    """

    def __init__(self, model: Model, turns: Turns) -> None:
        super().__init__(model)
        self._turns = turns

    async def complete(self, request: Request) -> Reply:
        """Draw when no other model is at work."""
        async with self._turns.turn(self.identity):
            return await self._model.complete(request)
