"""Writes requests into a ledger and tells the observer; one on top of the store, one beneath the retries."""

from __future__ import annotations

import time

from archon.cost import Charge, Ledger, Price, Usage
from archon.errors import ModelError
from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer


class Metered(Wrapper):
    """A model whose every request is charged, answered or not.

    Args:
        model: The model.
        event: What its requests are called in the trace: ``call`` for what an architecture asks for, ``attempt`` for
            what is really sent.
        price: Its price, if that is known.
        ledger: Where to write.
        observe: Whom to tell.
    """

    def __init__(self, model: Model, event: str, price: Price | None, ledger: Ledger, observe: Observer) -> None:
        super().__init__(model)
        self._event = event
        self._price = price
        self._ledger = ledger
        self._observe = observe

    async def complete(self, request: Request) -> Reply:
        """Complete and record usage, seconds and cost, or the reason of the failure."""
        started = time.monotonic()
        try:
            reply = await self._model.complete(request)
        except ModelError as error:
            self._record(request, None, 0, time.monotonic() - started, error)
            raise
        self._record(request, reply.usage, len(reply.completions), time.monotonic() - started, None)
        return reply

    def _record(
        self, request: Request, usage: Usage | None, samples: int, seconds: float, error: ModelError | None
    ) -> None:
        tag = request.tag
        dollars = None if self._price is None or usage is None else self._price.of(usage, seconds)
        usage = usage or Usage()
        reason = None if error is None else error.reason
        charge = Charge(tag.question, tag.layer, tag.technique, self.name, usage, dollars, seconds, reason, samples)
        self._ledger.add(charge, tag.run)
        data = {
            "model": self.name,
            "stream": request.stream,
            "indices": list(request.indices),
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "dollars": dollars,
            "seconds": round(seconds, 4),
        }
        if error is not None:
            data["error"] = f"{reason}: {error}"
        self._observe(Event(self._event, tag.question, tag.layer, data))
