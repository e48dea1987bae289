"""Go on with the beginning that promises the cheapest answer, wherever it stands in the tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archon.errors import ConfigError
from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.state import Failure
from archon.stepwise import Partial
from archon.technique import Context
from techniques.stepwise.aggregate import without_repeats
from techniques.stepwise.base import Stepwise
from techniques.stepwise.frontier import Frontier, cheapest
from techniques.stepwise.search import Exhausted, Limit, Search

Cost = Literal["1-r", "-log r"]
"""What a step to a beginning with the reward r costs."""


class AStar(Stepwise, kind="a_star"):
    """Go on with the beginning that promises the cheapest answer, wherever it stands in the tree: A*-decoding.

    The cost g of a beginning is the sum over its steps of ``cost``, taken of the rewards r of the beginnings that end
    with them; its estimate h is ``weight`` x (1 - r), of its own reward. The one with the lowest g + h is taken out of
    all that wait, wherever it stands, the deeper of equals first, then the earlier. If it is a complete answer, that
    is the candidate; otherwise ``k`` next steps are drawn, equal ones count once, and what comes of them waits. When
    ``limit`` is used up, the complete answer with the lowest g + h is taken, or else the beginning with the lowest.
    Rewards have to be from 0 to 1. A step that fails or has no score is recorded and passed over. Cost: k steps per
    expansion within ``limit``, 256 steps if that is not given, and the reward's.

    With ``again``, a beginning that was expanded waits again at a g + h that much higher, and more is drawn from it
    when its turn comes, until nothing new comes of it. So ``k`` can be small, even 1: few draws where the first ones
    are good, more where they are not. Without it, what ``k`` draws did not bring is never seen.

    No optimum is promised: only steps that were drawn are seen, 1 - r is not known never to overestimate, it is not 0
    for complete answers, and sums of costs favour short answers. A weight of 0 is uniform-cost search. The score of the
    candidate is that of ``aggregate``, which does not guide the search.

    Source: A*-decoding (arXiv:2505.13672), from which h = 1 - r is taken. Its cost g, the scope of its frontier, its k,
    its steps, ties and caps are unverified; here they are textbook A* and this project's choices. ``again`` is after
    partial expansion A* (Yoshizumi, Miura and Ishida, AAAI 2000), whose rule cannot be had where children come by
    chance: there a node waits with the lowest g + h of the children it has not shown yet.
    """

    calls: ClassVar[str] = "k per expansion within limit, plus the reward's"

    k: Annotated[int, Field(ge=1), IntKnob(2, 16, log=True)] = 4
    cost: Annotated[Cost, ChoiceKnob(("1-r", "-log r"))] = "1-r"
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False), FloatKnob(0.0, 4.0)] = 1.0
    again: Annotated[float | None, Field(gt=0, allow_inf_nan=False), FloatKnob(0.05, 4.0, log=True)] = None
    limit: Limit = Limit(calls=256)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """One answer, or what waits when there is no more to spend."""
        frontier = waiting(search, self.weight)
        try:
            return await a_star(search, frontier, k=self.k, cost=self.cost, again=self.again)
        except Exhausted as exhausted:
            search.failures.append(Failure(context.layer, "budget", str(exhausted)))
            # Where the limit bears a draw but not its score, a complete answer can be in the tree and not wait.
            left = [reached.state for reached in frontier if reached.state.steps]
            return [partial for partial in left if partial.complete][:1] or search.answers()[:1] or left[:1]


def waiting(search: Search, weight: float) -> Frontier[Partial]:
    """The root alone, and the rule by which more will wait."""
    # The root has no reward; nothing speaks against it, so that with ``again`` it competes with what came of it.
    return Frontier(search.root, lambda partial: weight * (1 - partial.score) if partial.score is not None else 0.0)


async def a_star(
    search: Search, frontier: Frontier[Partial], *, k: int, cost: Cost, again: float | None = None
) -> list[Partial]:
    """Expand what promises most until that is a complete answer.

    Args:
        search: What to search with.
        frontier: What waits; it stays usable if the search ends early.
        k: Draws per expansion.
        cost: The cost of a step.
        again: How much later a beginning waits for each time it was expanded; ``None`` if each is expanded once.

    Returns:
        The answer; nothing if all that waited came to nothing.

    Raises:
        ConfigError: A reward is not between 0 and 1.
        Exhausted: There is no more to spend.
    """
    drawn: dict[int, list[Partial]] = {}

    async def expand(partial: Partial) -> list[tuple[Partial, float]]:
        if not partial.open:
            return []
        (children,) = await search.grow([(partial, k)])
        search.mark([partial], "expanded")
        known = drawn.get(partial.node, [])
        drawn[partial.node] = without_repeats([*known, *children])
        return [(child, price(child.score or 0.0, cost)) for child in drawn[partial.node][len(known) :]]

    reached = await cheapest(frontier, expand=expand, goal=lambda partial: partial.complete, again=again)
    return [] if reached is None else [reached.state]


def price(reward: float, cost: Cost) -> float:
    """The cost of a step to a beginning with that reward.

    Raises:
        ConfigError: The reward is not between 0 and 1, so that the cost would be negative.
    """
    if not 0 <= reward <= 1:
        raise ConfigError(f"a_star needs rewards from 0 to 1, and this one gives {reward}.")
    if cost == "1-r":
        return 1 - reward
    return -math.log(reward) if reward else math.inf
