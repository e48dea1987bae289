"""Accounts for requests: on top of the store what an architecture costs, beneath the retries what was really sent."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from archon.cost import Charge, Ledger, Price, Usage
from archon.errors import ModelError
from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer


class _Metered(Wrapper):
    """A model whose every request is charged, answered or not.

    Args:
        model: The model.
        price: Its price, if that is known.
        ledger: Where to write.
        observe: Whom to tell.
    """

    def __init__(self, model: Model, price: Price | None, ledger: Ledger, observe: Observer) -> None:
        super().__init__(model)
        self._price = price
        self._ledger = ledger
        self._observe = observe

    def _charge(
        self, request: Request, reply: Reply | None, seconds: float, reason: str | None, billed: bool
    ) -> Charge:
        tag = request.tag
        usage = None if reply is None else reply.usage
        dollars = None
        if not billed:
            dollars = 0.0
        elif self._price is not None and usage is not None:
            dollars = self._price.of(usage, seconds)
        samples = 0 if reply is None else len(reply.completions)
        charge = Charge(
            tag.question, tag.layer, tag.technique, self.name, usage or Usage(), dollars, seconds, reason, samples
        )
        self._ledger.add(charge, tag.run)
        return charge

    def _tell(self, kind: str, request: Request, charge: Charge, **data: Any) -> None:
        facts = {
            "run": request.tag.run,
            "model": charge.model,
            "stream": request.stream,
            "indices": list(request.indices),
            "sampling": request.sampling.settings(),
            "prompt_tokens": charge.usage.prompt,
            "cached_tokens": charge.usage.cached,
            "completion_tokens": charge.usage.completion,
            "reasoning_tokens": charge.usage.reasoning,
            "dollars": charge.dollars,
            "seconds": round(charge.seconds, 4),
            **data,
        }
        self._observe(Event(kind, charge.question, charge.layer, facts))


class Attempted(_Metered):
    """The bottom of the stack: every request that leaves is paid for, in the time that the endpoint takes over it."""

    async def complete(self, request: Request) -> Reply:
        """Send, and record tokens, cost and seconds, or what became of it instead."""
        if request.on_sent is not None:
            request.on_sent()
        started = time.monotonic()
        try:
            reply = await self._model.complete(request)
        except ModelError as error:
            self._failed(request, started, error.reason, str(error), billed=may_be_billed(error))
            raise
        except asyncio.CancelledError:
            self._failed(request, started, "cancelled", "nobody waited for the reply any more", billed=True)
            raise
        seconds = time.monotonic() - started
        if not reply.seconds:
            # A backend that does not look at the clock; who pays by the second needs to know.
            each = seconds / len(reply.completions)
            reply = replace(reply, completions=tuple([replace(c, seconds=each) for c in reply.completions]))
        charge = self._charge(request, reply, seconds, None, billed=True)
        self._tell("attempt", request, charge)
        return reply

    def _failed(self, request: Request, started: float, reason: str, message: str, *, billed: bool) -> None:
        charge = self._charge(request, None, time.monotonic() - started, reason, billed=billed)
        self._tell("attempt", request, charge, error=f"{reason}: {message}")


class Called(_Metered):
    """The top of the stack: every request of an architecture is attributed, wherever its answer comes from.

    Its event holds the whole conversation and what was answered, so that a trace alone can redraw any answer.
    """

    async def complete(self, request: Request) -> Reply:
        """Complete, and record what the request would cost by itself."""
        started = time.monotonic()
        try:
            reply = await self._model.complete(request)
        except ModelError as error:
            charge = self._charge(request, None, time.monotonic() - started, error.reason, billed=False)
            self._tell("call", request, charge, messages=_conversation(request), error=f"{error.reason}: {error}")
            raise
        charge = self._charge(request, reply, reply.seconds, None, billed=True)
        replies = [completion.text for completion in reply.completions]
        self._tell("call", request, charge, messages=_conversation(request), replies=replies)
        return reply


def may_be_billed(error: ModelError) -> bool:
    """Whether a request that failed may cost something: it was sent, and no status says that it was refused."""
    return error.status is None and error.reason not in ("budget", "prefix")


def _conversation(request: Request) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in request.messages]
