"""Requests and tokens per minute, as sliding windows: no minute holds more than allowed, wherever it starts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# A minute, and by how much two requests may differ in the time they take to the endpoint, whose minute counts.
WINDOW_SECONDS = 60.0 + 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What an endpoint may be asked.

    Attributes:
        concurrency: The most requests in flight.
        requests_per_minute: The most requests that start within any minute.
        tokens_per_minute: The most tokens, estimated from above, of requests that start within any minute.
    """

    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def per_minute(self) -> bool:
        """Whether anything is limited by time."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    def strictest(self, other: Limits) -> Limits:
        """What keeps to both."""
        return Limits(
            min(self.concurrency, other.concurrency),
            _least(self.requests_per_minute, other.requests_per_minute),
            _least(self.tokens_per_minute, other.tokens_per_minute),
        )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


class Windows(Protocol):
    """Counts what one endpoint is asked."""

    def take(self, tokens: int, limits: Limits) -> float:
        """Count one request of so many tokens if that keeps within the limits.

        Returns:
            0 if it was counted; otherwise the seconds after which it may fit. A request of more tokens than the limit
            fits only into an empty window.

        Raises:
            ConfigError: What others have used cannot be looked up.
        """
        ...


class Window:
    """What was spent within the last ``seconds``."""

    def __init__(self, seconds: float = WINDOW_SECONDS) -> None:
        self._seconds = seconds
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait(self, units: int, limit: int | None, now: float) -> float:
        """Seconds until ``units`` fit; more than the limit fits only into an empty window."""
        while self._spent and self._spent[0][0] <= now:
            self._sum -= self._spent.popleft()[1]
        if limit is None or not self._spent:
            return 0.0
        excess = self._sum + units - limit
        if excess <= 0:
            return 0.0
        for until, amount in self._spent:
            excess -= amount
            if excess <= 0:
                return until - now
        return self._spent[-1][0] - now

    def spend(self, units: int, now: float) -> None:
        """Count units from now on."""
        self._spent.append((now + self._seconds, units))
        self._sum += units


class OwnWindows:
    """The windows of one endpoint for this process alone.

    Args:
        seconds: How long what was counted counts.
        clock: Seconds that never go back.
    """

    def __init__(self, seconds: float = WINDOW_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = Window(seconds)
        self._tokens = Window(seconds)
        self._clock = clock

    def take(self, tokens: int, limits: Limits) -> float:
        """Count one request if it fits."""
        now = self._clock()
        wait = max(
            self._requests.wait(1, limits.requests_per_minute, now),
            self._tokens.wait(tokens, limits.tokens_per_minute, now),
        )
        if wait <= 0:
            self._requests.spend(1, now)
            self._tokens.spend(tokens, now)
        return wait
