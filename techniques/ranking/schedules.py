"""Who is compared with whom, and when: rounds of pairs, each of which may depend on the outcomes before.

A schedule yields one round at a time, as pairs of positions (the earlier first), and is sent its outcomes: the points
of the first of a pair, from 0 to 1. A pair whose comparison failed is left out of the outcomes and not asked again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence

from archon.bradley_terry import Pair, best_first, shares_of

Outcomes = Mapping[Pair, float]
Schedule = Generator[list[Pair], Outcomes, None]


def all_pairs(count: int) -> Schedule:
    """Every pair once, in one round; ``count * (count - 1) / 2`` comparisons.

    The order is that of the circle method, in which everybody meets one other per turn, so that a schedule cut
    anywhere has compared everybody about equally often.
    """
    circle: list[int] = list(range(count + count % 2))
    pairs: list[Pair] = []
    for _ in range(len(circle) - 1):
        turn = zip(circle, reversed(circle[len(circle) // 2 :]), strict=False)
        pairs += [_pair(one, other) for one, other in turn if max(one, other) < count]
        circle = [circle[0], circle[-1], *circle[1:-1]]
    if pairs:
        yield pairs


def knockout(count: int) -> Schedule:
    """Single elimination; ``count - 1`` comparisons in ``ceil(log2(count))`` rounds.

    The better of a pair goes on, of two equal ones the earlier. Of an odd number the last goes on without a
    comparison and is first in the next round, so that it does not happen to the same one twice in a row.
    """
    yield from _knockout(count, {})


def pivot(count: int, pivots: int) -> Schedule:
    """A knockout, then everybody against the ``pivots`` candidates that stood longest, all in one round.

    At most ``count - 1 + k * (count - k) + k * (k - 1) / 2`` comparisons for k pivots; pairs that have met are not
    compared again.
    """
    met: dict[Pair, float | None] = {}
    stood = yield from _knockout(count, met)
    rest = [_pair(one, other) for one in stood[:pivots] for other in range(count) if other != one]
    if rest := [pair for pair in dict.fromkeys(rest) if pair not in met]:
        yield rest


def swiss(count: int) -> Schedule:
    """A knockout, then neighbours in the standings that have not met, round by round until every pair has.

    Later comparisons go where the order is least certain, so the schedule is worth cutting anywhere.
    """
    met: dict[Pair, float | None] = {}
    yield from _knockout(count, met)
    while pairs := _neighbours(_standings(count, met), met):
        outcomes = yield pairs
        met |= {pair: outcomes.get(pair) for pair in pairs}


def advance(schedule: Schedule, outcomes: Outcomes | None = None) -> list[Pair]:
    """The next round after the outcomes of the last one (``None`` before the first), empty when all is played."""
    try:
        return next(schedule) if outcomes is None else schedule.send(outcomes)
    except StopIteration:
        return []


def rounds(schedule: Schedule) -> list[int]:
    """How many comparisons each round of a schedule has when the earlier of every pair is the better."""
    sizes: list[int] = []
    pairs = advance(schedule)
    while pairs:
        sizes.append(len(pairs))
        pairs = advance(schedule, dict.fromkeys(pairs, 1.0))
    return sizes


def _knockout(count: int, met: dict[Pair, float | None]) -> Generator[list[Pair], Outcomes, list[int]]:
    """Plays it, notes in ``met`` who met with which outcome, and returns who stood longest first."""
    standing = list(range(count))
    fallen: list[int] = []
    while len(standing) > 1:
        pairs = [_pair(*two) for two in zip(standing[::2], standing[1::2], strict=False)]
        outcomes = yield pairs
        met |= {pair: outcomes.get(pair) for pair in pairs}
        lost = [second if outcomes.get((first, second), 0.5) >= 0.5 else first for first, second in pairs]
        fallen = lost + fallen
        standing = standing[2 * len(pairs) :] + [sum(pair) - loser for pair, loser in zip(pairs, lost, strict=True)]
    return standing + fallen


def _standings(count: int, met: Mapping[Pair, float | None]) -> list[int]:
    return best_first(shares_of(count, {pair: points for pair, points in met.items() if points is not None}))


def _neighbours(standings: Sequence[int], met: Iterable[Pair]) -> list[Pair]:
    """Everybody, best first, with the next one that is free and has not been met."""
    pairs: list[Pair] = []
    known = set(met)
    free = list(standings)
    while free:
        one = free.pop(0)
        partner = next((other for other in free if _pair(one, other) not in known), None)
        if partner is not None:
            free.remove(partner)
            pairs.append(_pair(one, partner))
    return pairs


def _pair(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)
