"""Where an answer goes wrong, found by halving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.knobs import FloatKnob
from archon.state import Candidate, Failure, State
from archon.stepwise import Partial
from archon.technique import Context, Technique
from techniques.steps import Revision, each_candidate
from techniques.stepwise.base import StepReward
from techniques.stepwise.scorer import ProcessReward

REMARK = "The first error seems to be in step {number} of {steps}:\n{step}"


class Unknown(Exception):  # noqa: N818 - not an error: a question that has no answer
    """Whether a beginning is right could not be found out."""


class FirstError(Technique, kind="first_error"):
    """Find the step in which each candidate goes wrong, by halving, and leave a remark about it.

    The reward scores beginnings, such as a `rollout` with a verifier: a beginning is taken to be right as long as its
    reward is above `threshold`. That beginnings which are right come before those which are not is assumed, so that of
    M steps at most ⌈log2 M⌉ + 1 beginnings are scored. Every score is left in the trace as a label of its step, for
    ``archon labels``. A candidate in which no error is found gets no remark; nor does one whose search ended because a
    score could not be had, which is recorded. Cost: the reward of at most ⌈log2 M⌉ + 1 beginnings per candidate.

    Source: Luo et al. 2024 (OmegaPRM, arXiv:2406.06592), its binary search for the first error.
    """

    calls: ClassVar[str] = "the reward's, for at most ⌈log2 steps⌉ + 1 beginnings per candidate"

    reward: StepReward
    delimiter: Annotated[str, Field(min_length=1)] = "\n\n"
    threshold: Annotated[float, Field(allow_inf_nan=False), FloatKnob(0.0, 0.5)] = 0.0

    async def __call__(self, state: State, context: Context) -> State:
        """Search in every candidate at the same time."""

        async def work(candidate: Candidate, context: Context, index: int) -> Revision:
            return await self._work(state, candidate, context)

        return await each_candidate(state, context, work)

    async def _work(self, state: State, candidate: Candidate, context: Context) -> Revision:
        steps = split(candidate.text, self.delimiter)
        scorer = ProcessReward(self.reward, state, context, delimiter=self.delimiter)
        failures: list[Failure] = []

        async def right(number: int) -> bool:
            (score,) = await scorer.score([Partial(steps[:number], "stop" if number == len(steps) else "")])
            if isinstance(score, Failure):
                failures.append(score)
                raise Unknown
            record_label(context.record, steps[:number], score, right=score > self.threshold)
            return score > self.threshold

        try:
            number = await first_error(len(steps), right)
        except Unknown:
            return candidate, failures
        if number is None:
            return candidate, ()
        remark = REMARK.format(number=number, steps=len(steps), step=steps[number - 1].strip())
        return candidate.with_critique(remark), ()


async def first_error(steps: int, right: Callable[[int], Awaitable[bool]]) -> int | None:
    """The first wrong step, counted from 1, with at most ⌈log2(steps + 1)⌉ questions.

    Args:
        steps: How many there are.
        right: Whether the beginning with so many steps, at least one, is right.

    Returns:
        Its number; ``None`` if all are right. Where right and wrong beginnings alternate, a step is found whose
        beginning is wrong and the beginning before it right.
    """
    number = await bisect(0, steps + 1, right)
    return None if number > steps else number


async def bisect(low: int, high: int, right: Callable[[int], Awaitable[bool]]) -> int:
    """Where right turns into wrong between ``low``, which is right, and ``high``, which is wrong.

    Returns:
        The first number that is wrong, with at most ⌈log2(high - low)⌉ questions.
    """
    while high - low > 1:
        middle = (low + high) // 2
        if await right(middle):
            low = middle
        else:
            high = middle
    return high


def record_label(
    record: Callable[[str, Mapping[str, Any]], None], steps: Sequence[str], mc: float, *, right: bool
) -> None:
    """Put into the trace what was found out about the last of some steps."""
    record("label", {"prefix": "".join(steps[:-1]), "step": steps[-1], "mc": mc, "label": right})


def split(text: str, delimiter: str) -> tuple[str, ...]:
    """The steps of a text, each with the delimiter that ends it; what is empty belongs to the step before."""
    steps: list[str] = []
    parts = text.strip().split(delimiter)
    for place, part in enumerate(parts):
        ended = part + (delimiter if place < len(parts) - 1 else "")
        if part.strip() or not steps:
            steps.append(ended)
        else:
            steps[-1] += ended
    return tuple(steps)
