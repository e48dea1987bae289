"""The Bradley-Terry model: strengths from pairwise wins, and an order from strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pair = tuple[int, int]
"""Two different items by their positions."""

ROUNDS = 1000
STRIDE = 4.0
PRECISION = 1e-8
DIGITS = 9


def strengths(count: int, wins: Mapping[Pair, float], prior: float | None = None) -> list[float]:
    """The most probable log-strengths of ``count`` items: i beats j with probability ``1 / (1 + exp(s[j] - s[i]))``.

    Every item is also taken to have tied ``prior`` times with an item of strength 0, which keeps undefeated items
    finite and items that never met, even indirectly, comparable. With the default of ``1 / count``, nobody is put
    below an item it beat at least once as long as the wins contradict no order: all that the prior pulls together
    then comes to less than half a win.

    The posterior is concave, so bounded Newton steps find its one maximum, in a few dozen rounds. Minorisation (Hunter
    2004, MM algorithms for generalized Bradley-Terry models) has the same fixed point, but takes tens of thousands of
    rounds where wins are one-sided, as those that a good judge awards are.

    Args:
        count: How many items.
        wins: The points that the first of a pair won against the second, such as 1, or 0.5 in both directions for a
            tie. Pairs that never met are left out.
        prior: The weight of the prior in comparisons per item, above 0.

    Source: Bradley and Terry 1952; ties as half a win to each.
    """
    # Loading numpy takes longer than everything else in a command that ranks nothing.
    import numpy as np

    weight = 1 / max(count, 1) if prior is None else prior
    points = np.zeros((count, count))
    for pair, won in wins.items():
        points[pair] += won
    met = points + points.T
    won_by = points.sum(axis=1) + weight / 2
    at = np.zeros(count)
    for _ in range(ROUNDS):
        beats, beats_prior = _chances(at), _logistic(at)
        gradient = won_by - (met * beats).sum(axis=1) - weight * beats_prior
        spread = met * beats * beats.T
        curvature = np.diag(spread.sum(axis=1) + weight * beats_prior * (1 - beats_prior)) - spread
        step = np.linalg.solve(curvature, gradient)
        longest = float(np.abs(step).max(initial=0.0))
        # Far from the maximum, where chances saturate, a whole step would overshoot.
        at = at + step * min(1.0, STRIDE / max(longest, STRIDE))
        if longest < PRECISION:
            break
    return [float(strength) for strength in at]


def win_shares(strengths: Sequence[float]) -> list[float]:
    """Each item's probability of beating another one, averaged over the others; 0.5 for an item by itself."""
    import numpy as np

    if len(strengths) < 2:
        return [0.5] * len(strengths)
    shares = (_chances(np.asarray(strengths)).sum(axis=1) - 0.5) / (len(strengths) - 1)
    # Rounding makes equal what differs by the order of summing alone.
    return [round(float(share), DIGITS) for share in shares]


def best_first(scores: Sequence[float]) -> list[int]:
    """Positions by falling score; equal ones stay in their order."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])


def shares_of(count: int, outcomes: Mapping[Pair, float]) -> list[float]:
    """The win shares of ``count`` items after comparisons.

    Args:
        count: How many items.
        outcomes: The points of the first of a pair, from 0 to 1; the second gets the rest.
    """
    wins = dict(outcomes) | {(second, first): 1 - points for (first, second), points in outcomes.items()}
    return win_shares(strengths(count, wins))


def agreed_order(count: int, rankings: Sequence[Sequence[int]]) -> list[int]:
    """One order of ``count`` items from rankings, best first, of all or of some of them.

    Whoever stands before another has won one point against it, and the items are ordered by Bradley-Terry strength.
    For rankings of all items that is the order by mean rank (Borda): a strength grows with the points where everybody
    met everybody equally often. Equal items stay in their order.
    """
    wins: dict[Pair, float] = {}
    for ranking in rankings:
        for place, better in enumerate(ranking):
            for worse in ranking[place + 1 :]:
                wins[better, worse] = wins.get((better, worse), 0.0) + 1
    return best_first(win_shares(strengths(count, wins)))


def _chances(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability that the item of a row beats that of a column."""
    return _logistic(at[:, None] - at[None, :])


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    # The hyperbolic tangent does not overflow.
    return 0.5 * (1 + np.tanh(x / 2))
