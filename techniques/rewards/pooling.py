"""A reward model behind vLLM's ``/pooling`` route: one that scores answers, or every step of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from archon.concurrency import gather
from archon.endpoint import Endpoint
from archon.errors import ParseError
from archon.state import Candidate, Failure, State
from archon.technique import Context
from techniques.prompts import as_shown
from techniques.rewards.http import Remote

TOLERANCE = 0.02

Aggregate = Literal["last", "min", "mean", "product"]
AGGREGATES: Mapping[Aggregate, Callable[[Sequence[float]], float]] = {
    "last": lambda steps: steps[-1],
    "min": min,
    "mean": lambda steps: math.fsum(steps) / len(steps),
    "product": math.prod,
}


class Pooling(Remote, kind="pooling"):
    """A reward model behind vLLM's ``/pooling`` route: one that scores answers, or every step of them.

    Each candidate is posted as the assistant's turn of its conversation. With ``mark``, the model is a process reward
    model: the text is split into steps at ``split`` (empty ones are dropped), a mark is put behind each, and the
    server has to answer with one row per step: a probability, or those of wrong and right, which add up to 1.
    ``aggregate`` makes one score of them. Without ``mark`` the server gives one number for the whole answer; most such
    models need ``squash``. Failed calls and replies of another form leave the candidate without a score. The trace
    holds every request; what the server costs is not accounted for. Cost: 1 request per candidate.

    Source: Zhang et al. 2025 (Lessons of Developing Process Reward Models, arXiv:2501.07301) for marks and steps;
    Lightman et al. 2023 (Let's Verify Step by Step, arXiv:2305.20050) for their product and minimum.

    Example:
        pooling:
          url: http://127.0.0.1:8000/pooling
          model: Qwen/Qwen2.5-Math-PRM-7B
          mark: <extra_0>
          aggregate: min
    """

    calls: ClassVar[str] = "0 (1 request per candidate to the server)"

    model: Annotated[str, Field(min_length=1)]
    mark: Annotated[str | None, Field(min_length=1)] = None
    split: Annotated[str, Field(min_length=1)] = "\n\n"
    aggregate: Aggregate = "last"

    @property
    def scores_beginnings(self) -> bool:
        """A process reward model is made for them."""
        return self.unfinished or self.mark is not None

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Post every candidate at the same time."""
        async with self.endpoint() as endpoint:
            return await gather(self._ask(state, candidate, endpoint, context) for candidate in state.candidates)

    async def _ask(self, state: State, candidate: Candidate, endpoint: Endpoint, context: Context) -> float | Failure:
        steps = steps_of(candidate.text, self.split)
        if self.mark is not None and not steps:
            return Failure(context.layer, "parse", f"{candidate.origin}: the text has no steps to score")
        said = [{"role": message.role, "content": message.content} for message in as_shown(state).messages]
        text = candidate.text if self.mark is None else "".join(step + self.mark for step in steps)
        body = {"model": self.model, "messages": [*said, {"role": "assistant", "content": text}]}

        def read(reply: Any) -> float:
            rows = parse_rows(reply)
            if self.mark is None:
                (score,) = parse_steps(rows, 1, probabilities=False)
                squashed: float = self.squashed(score)
                return squashed
            return AGGREGATES[self.aggregate](parse_steps(rows, len(steps), probabilities=True))

        return await self.ask(endpoint, body, read, 1, context)


def steps_of(text: str, split: str) -> list[str]:
    """The steps of a text without the white space around them; none of them is empty."""
    return [step.strip() for step in text.split(split) if step.strip()]


def parse_rows(reply: Any) -> list[Any]:
    """What the model gave for the one conversation that was posted, a bare number as a list of one.

    Raises:
        ParseError: The reply has another form.
    """
    try:
        (item,) = reply["data"]
        data = item["data"]
    except (KeyError, TypeError, ValueError):
        raise ParseError('the reply is not of the form {"data": [{"data": [...]}]}') from None
    return data if isinstance(data, list) else [data]


def parse_steps(rows: Sequence[Any], count: int, *, probabilities: bool) -> list[float]:
    """One score per row.

    Args:
        rows: Numbers, lists of one number, or, for probabilities, those of wrong and right.
        count: How many there have to be.
        probabilities: Whether they have to lie between 0 and 1.

    Raises:
        ParseError: There are more or fewer, or something else.
    """
    if len(rows) != count:
        raise ParseError(f"{len(rows)} scores for {count} steps")
    scores: list[float] = []
    for row in rows:
        numbers = row if isinstance(row, list) else [row]
        if not numbers or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
            raise ParseError("a score is not a number")
        if not all(map(math.isfinite, numbers)):
            raise ParseError("a score is not finite")
        if probabilities and not all(0 <= n <= 1 for n in numbers):
            raise ParseError("a step's score is not a probability")
        if len(numbers) > 1 and not (probabilities and len(numbers) == 2 and abs(sum(numbers) - 1) < TOLERANCE):
            raise ParseError(f"a score of {len(numbers)} numbers that are not the probabilities of wrong and right")
        scores.append(float(numbers[-1]))
    return scores
