"""Tokens and money: the only place that does arithmetic on either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


class Price(BaseModel):
    """What a model costs: by the token, or by the second where one pays for the machine.

    Attributes:
        input: US dollars per million prompt tokens.
        output: US dollars per million completion tokens, reasoning included.
        cached_input: US dollars per million prompt tokens that the endpoint had cached; ``input`` if not given.
        second: US dollars per second that a request takes.
        date: The day the price was read, as ``YYYY-MM-DD``.
        source: Where it was read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Annotated[float | None, Field(ge=0)] = None
    output: Annotated[float | None, Field(ge=0)] = None
    cached_input: Annotated[float | None, Field(ge=0)] = None
    second: Annotated[float | None, Field(ge=0)] = None
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    source: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("a price by the token needs both input and output")
        if self.input is None and self.second is None:
            raise ValueError("a price needs input and output, or second")
        return self

    def of(self, usage: Usage, seconds: float) -> float:
        """US dollars for one request."""
        by_time = (self.second or 0.0) * seconds
        if self.input is None or self.output is None:
            return by_time
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = (usage.prompt - usage.cached) * self.input
        return by_time + (fresh + usage.cached * cached + usage.completion * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt at one request, answered or not.

    Attributes:
        question: The task's id.
        layer: The path of the layer that asked.
        technique: The technique's kind.
        model: The model's name.
        usage: What the endpoint said it counted; nothing for an attempt that failed.
        dollars: The cost at the model's price, ``None`` when no price is known.
        seconds: From sending to the end of the reply.
        error: Why it failed, ``None`` if it was answered.
        samples: How many completions it brought.
    """

    question: str
    layer: str
    technique: str
    model: str
    usage: Usage
    dollars: float | None
    seconds: float
    error: str | None = None
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over charges.

    Attributes:
        calls: Requests that were answered.
        samples: Completions they brought.
        failed: Attempts that were not.
        usage: All tokens.
        dollars: The known part of the cost.
        unpriced: Answered requests to models whose price is not known; unless 0, ``dollars`` is a lower bound.
    """

    calls: int = 0
    samples: int = 0
    failed: int = 0
    usage: Usage = Usage()
    dollars: float = 0.0
    unpriced: int = 0

    @classmethod
    def of(cls, charges: Iterable[Charge]) -> Totals:
        """Add charges up."""
        total = cls()
        for charge in charges:
            total += charge
        return total

    def __add__(self, charge: Charge | Totals) -> Totals:
        if isinstance(charge, Totals):
            return Totals(
                self.calls + charge.calls,
                self.samples + charge.samples,
                self.failed + charge.failed,
                self.usage + charge.usage,
                self.dollars + charge.dollars,
                self.unpriced + charge.unpriced,
            )
        answered = charge.error is None
        return Totals(
            self.calls + answered,
            self.samples + charge.samples,
            self.failed + (not answered),
            self.usage + charge.usage,
            self.dollars + (charge.dollars or 0.0),
            self.unpriced + (answered and charge.dollars is None),
        )


def totals_to_data(totals: Totals) -> dict[str, Any]:
    """Totals as JSON values; the cost is ``null`` where no part of it is known."""
    usage = totals.usage
    return {
        "calls": totals.calls,
        "samples": totals.samples,
        "failed": totals.failed,
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached,
        "completion_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning,
        "dollars": None if totals.calls and totals.unpriced == totals.calls else totals.dollars,
        "unpriced_calls": totals.unpriced,
    }


def totals_from_data(data: Mapping[str, Any]) -> Totals:
    """The inverse of :func:`totals_to_data`."""
    usage = Usage(data["prompt_tokens"], data["cached_tokens"], data["completion_tokens"], data["reasoning_tokens"])
    return Totals(data["calls"], data["samples"], data["failed"], usage, data["dollars"] or 0.0, data["unpriced_calls"])


class Ledger:
    """Every charge, and running totals that cost nothing to read."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.total = Totals()
        self._by_run: dict[int, Totals] = {}

    def add(self, charge: Charge, run: int) -> None:
        """Record one charge of one run of the engine."""
        self.charges.append(charge)
        self.total += charge
        self._by_run[run] = self._by_run.get(run, Totals()) + charge

    def of_run(self, run: int) -> Totals:
        """What one run has cost so far."""
        return self._by_run.get(run, Totals())
