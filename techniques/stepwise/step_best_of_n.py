"""Draw several next steps, keep the best of them, and go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.stepwise import Partial
from archon.technique import Context, Plan
from techniques.stepwise.base import Stepwise
from techniques.stepwise.plan import plan_of_rounds
from techniques.stepwise.search import Search


class StepBestOfN(Stepwise, kind="step_best_of_n"):
    """Draw several next steps, keep the best of them, and go on from there until the answer is complete.

    In every round ``n`` steps are drawn and scored, and the one with the highest reward is kept, the first of equals.
    A step that fails or has no score is recorded and passed over. Cost: at most n x max_steps steps, and the reward's.

    Source: step-level best-of-N, the greedy baseline of step search (as in Snell et al. 2024, arXiv:2408.03314, where
    beam search has a single beam).
    """

    calls: ClassVar[str] = "at most n × max_steps, plus the reward's"

    n: Annotated[int, Field(ge=1), IntKnob(1, 32, log=True)] = 4

    def plan(self, candidates: int) -> Plan | None:
        """``n`` steps per round."""
        return plan_of_rounds(self, (1, self.n), (1, self.n), 1)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """One answer."""
        return await step_best_of_n(search, self.n)


async def step_best_of_n(search: Search, n: int) -> list[Partial]:
    """Follow the best of ``n`` next steps to the end.

    Args:
        search: What to search with.
        n: Steps drawn per round.

    Returns:
        The answer; where all next steps failed, the beginning before them; nothing if there is not even that.

    Raises:
        Exhausted: There is no more to spend.
    """
    best = search.root
    while best.open:
        (children,) = await search.grow([(best, n)])
        if not children:
            break
        best = max(children, key=lambda child: child.score or 0.0)
        search.mark([best], "kept")
    return [best] if best.steps else []
