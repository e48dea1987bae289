"""One score for an answer out of the scores of its beginnings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from archon.stepwise import Partial
from techniques.rewards.pooling import AGGREGATES
from techniques.rewards.pooling import Aggregate as OfSteps

Aggregate = Literal[OfSteps, "whole"]
"""How the rewards of beginnings become one score. ``last`` and ``whole`` take that of the whole text; with
``whole``, the reward sees the text as a single step."""


def worth(partial: Partial, aggregate: Aggregate) -> float | None:
    """The score of a partial answer; ``None`` if its last beginning was not scored."""
    if partial.score is None:
        return None
    return AGGREGATES["last" if aggregate == "whole" else aggregate](partial.scores)


def best_first(partials: Iterable[Partial], aggregate: Aggregate) -> list[Partial]:
    """Highest score first, those without a score last; the earlier of equals first."""

    def order(partial: Partial) -> tuple[bool, float]:
        score = worth(partial, aggregate)
        return score is None, -(score or 0.0)

    return sorted(partials, key=order)


def distinct(partials: Iterable[Partial]) -> list[Partial]:
    """The same without those whose text an earlier one has, an answer and a beginning never being the same."""
    first: dict[tuple[str, bool], Partial] = {}
    for partial in partials:
        first.setdefault((partial.text, partial.open), partial)
    return list(first.values())
