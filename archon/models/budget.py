"""Sends a request only when every budget it is under can bear the most it may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS, Amount, Budget
from archon.cost import Price, Usage
from archon.errors import BudgetExhausted, ConfigError
from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper


class Budgeted(Wrapper):
    """A model under budgets.

    Args:
        model: The model.
        price: What it costs, if that is known.
        budgets_of: The budgets that a request of one run of the engine is under.
    """

    def __init__(self, model: Model, price: Price | None, budgets_of: Callable[[int], Sequence[Budget]]) -> None:
        super().__init__(model)
        self._price = price
        self._budgets_of = budgets_of

    async def complete(self, request: Request) -> Reply:
        """Reserve, complete in the time that is left, settle.

        Raises:
            BudgetExhausted: A budget cannot bear it, or its time ran out; nothing further is sent.
            ConfigError: The most it may cost cannot be known.
        """
        tickets: list[tuple[Budget, int]] = []
        actual = Amount()
        try:
            left = None
            for budget in self._budgets_of(request.tag.run):
                tickets.append((budget, await budget.reserve(self._most(request, budget))))
                if budget.seconds_left is not None:
                    left = min(budget.seconds_left, budget.seconds_left if left is None else left)
            try:
                async with asyncio.timeout(left):
                    reply = await self._model.complete(request)
            except TimeoutError:
                raise BudgetExhausted("the time of the budget ran out") from None
            usage = reply.usage or Usage()
            dollars = 0.0 if self._price is None else self._price.of(usage, 0.0)
            actual = Amount(dollars, usage.total, 1)
            return reply
        finally:
            for budget, ticket in tickets:
                budget.settle(ticket, actual)

    def _most(self, request: Request, budget: Budget) -> Amount:
        """The most a request may cost under this budget's limits."""
        spec = budget.spec
        if spec.usd is None and spec.tokens is None:
            return Amount(calls=1)
        longest = request.sampling.max_tokens
        if longest is None:
            raise ConfigError(f"{self.name}: a budget of dollars or tokens needs max_tokens on the model.")
        prompt = TEMPLATE_TOKENS + sum(len(m.content.encode()) + MESSAGE_TOKENS for m in request.messages)
        usage = Usage(prompt=prompt, completion=longest * len(request.indices))
        if spec.usd is None:
            return Amount(tokens=usage.total, calls=1)
        if self._price is None or self._price.input is None:
            raise ConfigError(
                f"{self.name}: a budget of dollars needs the price of its tokens; give one under `price`."
            )
        return Amount(self._price.of(usage, 0.0), usage.total, 1)
