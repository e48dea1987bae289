"""Turn weighted particles into equally weighted ones: four schemes, all of which are unbiased.

Particle i of weight W_i (the weights add up to 1) is drawn n x W_i times on average whatever the scheme; they differ in
how much the counts vary.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Literal

Scheme = Literal["multinomial", "systematic", "stratified", "residual"]
Resample = Callable[[Sequence[float], int, random.Random], list[int]]


def ess(weights: Sequence[float]) -> float:
    """The effective sample size: how many equally weighted particles vary as little as these; at least 1.

    Args:
        weights: Not all zero; their sum does not matter.
    """
    return math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights)


def multinomial(weights: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """``n`` independent draws."""
    return _at(weights, sorted(rng.random() for _ in range(n)))


def systematic(weights: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """Draws at equal distances behind a single random offset: every count is n x W rounded up or down."""
    offset = rng.random()
    return _at(weights, ((place + offset) / n for place in range(n)))


def stratified(weights: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """One draw in each of ``n`` equal parts: every count is less than 2 away from n x W."""
    return _at(weights, ((place + rng.random()) / n for place in range(n)))


def residual(weights: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """Of each n x W rounded down, and independent draws by what was cut off for the rest."""
    total = math.fsum(weights)
    expected = [n * weight / total for weight in weights]
    sure = [place for place, count in enumerate(expected) for _ in range(int(count))]
    rest = n - len(sure)
    return sorted(sure + multinomial([count % 1.0 for count in expected], rest, rng)) if rest else sure


SCHEMES: Mapping[Scheme, Resample] = {
    "multinomial": multinomial,
    "systematic": systematic,
    "stratified": stratified,
    "residual": residual,
}
"""From weights, the number of draws and randomness to the places of the drawn particles, in order."""


def _at(weights: Sequence[float], points: Iterable[float]) -> list[int]:
    """The particles in whose share of the line from 0 to 1 the points lie."""
    ends = list(accumulate(weights))
    # Rounding can carry a point to the very end of the line; it belongs to the last particle that has a share.
    last = max(place for place, weight in enumerate(weights) if weight > 0)
    return [min(bisect_right(ends, point * ends[-1]), last) for point in points]
