"""What an endpoint says in its headers about how much more it may be asked, and what follows from it.

Two dialects are read: ``x-ratelimit-remaining-requests`` (OpenAI and most who speak its protocol) and
``anthropic-ratelimit-requests-remaining``, each for requests and for tokens, with the limit and the moment at which it
will be whole again. What cannot be read is passed over.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

Kind = Literal["requests", "tokens", "prompt"]

# What remains, the limit, and when it will be whole again.
HEADERS: tuple[tuple[Kind, str, str, str], ...] = (
    ("requests", "x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"),
    ("tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"),
    (
        "requests",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "tokens",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "prompt",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-reset",
    ),
)
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PART = re.compile(r"(\d+(?:\.\d*)?)(ms|us|µs|ns|d|h|m|s)")
DURATION = re.compile(rf"(?:{PART.pattern})+")
EPOCH = 1e9
EPOCH_MILLISECONDS = 1e12
# What is called a limit is one per minute unless the endpoint says enough to know better.
USUAL_SECONDS = 60.0
LONGEST_SECONDS = 60.0
ROUNDING = 1e-6
# What is let through within so short a time is remembered as one.
TOGETHER_SECONDS = 0.01


class Amounts(NamedTuple):
    """What requests count for: themselves, their tokens in all, and those of the prompt."""

    requests: int = 0
    tokens: int = 0
    prompt: int = 0

    def plus(self, other: Amounts) -> Amounts:
        """Both together."""
        return Amounts(self.requests + other.requests, self.tokens + other.tokens, self.prompt + other.prompt)


@dataclass(frozen=True, slots=True)
class Notice:
    """What one reply says of one limit.

    Attributes:
        remaining: How much is left.
        limit: How much there is when it is whole; ``None`` if not said.
        reset: Seconds until it is whole again; ``None`` if not said.
    """

    remaining: float
    limit: float | None
    reset: float | None


def read_notices(headers: Mapping[str, str]) -> dict[Kind, Notice]:
    """What the headers of a reply say, empty if nothing that can be read; the names in any case."""
    notices: dict[Kind, Notice] = {}
    for kind, remaining_name, limit_name, reset_name in HEADERS:
        said = headers.get(remaining_name)
        if said is None or (remaining := _number(said)) is None:
            continue
        limit, reset = _number(headers.get(limit_name)), _seconds_until(headers.get(reset_name), headers)
        if limit or reset is not None:
            notices[kind] = Notice(remaining, limit or None, reset)
    return notices


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(text: str | None, headers: Mapping[str, str]) -> float | None:
    """Seconds from now: ``1s``, ``6m0s``, ``20ms``, ``90``, seconds or milliseconds since the epoch, or a date."""
    if text is None:
        return None
    if (number := _number(text)) is not None:
        if number < EPOCH:
            return number
        moment: float | None = number / 1000 if number >= EPOCH_MILLISECONDS else number
    elif DURATION.fullmatch(text):
        return sum(float(count) * SECONDS[unit] for count, unit in PART.findall(text))
    else:
        moment = _moment(text)
    if moment is None:
        return None
    # By the endpoint's own clock, where it shows it.
    now = _moment(headers.get("date", ""))
    return max(0.0, moment - (time.time() if now is None else now))


def _moment(text: str) -> float | None:
    """A date of RFC 3339 or of HTTP, in seconds since the epoch."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except ValueError:
            return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class Allowance:
    """How much of one limit is left, as a token bucket that fills steadily.

    It is only as good as the last notice, so that nobody is held for longer than :data:`LONGEST_SECONDS` after the last
    notice or the last request that was let through.

    Args:
        total: What was ever let through.
        now: The time.
    """

    def __init__(self, total: int, now: float) -> None:
        self._whole = math.inf
        self._level = math.inf
        self._rate = 0.0
        self._at = now
        self._whole_at = math.inf
        self._news_at = now
        self._total = total
        # When it began and ended, and the total after it.
        # What was let through before the first notice counts as of now.
        self._history: deque[tuple[float, float, int]] = deque([(now, now, total)])

    def wait(self, units: int, now: float) -> float:
        """Seconds until ``units`` are left; for more than the limit, until it is whole."""
        short = min(units, self._whole) - self._level - (now - self._at) * self._rate
        if short <= ROUNDING:
            return 0.0
        fills_in = short / self._rate if self._rate > 0 else math.inf
        return max(0.0, min(fills_in, self._whole_at - now, self._news_at + LONGEST_SECONDS - now))

    def spend(self, units: int, now: float) -> None:
        """Take units away; what is let through beyond what is left has to be made up for."""
        self._total += units
        began = now
        if self._history and now - self._history[-1][0] < TOGETHER_SECONDS:
            began = self._history.pop()[0]
        self._history.append((began, now, self._total))
        if now >= self._whole_at:
            self._level = math.inf
        self._take(units, now)
        self._news_at = now

    def hear(self, notice: Notice, total: int, at: float, now: float) -> None:
        """Learn from a reply.

        Args:
            notice: What it says.
            total: What had ever been let through with its request; it cannot know of more.
            at: When its request was let through.
            now: When it was heard; later than what was heard before it, and of a later request.
        """
        limit, remaining, reset = notice.limit, notice.remaining, notice.reset
        if limit is None:
            self._whole, self._rate, self._whole_at = math.inf, 0.0, at + (reset or 0.0)
        else:
            if reset and limit > remaining:
                self._rate = (limit - remaining) / reset
            elif self._whole != limit or not self._rate:
                self._rate = limit / USUAL_SECONDS
            self._whole, self._whole_at = max(limit, remaining), math.inf
        self._level, self._at, self._news_at = remaining, at, now
        while self._history and self._history[0][2] <= total:
            self._history.popleft()
        for _, when, after in self._history:
            self._take(after - total, when)
            total = after

    def _take(self, units: int, when: float) -> None:
        self._level = min(self._whole, self._level + (when - self._at) * self._rate) - units
        self._at = when
