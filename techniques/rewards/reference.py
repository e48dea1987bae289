"""Whether an answer is the one that is known to be right."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from archon.reward import Reward
from archon.state import Failure, State
from archon.technique import Context


class Reference(Reward, kind="reference"):
    """Whether an answer is the one that is known to be right: 1 if it is, else 0.

    The architecture's answer format says how answers are found and compared; a text without an answer scores 0. For
    one question, or for questions with the same answer; a `python` reward can look answers up by the question. It
    scores whole answers; `rollout` makes of it a score for beginnings. Cost: none.

    Source: this framework; exact-match verification as in Cobbe et al. 2021 (arXiv:2110.14168).

    Example:
        reference: {answer: "42"}
    """

    calls: ClassVar[str] = "0"

    answer: Annotated[str, Field(min_length=1)]

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Compare."""
        found = [context.answers.extract(candidate.text) for candidate in state.candidates]
        return [float(answer is not None and context.answers.equal(answer, self.answer)) for answer in found]

    def plan(self, candidates: int) -> tuple[()]:
        """It asks no model."""
        return ()
