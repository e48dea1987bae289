"""What a search asks of whatever evaluates architectures, so that it runs on models and on a simulation alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from archon.architecture import Architecture

CostUnit = Literal["usd", "seconds", "tokens", "calls"]
"""In what a search counts costs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one architecture came to on one problem.

    Attributes:
        score: From 0 to 1; ``None`` when the grader crashed, which takes the problem out of comparisons.
        usd: What the answer costs at list price; ``None`` unless all of it is priced.
        seconds: How long endpoints took over its calls, added up.
        tokens: Prompt and completion tokens.
        calls: Requests the architecture makes by itself.
        latency: From the start of the question to its end, in seconds.
        paid: Requests that were really sent; fewer where an earlier trial had drawn the samples.
        paid_usd: What those cost; ``None`` where only the share of requests tells.
    """

    score: float | None
    usd: float | None
    seconds: float
    tokens: int
    calls: int
    latency: float
    paid: int
    paid_usd: float | None = None

    @property
    def bought(self) -> float:
        """Dollars really paid, as far as prices are known."""
        if self.paid_usd is not None:
            return self.paid_usd
        return (self.usd or 0.0) * self.paid / self.calls if self.calls else 0.0

    def cost(self, unit: CostUnit) -> float:
        """The cost in a unit; not a number where the price is not known."""
        value = getattr(self, unit)
        return math.nan if value is None else float(value)

    def to_data(self) -> list[Any]:
        """The outcome as a short list of JSON values."""
        return [
            self.score,
            self.usd,
            self.seconds,
            self.tokens,
            self.calls,
            self.latency,
            self.paid,
            self.paid_usd,
        ]

    @classmethod
    def from_data(cls, data: Sequence[Any]) -> Self:
        """The inverse of :meth:`to_data`."""
        return cls(*data)


class Evaluator(Protocol):
    """Runs architectures on problems that stand in one order for everybody."""

    @property
    def problems(self) -> int:
        """How many problems there are."""
        ...

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        """What the architecture comes to on the problems at these positions, in their order.

        Raises:
            BudgetExhausted: The limit of the study was reached on the way.
            ArchonError: The architecture cannot run at all; a problem that failed is an outcome with score 0.
        """
        ...
