"""Follow the beginnings of highest value, a few samples each, until all that are kept are complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.stepwise import Partial
from archon.technique import Context, Plan
from techniques.stepwise.aggregate import best_first, without_repeats
from techniques.stepwise.base import Stepwise
from techniques.stepwise.plan import plan_of_rounds
from techniques.stepwise.search import Search


class StepBeam(Stepwise, kind="step_beam"):
    """Follow the ``beams`` beginnings of highest value, ``samples`` each, until all that are kept are complete.

    The first round draws beams x samples steps. Complete answers stay in the pool and are kept as long as their value
    is among the highest, which is where this differs from ``beam_search``; equal texts count once, and of equal values
    the earlier is kept. The answer is the one of highest value. One beam is the cheapest form, and the one its authors
    recommend. A step that fails or has no score is recorded and passed over. Cost: at most beams x samples x max_steps
    steps, and the reward's.

    Source: Chen et al. 2024 (AlphaMath, arXiv:2405.03553), step-level beam search, with the reward as the value. How
    its authors treat complete answers and equal texts in the pool is unverified.
    """

    calls: ClassVar[str] = "at most beams × samples × max_steps, plus the reward's"

    beams: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 1
    samples: Annotated[int, Field(ge=1), IntKnob(2, 16, log=True)] = 5

    def plan(self, candidates: int) -> Plan | None:
        """``samples`` steps per round and beam."""
        return plan_of_rounds(self, (1, self.beams * self.samples), (self.beams, self.samples), 1)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """One answer."""
        pool = await step_beam(search, beams=self.beams, samples=self.samples, first=self.beams * self.samples)
        return pool[:1]


async def step_beam(search: Search, *, beams: int, samples: int, first: int) -> list[Partial]:
    """Keep the best of all there is, complete or not, and sample next steps of what is not.

    Args:
        search: What to search with.
        beams: How many are kept.
        samples: Steps drawn for each that is not complete.
        first: Steps drawn in the first round.

    Returns:
        What was kept in the end, best first; beginnings after which all steps failed go last.

    Raises:
        Exhausted: There is no more to spend.
    """
    pool = best_first(without_repeats((await search.grow([(search.root, first)]))[0]), search.aggregate)[:beams]
    search.mark(pool, "kept")
    while going := [partial for partial in pool if partial.open]:
        families = await search.grow([(partial, samples) for partial in going])
        children = [child for family in families for child in family]
        ended = [partial for partial in pool if not partial.open]
        if not children:
            return [*ended, *going]
        pool = best_first(without_repeats([*ended, *children]), search.aggregate)[:beams]
        search.mark(pool, "kept")
    return pool
