"""Budgets that cannot be overrun: what a request may cost at most is reserved before it is sent."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archon.errors import BudgetExhausted

# Byte-level tokenisers make at most one token of a byte; templates add a few around every message.
TEMPLATE_TOKENS = 64
MESSAGE_TOKENS = 16


class BudgetSpec(BaseModel):
    """What may be spent; at least one of the four.

    Attributes:
        usd: US dollars; every model needs a price.
        tokens: Prompt and completion tokens together.
        calls: Requests.
        seconds: Wall time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: Annotated[float | None, Field(gt=0)] = None
    tokens: Annotated[int | None, Field(gt=0)] = None
    calls: Annotated[int | None, Field(gt=0)] = None
    seconds: Annotated[float | None, Field(gt=0)] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(value is None for value in (self.usd, self.tokens, self.calls, self.seconds)):
            raise ValueError("a budget names usd, tokens, calls or seconds")
        return self


@dataclass(frozen=True, slots=True)
class Amount:
    """What one request costs, at most or in fact."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.usd + other.usd, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.usd - other.usd, self.tokens - other.tokens, self.calls - other.calls)


class Budget:
    """One purse: reserve, then settle. Its time starts when it is made.

    Args:
        spec: What it holds.
        clock: Seconds that never go back.

    Attributes:
        spec: What it holds.
        spent: What is gone.
    """

    def __init__(self, spec: BudgetSpec, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.spent = Amount()
        self._held: Callable[[int], Amount] = lambda samples: Amount()
        self._samples = 0
        self._tickets = itertools.count()
        self._reserved: dict[int, tuple[Amount, int]] = {}
        self._in_flight = Amount()
        self._coming = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._clock = clock
        self._ends = None if spec.seconds is None else clock() + spec.seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is up, ``None`` if there is no such limit."""
        return None if self._ends is None else self._ends - self._clock()

    def keep_back(self, held: Callable[[int], Amount]) -> None:
        """Leave something for later: from now on requests are refused that would take it.

        Args:
            held: How much, by the number of samples that were bought since now.
        """
        self._held = held
        self._samples = 0

    async def reserve(self, amount: Amount, samples: int = 1) -> int:
        """Set aside what a request may cost; waits while requests in flight may still leave room for it.

        Args:
            amount: The most it may cost.
            samples: The completions it buys.

        Returns:
            A ticket for :meth:`settle`.

        Raises:
            BudgetExhausted: It does not fit, whatever the requests in flight turn out to cost, or the time is up.
        """
        ticket = next(self._tickets)
        try:
            while True:
                if (left := self.seconds_left) is not None and left <= 0:
                    raise BudgetExhausted(f"the budget of {self.spec.seconds:g} seconds is used up")
                if (short := self._short(self.spent + self._held(self._samples + samples) + amount)) is not None:
                    raise BudgetExhausted(f"the budget of {short} does not allow another call")
                held = self._held(self._samples + self._coming + samples)
                first = next(iter(self._waiting), ticket) == ticket
                if first and self._short(self.spent + self._in_flight + held + amount) is None:
                    self._reserved[ticket] = (amount, samples)
                    self._in_flight += amount
                    self._coming += samples
                    return ticket
                turn = self._waiting[ticket] = asyncio.get_running_loop().create_future()
                try:
                    await asyncio.wait_for(turn, left)
                except TimeoutError:
                    continue
        finally:
            self._waiting.pop(ticket, None)
            self._wake()

    def settle(self, ticket: int, actual: Amount) -> None:
        """Replace a reservation by what the request really cost."""
        amount, samples = self._reserved.pop(ticket)
        # What is left of rounding goes when nothing is in flight.
        self._in_flight = self._in_flight - amount if self._reserved else Amount()
        self._coming -= samples
        if actual != Amount():
            self._samples += samples
        self.spent += actual
        self._wake()

    def _wake(self) -> None:
        """Let the one who has waited longest look again; those behind it have their turn once it has gone."""
        turn = next(iter(self._waiting.values()), None)
        if turn is not None and not turn.done():
            turn.set_result(None)

    def fits(self, amount: Amount) -> bool:
        """Whether what is left bears this much, requests in flight aside."""
        return self._short(self.spent + amount) is None

    def _short(self, total: Amount) -> str | None:
        """The first limit that a total would break, in words."""
        spec = self.spec
        if spec.usd is not None and total.usd > spec.usd:
            return f"${spec.usd:g}"
        if spec.tokens is not None and total.tokens > spec.tokens:
            return f"{spec.tokens:,} tokens"
        if spec.calls is not None and total.calls > spec.calls:
            return f"{spec.calls:,} calls"
        return None
