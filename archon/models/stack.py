"""What an engine puts around its models, from the architecture's side down to the wire.

::

    Fallback    other models, where this one fails for good
    Called      attributes what the architecture asks for
    Timed       no longer than the question's time
    Budgeted    the question's budget
    Stored      looks before it buys
    Timed       no longer than the run's time
    Retrying    again, where that can help
    Hedged      twice, where the first takes too long
    Budgeted    the run's budget
    Limited     no more than the endpoint bears (the pool's)
    Attempted   pays for what is sent
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from archon.budget import Budget
from archon.cost import Ledger, Price
from archon.models.base import Model
from archon.models.budget import Budgeted, Timed
from archon.models.fallback import Fallback
from archon.models.hedge import Hedged
from archon.models.meter import Attempted, Called
from archon.models.pool import ModelPool
from archon.models.retry import Retrying, RetryPolicy
from archon.models.spec import ModelSpec
from archon.models.store import Stored
from archon.store import Store
from archon.trace import Observer


@dataclass(frozen=True, slots=True)
class Stack:
    """What stands around every model of an engine.

    The run's budget bears what is really sent; a question's bears what its architecture costs by itself, so that a
    full store does not change the answer.

    Attributes:
        ledger: Where what the architecture asks for is recorded.
        paid: Where what is really sent is recorded.
        retry: Bounds on retrying.
        store: Where samples are kept, if anywhere.
        run_budget: What all questions together may really cost.
        question_budgets: What every question may cost, by run of the engine; ``None`` if that is not bounded.
        observe: Told every event.
    """

    ledger: Ledger
    paid: Ledger
    retry: RetryPolicy
    store: Store | None
    run_budget: Budget | None
    question_budgets: Mapping[int, Budget] | None
    observe: Observer

    async def build(
        self, specs: Mapping[str, ModelSpec], given: Mapping[str, Model], pool: ModelPool | None
    ) -> dict[str, Model]:
        """The models of an architecture by reference, ready to be drawn from.

        Args:
            specs: The models, those that others fall back on included.
            given: Models that replace those of the specifications.
            pool: Makes all others.
        """
        alone: dict[str, Model] = {}
        for ref, spec in specs.items():
            if ref in given:
                sent = self._attempted(given[ref], spec.price)
            else:
                assert pool is not None, "a pool is made whenever a model has to come from one"
                sent = await pool.model(spec, partial(self._attempted, price=spec.price))
            alone[ref] = self._around(sent, spec)
        return {ref: self._with_fallback(alone, specs, ref) for ref in specs}

    def _attempted(self, model: Model, price: Price | None) -> Model:
        return Attempted(model, price, self.paid, self.observe)

    def _around(self, sent: Model, spec: ModelSpec) -> Model:
        model = sent
        if (total := self.run_budget) is not None:
            model = Budgeted(model, spec.price, spec.timeout, lambda run: total, self.observe)
        if spec.hedge is not None:
            model = Hedged(model, spec.hedge, self.observe)
        model = Retrying(model, self.retry, self.observe)
        if total is not None and total.spec.seconds is not None:
            model = Timed(model, lambda run: total)
        if self.store is not None:
            model = Stored(model, self.store, self.observe)
        if (budgets := self.question_budgets) is not None:
            model = Budgeted(model, spec.price, spec.timeout, budgets.__getitem__, self.observe)
            model = Timed(model, budgets.__getitem__)
        return Called(model, spec.price, self.ledger, self.observe)

    def _with_fallback(self, alone: Mapping[str, Model], specs: Mapping[str, ModelSpec], ref: str) -> Model:
        others = [(alone[other], specs[other].sampling) for other in specs[ref].fallback]
        return Fallback(alone[ref], others, self.observe) if others else alone[ref]
