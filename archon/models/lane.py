"""The requests to one model of an endpoint, and what the endpoint says it may still be asked."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from typing import NamedTuple

from archon.models.quota import Allowance, Amounts, Kind, Notice


class Admission(NamedTuple):
    """When a request was let in, and what its model had been asked by then, the request included."""

    at: float
    asked: Amounts


class Lane:
    """Those who wait, oldest first, behind the allowances that endpoints keep per model."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Amounts, asyncio.Future[Admission]]] = []
        self._asked = Amounts()
        self._allowances: dict[Kind, Allowance] = {}
        self._newest_heard = 0

    def join(self, order: int, ticket: int, amounts: Amounts) -> asyncio.Future[Admission]:
        """Wait behind all of lower order, and all of the same order with a lower ticket."""
        turn: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, ticket, amounts, turn))
        return turn

    def is_empty(self) -> bool:
        """Whether nobody waits; who has gone away does not count."""
        while self._waiting and self._waiting[0][3].done():
            heapq.heappop(self._waiting)
        return not self._waiting

    @property
    def place(self) -> tuple[int, int]:
        """Order and ticket of the first."""
        return self._waiting[0][:2]

    @property
    def amounts(self) -> Amounts:
        """What the first will take."""
        return self._waiting[0][2]

    def wait(self, now: float) -> float:
        """Seconds until what is left suffices for the first."""
        if not self._allowances:
            return 0.0
        amounts = self.amounts
        return max(allowance.wait(getattr(amounts, kind), now) for kind, allowance in self._allowances.items())

    def admit(self, now: float) -> None:
        """Let the first one in."""
        _, _, amounts, turn = heapq.heappop(self._waiting)
        for kind, allowance in self._allowances.items():
            allowance.spend(getattr(amounts, kind), now)
        self._asked = self._asked.plus(amounts)
        turn.set_result(Admission(now, self._asked))

    def refuse(self, error: Exception) -> None:
        """Send the first one away."""
        heapq.heappop(self._waiting)[3].set_exception(error)

    def learn(self, heard: Mapping[Kind, Notice], admission: Admission, now: float) -> None:
        """Believe what the reply to a request said, unless that to a later one has brought news already."""
        if admission.asked.requests < self._newest_heard:
            return
        self._newest_heard = admission.asked.requests
        for kind, notice in heard.items():
            if kind not in self._allowances:
                self._allowances[kind] = Allowance(getattr(self._asked, kind), now)
            self._allowances[kind].hear(notice, getattr(admission.asked, kind), admission.at, now)
