"""What a budget keeps back: the price of the layers that turn samples into the answer.

Without it, a layer that samples would spend everything, and nothing would be left to rank or fuse what it found. What
is kept back is an estimate from the techniques' plans; it only decides which requests come first. No budget is ever
overrun by it, and where a technique has no plan nothing is kept back for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS, Amount, Budget
from archon.cost import Usage
from archon.models.base import Model
from archon.models.spec import ModelSpec
from archon.placement import Component
from archon.state import State
from archon.technique import Ask, Plan

# The completion that a candidate is expected to be, what UTF-8 makes of a token at most in plain text, and what a
# list adds to an entry.
COMPLETION_TOKENS = 256
BYTES_PER_TOKEN = 5
LISTING_BYTES = 32

Layer = Sequence[Component]


@dataclass(frozen=True, slots=True)
class _Flow:
    """Candidates between two layers, and how many bytes each brings into a prompt, remarks included."""

    candidates: int
    bytes: float


class Finish:
    """Knows what later layers will reserve.

    Args:
        layers: All layers.
        specs: The models by reference.
        models: The same, ready to be drawn from.
    """

    def __init__(self, layers: Sequence[Layer], specs: Mapping[str, ModelSpec], models: Mapping[str, Model]) -> None:
        self._layers = layers
        self._specs = specs
        self._models = models

    def keep_back(self, budget: Budget, index: int, state: State) -> None:
        """Keep back what the layers after one will reserve, as far as the budget goes.

        If it does not bear all of them, the layers in the middle go first: an answer that was ranked but not criticised
        is better than one that was criticised but not chosen. A layer that samples takes one sample in any case, and
        as many more as leave enough for what follows, which costs the more the more samples there are.
        """
        budget.keep_back(lambda samples: Amount())
        layer, later = self._layers[index], self._layers[index + 1 :]
        asked = sum(len(message.content.encode()) for message in state.task.messages)
        before = _Flow(len(state.candidates), _mean_bytes(state))
        own = self._through(layer, before, asked)
        if own is None:
            return
        cost, after = own
        samples = any(ask.makes == "candidates" for c in layer for ask in _plan(c, before).asks)
        # A layer that samples needs one sample; any other can be passed over.
        first = _share(cost, after.candidates) if samples else Amount()
        fewest = 1 if samples else after.candidates
        for start in range(len(later)):
            rest = later[start:]
            if budget.fits(first + self._all(rest, _Flow(fewest, after.bytes), asked)):
                break
        else:
            return

        @cache
        def held(drawn: int) -> Amount:
            candidates = min(max(drawn, 1), after.candidates) if samples else after.candidates
            return self._all(rest, _Flow(candidates, after.bytes), asked)

        budget.keep_back(held)

    def _all(self, layers: Sequence[Layer], flow: _Flow, asked: int) -> Amount:
        total = Amount()
        for layer in layers:
            through = self._through(layer, flow, asked)
            if through is None:
                break
            cost, flow = through
            total += cost
        return total

    def _through(self, layer: Layer, flow: _Flow, asked: int) -> tuple[Amount, _Flow] | None:
        """What a layer costs and leaves; ``None`` where a technique has no plan."""
        cost, candidates, size = Amount(), 0, 0.0
        for component in layer:
            plan = component.technique.plan(flow.candidates)
            if plan is None:
                return None
            made, remarks, added = 0.0, 0.0, 0.0
            before = 0.0
            for ask in plan.asks:
                prompt = self._prompt(ask, flow, asked, before)
                completion = self._longest(ask)
                before = prompt + min(completion, COMPLETION_TOKENS) * BYTES_PER_TOKEN
                cost += self._price(ask, prompt, completion)
                text = min(completion, COMPLETION_TOKENS) * BYTES_PER_TOKEN
                added += ask.requests * (len(ask.words.encode()) + text)
                if ask.makes == "candidates" and ask.requests:
                    made = made + text if plan.joins else max(made, text)
                remarks += ask.requests * text if ask.makes == "remarks" else 0.0
            if plan.extends:
                made = flow.bytes + added / max(plan.candidates, 1)
            candidates += plan.candidates
            size = max(size, made or flow.bytes + remarks / max(plan.candidates, 1))
        return cost, _Flow(candidates, size)

    def _longest(self, ask: Ask) -> int:
        return ask.max_tokens or self._specs[ask.model].max_tokens or COMPLETION_TOKENS

    @staticmethod
    def _prompt(ask: Ask, flow: _Flow, asked: int, before: float) -> float:
        """The tokens that are reserved for a prompt: its bytes, and what templates add."""
        own = len(ask.words.encode()) + MESSAGE_TOKENS
        if ask.goes_on:
            return before + own
        return TEMPLATE_TOKENS + MESSAGE_TOKENS + asked + own + ask.reads * (flow.bytes + LISTING_BYTES)

    def _price(self, ask: Ask, prompt: float, completion: int) -> Amount:
        spec = self._specs[ask.model]
        several = self._models[ask.model].capabilities.multiple
        calls = ask.requests * (1 if several else ask.draws)
        usage = Usage(math.ceil(prompt) * calls, 0, completion * ask.requests * ask.draws)
        dollars = 0.0 if spec.price is None else spec.price.of(usage, spec.timeout * calls)
        return Amount(dollars, usage.total, calls)


def _plan(component: Component, flow: _Flow) -> Plan:
    return component.technique.plan(flow.candidates) or Plan((), 0)


def _share(cost: Amount, parts: int) -> Amount:
    """The cost of one of so many samples."""
    return Amount(cost.usd / parts, math.ceil(cost.tokens / parts), math.ceil(cost.calls / parts)) if parts else cost


def _mean_bytes(state: State) -> float:
    sizes = [len(c.text.encode()) + sum(len(r.encode()) for r in c.critiques) for c in state.candidates]
    return sum(sizes) / len(sizes) if sizes else 0.0
