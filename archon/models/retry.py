"""Try again, but only what trying again can help, and never for ever."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from archon.errors import TransientError
from archon.models.base import Model, Reply, Request
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer, ignore


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on retrying.

    Attributes:
        attempts: The most attempts at one request, the first included.
        seconds: No new attempt starts later than this after the first.
        base: The mean of the first wait is half of this; every further wait doubles it (full jitter).
        longest: The longest wait of our own choosing; a server's ``Retry-After`` may be longer.
    """

    attempts: int = 6
    seconds: float = 300.0
    base: float = 0.5
    longest: float = 30.0


class Retrying(Wrapper):
    """A model that retries transient failures of the model it wraps."""

    def __init__(self, model: Model, policy: RetryPolicy, observe: Observer = ignore) -> None:
        super().__init__(model)
        self._policy = policy
        self._observe = observe
        # Jitter exists to differ between processes, so it is the one place that must not be seeded.
        self._jitter = random.Random()

    async def complete(self, request: Request) -> Reply:
        """Complete, waiting between attempts as long as the server asks or the backoff says."""
        started = time.monotonic()
        attempt = 1
        while True:
            try:
                return await self._model.complete(request)
            except TransientError as error:
                wait = self._jitter.uniform(0, min(self._policy.longest, self._policy.base * 2 ** (attempt - 1)))
                wait = max(wait, error.retry_after or 0.0)
                out_of_time = time.monotonic() - started + wait > self._policy.seconds
                if attempt >= self._policy.attempts or out_of_time:
                    raise
                attempt += 1
                reason = error.reason
            data = {"run": request.tag.run, "model": self.name, "attempt": attempt, "wait": wait, "reason": reason}
            self._observe(Event("retry", request.tag.question, request.tag.layer, data))
            if request.listener is not None:
                request.listener.restarted()
            await asyncio.sleep(wait)
