"""Tokens and money: the only place that does arithmetic on either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self

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


class Charge(NamedTuple):
    """One attempt at one request, answered or not.

    Attributes:
        question: The task's id.
        layer: The path of the layer that asked.
        technique: The technique's kind.
        model: The model's name.
        usage: What the endpoint said it counted; nothing for an attempt that failed.
        dollars: The cost at the model's price; 0 for a request that was refused, ``None`` when it is not known, because
            there is no price or because the request broke off and may have been billed all the same.
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
        unpriced: Answered requests whose cost is not known; unless 0, ``dollars`` is a lower bound.
        uncertain: Failed attempts that may have been billed; unless 0, ``dollars`` is a lower bound.
        seconds: How long endpoints took over them, added up.
    """

    calls: int = 0
    samples: int = 0
    failed: int = 0
    usage: Usage = Usage()
    dollars: float = 0.0
    unpriced: int = 0
    uncertain: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, charges: Iterable[Charge]) -> Totals:
        """Add charges up."""
        total = _Sum()
        for charge in charges:
            total.add(charge)
        return total.totals()

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.calls + other.calls,
            self.samples + other.samples,
            self.failed + other.failed,
            self.usage + other.usage,
            self.dollars + other.dollars,
            self.unpriced + other.unpriced,
            self.uncertain + other.uncertain,
            self.seconds + other.seconds,
        )


NOTHING = Totals()


def together(parts: Sequence[Totals]) -> Totals:
    """The sum of totals."""
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    usages = [part.usage for part in parts]
    return Totals(
        sum([part.calls for part in parts]),
        sum([part.samples for part in parts]),
        sum([part.failed for part in parts]),
        Usage(
            sum([usage.prompt for usage in usages]),
            sum([usage.cached for usage in usages]),
            sum([usage.completion for usage in usages]),
            sum([usage.reasoning for usage in usages]),
        ),
        sum([part.dollars for part in parts]),
        sum([part.unpriced for part in parts]),
        sum([part.uncertain for part in parts]),
        sum([part.seconds for part in parts]),
    )


class _Sum:
    """Totals in the making."""

    __slots__ = (
        "_cached",
        "_completion",
        "_prompt",
        "_reasoning",
        "_seconds",
        "calls",
        "dollars",
        "failed",
        "samples",
        "uncertain",
        "unpriced",
    )

    def __init__(self) -> None:
        self.calls = self.samples = self.failed = self.unpriced = self.uncertain = 0
        self._prompt = self._cached = self._completion = self._reasoning = 0
        self.dollars = self._seconds = 0.0

    def add(self, charge: Charge) -> None:
        if charge.error is None:
            self.calls += 1
            self.unpriced += charge.dollars is None
        else:
            self.failed += 1
            self.uncertain += charge.dollars is None
        self.samples += charge.samples
        usage = charge.usage
        self._prompt += usage.prompt
        self._cached += usage.cached
        self._completion += usage.completion
        self._reasoning += usage.reasoning
        self.dollars += charge.dollars or 0.0
        self._seconds += charge.seconds

    def totals(self) -> Totals:
        usage = Usage(self._prompt, self._cached, self._completion, self._reasoning)
        counts = (self.calls, self.samples, self.failed)
        return Totals(*counts, usage, self.dollars, self.unpriced, self.uncertain, self._seconds)


@dataclass(frozen=True, slots=True)
class Share:
    """What one model cost in one layer.

    Attributes:
        layer: The path of the layer, such as ``1.rank``.
        technique: The technique's kind.
        model: The model's name.
        attributed: What the layer's requests to it cost by themselves.
        paid: What was really sent.
    """

    layer: str
    technique: str
    model: str
    attributed: Totals
    paid: Totals


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
        "uncertain_attempts": totals.uncertain,
        "endpoint_seconds": round(totals.seconds, 4),
    }


def totals_from_data(data: Mapping[str, Any]) -> Totals:
    """The inverse of :func:`totals_to_data`."""
    usage = Usage(data["prompt_tokens"], data["cached_tokens"], data["completion_tokens"], data["reasoning_tokens"])
    return Totals(
        data["calls"],
        data["samples"],
        data["failed"],
        usage,
        data["dollars"] or 0.0,
        data["unpriced_calls"],
        data.get("uncertain_attempts", 0),
        data.get("endpoint_seconds", 0.0),
    )


Part = tuple[str, str, str, str]
"""Question, layer, technique and model."""
Attribute = Literal["question", "layer", "technique", "model"]
ATTRIBUTES: tuple[Attribute, ...] = ("question", "layer", "technique", "model")


class Ledger:
    """What was charged, summed up as it comes: its size does not grow with the number of calls."""

    def __init__(self) -> None:
        self._total = _Sum()
        self._runs: dict[int, dict[Part, _Sum]] = {}

    @property
    def total(self) -> Totals:
        """Everything so far."""
        return self._total.totals()

    def add(self, charge: Charge, run: int) -> None:
        """Record one charge of one run of the engine."""
        self._total.add(charge)
        parts = self._runs.setdefault(run, {})
        key = (charge.question, charge.layer, charge.technique, charge.model)
        if (part := parts.get(key)) is None:
            part = parts[key] = _Sum()
        part.add(charge)

    def of_run(self, run: int) -> dict[Part, Totals]:
        """What one run has cost so far, by question, layer, technique and model."""
        return {key: part.totals() for key, part in self._runs.get(run, {}).items()}

    def by(self, *attributes: Attribute) -> dict[tuple[str, ...], Totals]:
        """Totals by some of the attributes of a charge, in the order of first use; by none of them, the total alone."""
        places = [ATTRIBUTES.index(attribute) for attribute in attributes]
        parts: dict[tuple[str, ...], Totals] = {}
        for run in self._runs.values():
            for key, part in run.items():
                name = tuple(key[place] for place in places)
                parts[name] = parts.get(name, Totals()) + part.totals()
        return parts


def shares_of_run(ledger: Ledger, paid: Ledger, run: int) -> tuple[Share, ...]:
    """What one run of the engine cost in each layer with each model."""
    attributed, sent = ledger.of_run(run), paid.of_run(run)
    keys = sorted(attributed.keys() | sent.keys())
    return tuple([Share(*key[1:], attributed.get(key, NOTHING), sent.get(key, NOTHING)) for key in keys])
