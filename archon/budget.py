"""Budgets that cannot be overrun: what a request may cost at most is reserved before it is sent."""

from __future__ import annotations

import asyncio
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
    """

    def __init__(self, spec: BudgetSpec, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.spent = Amount()
        self._reserved: dict[int, Amount] = {}
        self._clock = clock
        self._ends = None if spec.seconds is None else clock() + spec.seconds
        self._settled = asyncio.Event()

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is up, ``None`` if there is no such limit."""
        return None if self._ends is None else self._ends - self._clock()

    async def reserve(self, amount: Amount) -> int:
        """Set aside what a request may cost; waits while requests in flight may still leave room for it.

        Returns:
            A ticket for :meth:`settle`.

        Raises:
            BudgetExhausted: It does not fit, whatever the requests in flight turn out to cost, or the time is up.
        """
        while True:
            if (left := self.seconds_left) is not None and left <= 0:
                raise BudgetExhausted(f"the budget of {self.spec.seconds:g} seconds is used up")
            if (short := self._short(self.spent + amount)) is not None:
                raise BudgetExhausted(f"the budget of {short} does not allow another call")
            if self._short(sum(self._reserved.values(), self.spent) + amount) is None:
                ticket = max(self._reserved, default=0) + 1
                self._reserved[ticket] = amount
                return ticket
            self._settled.clear()
            try:
                await asyncio.wait_for(self._settled.wait(), left)
            except TimeoutError:
                continue

    def settle(self, ticket: int, actual: Amount) -> None:
        """Replace a reservation by what the request really cost."""
        del self._reserved[ticket]
        self.spent += actual
        self._settled.set()

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
