"""Answers written on to their ends, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence

from archon.stepwise import Partial
from techniques.stepwise.search import Search


async def roll_out(search: Search, wanted: Sequence[tuple[Partial, int]]) -> list[list[Partial]]:
    """Write open partial answers on to their ends, all at the same time.

    Args:
        search: What to draw with; nothing is scored.
        wanted: Open partial answers and how many ends to draw for each.

    Returns:
        For each, its ends, without those on whose way a draw failed. What was cut off by a bound is an end, too.

    Raises:
        Exhausted: A bound does not bear the next round.
    """
    ends: list[list[Partial]] = [[] for _ in wanted]
    going = list(enumerate(wanted))
    while going:
        families = await search.extend([want for _, want in going])
        following: list[tuple[int, tuple[Partial, int]]] = []
        for (place, _), family in zip(going, families, strict=True):
            ends[place] += [child for child in family if not child.open]
            following += [(place, (child, 1)) for child in family if child.open]
        going = following
    return ends
