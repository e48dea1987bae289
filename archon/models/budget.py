"""Sends a request only when every budget it is under can bear the most it may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS, Amount, Budget
from archon.cost import Price, Usage
from archon.errors import BudgetExhausted, ConfigError, ModelError
from archon.models.base import Model, Reply, Request
from archon.models.meter import may_be_billed
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer

BudgetOf = Callable[[int], Budget]
"""The budget that the requests of one run of the engine are under."""


class Budgeted(Wrapper):
    """A model under a budget.

    Args:
        model: The model.
        price: What it costs, if that is known.
        timeout: The most seconds that one request takes.
        budget_of: Its budget.
        observe: Told when a request is not sent.
    """

    def __init__(
        self, model: Model, price: Price | None, timeout: float, budget_of: BudgetOf, observe: Observer
    ) -> None:
        super().__init__(model)
        self._price = price
        self._timeout = timeout
        self._budget_of = budget_of
        self._observe = observe

    async def complete(self, request: Request) -> Reply:
        """Reserve, complete, settle; a reply that may have been billed although it never came counts in full.

        Raises:
            BudgetExhausted: The budget cannot bear it; nothing is sent.
            ConfigError: The most it may cost cannot be known.
        """
        budget = self._budget_of(request.tag.run)
        most = self._most(request, budget)
        try:
            ticket = await budget.reserve(most, len(request.indices))
        except BudgetExhausted as error:
            data = {"run": request.tag.run, "model": self.name, "indices": list(request.indices), "error": str(error)}
            self._observe(Event("budget", request.tag.question, request.tag.layer, data))
            raise
        actual = most
        try:
            reply = await self._model.complete(request)
            usage = reply.usage
            if usage is not None:
                dollars = 0.0 if self._price is None else self._price.of(usage, reply.seconds)
                actual = Amount(dollars, usage.total, 1)
            return reply
        except ModelError as error:
            if not may_be_billed(error):
                actual = Amount()
            raise
        finally:
            budget.settle(ticket, actual)

    def _most(self, request: Request, budget: Budget) -> Amount:
        """The most a request may cost under this budget's limits."""
        spec = budget.spec
        if spec.usd is None and spec.tokens is None:
            return Amount(calls=1)
        usage = Usage()
        priced_by_token = self._price is not None and self._price.input is not None
        if spec.tokens is not None or priced_by_token:
            longest = request.sampling.max_tokens
            if longest is None:
                raise ConfigError(f"{self.name}: a budget of dollars or tokens needs max_tokens on the model.")
            prompt = TEMPLATE_TOKENS + sum([len(m.content.encode()) + MESSAGE_TOKENS for m in request.messages])
            usage = Usage(prompt=prompt, completion=longest * len(request.indices))
        if spec.usd is None:
            return Amount(tokens=usage.total, calls=1)
        if self._price is None:
            raise ConfigError(f"{self.name}: a budget of dollars needs its price; give one under `price`.")
        return Amount(self._price.of(usage, self._timeout), usage.total, 1)


class Timed(Wrapper):
    """A model that is not waited for longer than the time of a budget lasts, retries and their pauses included."""

    def __init__(self, model: Model, budget_of: BudgetOf) -> None:
        super().__init__(model)
        self._budget_of = budget_of

    async def complete(self, request: Request) -> Reply:
        """Complete in the time that is left.

        Raises:
            BudgetExhausted: It ran out.
        """
        try:
            async with asyncio.timeout(self._budget_of(request.tag.run).seconds_left):
                return await self._model.complete(request)
        except TimeoutError:
            raise BudgetExhausted("the time of the budget ran out") from None
