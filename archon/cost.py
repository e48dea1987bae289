"""Tokens and money: the only place that does arithmetic on either."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as endpoints bill them.

    ``prompt`` includes ``cached``; ``completion`` includes ``reasoning``. Never add the parts to the wholes.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
            self.reasoning + other.reasoning,
        )

    @property
    def total(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt + self.completion
