"""A* on any tree, with costs and a heuristic of the caller's."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reached(Generic[T]):
    """A state, and what it took to get there.

    Attributes:
        state: The state.
        cost: The sum of the costs on the way to it.
        estimate: What the heuristic says is still to come.
        depth: How many edges lead to it.
        surcharge: What it has to wait longer for, having been expanded before.
    """

    state: T
    cost: float
    estimate: float
    depth: int
    surcharge: float = 0.0

    @property
    def total(self) -> float:
        """Cost, estimate and surcharge together."""
        return self.cost + self.estimate + self.surcharge


class Frontier(Generic[T]):
    """What was reached and not expanded yet, the lowest total first, then the deeper, then the earlier.

    Args:
        start: Where the search starts.
        heuristic: The estimated cost from a state to the nearest goal.
    """

    def __init__(self, start: T, heuristic: Callable[[T], float]) -> None:
        self._heuristic = heuristic
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, int, Reached[T]]] = []
        self._push(Reached(start, 0.0, heuristic(start), 0))

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Reached[T]]:
        """In the order in which they would be expanded."""
        return (reached for _, _, _, reached in sorted(self._heap, key=lambda entry: entry[:3]))

    @property
    def first(self) -> Reached[T]:
        """What is expanded next."""
        return self._heap[0][-1]

    def replace_first(self, children: Iterable[tuple[T, float]], again: float | None = None) -> None:
        """Put the first one's children in its place, each with the cost of its edge.

        Args:
            children: The children.
            again: What is added to the first one's surcharge, if it is to wait again.
        """
        parent = heapq.heappop(self._heap)[-1]
        for state, cost in children:
            self._push(Reached(state, parent.cost + cost, self._heuristic(state), parent.depth + 1))
        if again is not None:
            self._push(replace(parent, surcharge=parent.surcharge + again))

    def _push(self, reached: Reached[T]) -> None:
        heapq.heappush(self._heap, (reached.total, -reached.depth, next(self._numbers), reached))


async def cheapest(
    frontier: Frontier[T],
    *,
    expand: Callable[[T], Awaitable[Sequence[tuple[T, float]]]],
    goal: Callable[[T], bool],
    again: float | None = None,
) -> Reached[T] | None:
    """Expand what is first until that is a goal.

    Goals are recognised when their turn comes, not when they are reached: so with a heuristic that never
    overestimates, and costs that are not negative, the one returned is the cheapest there is.

    Args:
        frontier: Where to start. If ``expand`` raises, what it was called with is still there, and all that waits.
        expand: The children of a state and the costs of the edges to them.
        goal: Whether a state is one to arrive at.
        again: What is added to the total of a state each time it was expanded, after which it waits again, until an
            expansion brings nothing; ``None`` if states are expanded once. For trees of which ``expand`` shows a part
            at a time.

    Returns:
        The goal, ``None`` if there is none.
    """
    while len(frontier):
        reached = frontier.first
        if goal(reached.state):
            return reached
        children = await expand(reached.state)
        frontier.replace_first(children, again if children else None)
    return None
