"""What an imperfect verifier can and cannot buy: draw until one sample is accepted, or draw N and choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FirstAccept:
    """What becomes of drawing until the verifier accepts, at most ``cap`` times.

    Attributes:
        correct: The chance of a right answer.
        false_accept: The chance that a wrong one is accepted.
        abstain: The chance that none is.
        samples: The expected number of samples.
        ceiling: The chance that what is accepted is right, whatever the cap; 0 if nothing ever is.
    """

    correct: float
    false_accept: float
    abstain: float
    samples: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Kind:
    """Problems of one difficulty.

    Attributes:
        weight: Their share of all problems.
        p: The chance that a sample is right.
        t: The chance that a right one is accepted (the verifier's true positive rate).
        f: The chance that a wrong one is (its false positive rate).
    """

    weight: float
    p: float
    t: float
    f: float


@dataclass(frozen=True, slots=True)
class BestCap:
    """The cap with the highest utility.

    Attributes:
        n: Samples at most; 0 where it is best not to answer.
        utility: What it is worth.
        limited: Whether more than ``limit`` might be better still.
    """

    n: int
    utility: float
    limited: bool


@dataclass(frozen=True, slots=True)
class BestParallel:
    """How many samples to draw at once for a verifier that never errs.

    Attributes:
        n: The best whole number.
        utility: What it is worth.
        continuous: Where the derivative vanishes.
    """

    n: int
    utility: float
    continuous: float


def first_accept(p: float, t: float, f: float, cap: float) -> FirstAccept:
    """Draw until the verifier accepts, at most ``cap`` times; ``math.inf`` for no cap.

    With ``a = p t``, ``b = (1 - p) f`` and ``q = 1 - a - b`` the answer is right with ``a / (a + b) (1 - q**cap)``:
    more samples only move the share that is answered; the quality of answers has the ceiling ``a / (a + b)``.

    Source: Stroebl, Kapoor and Narayanan 2024 (Inference Scaling fLaws, arXiv:2411.17501).

    Raises:
        ValueError: A probability is not from 0 to 1, or the cap is negative.
    """
    if not all(0 <= x <= 1 for x in (p, t, f)) or cap < 0:
        raise ValueError("p, t and f are probabilities, and the cap is at least 0")
    a, b = p * t, (1 - p) * f
    accepted = a + b
    if accepted == 0:
        return FirstAccept(0.0, 0.0, 1.0, float(cap), 0.0)
    ended = _ended(accepted, cap)
    return FirstAccept(a / accepted * ended, b / accepted * ended, 1 - ended, ended / accepted, a / accepted)


def _ended(chance: float, attempts: float) -> float:
    """``1 - (1 - chance)**attempts``, exact for the smallest chances too."""
    if attempts == 0:
        return 0.0
    return 1.0 if chance >= 1 else -math.expm1(attempts * math.log1p(-chance))


def utility(kinds: Sequence[Kind], cap: float, *, value: float, loss: float, cost: float) -> float:
    """What first-accept with a cap is worth per problem.

    ``sum of w (1 - q**cap) / (a + b) (value a - loss b - cost)``. Weights are the prior shares of the kinds; weighting
    by the kinds that are left after failures counts survival twice.

    Args:
        kinds: The mix of problems.
        cap: Samples at most.
        value: Of a right answer.
        loss: Of a wrong one that is accepted.
        cost: Of a sample.
    """
    total = 0.0
    for kind in kinds:
        outcome = first_accept(kind.p, kind.t, kind.f, cap)
        total += kind.weight * (value * outcome.correct - loss * outcome.false_accept)
        # A free sample costs nothing even where the verifier accepts none of infinitely many.
        total -= kind.weight * cost * outcome.samples if cost else 0.0
    return total


def best_cap(kinds: Sequence[Kind], *, value: float, loss: float, cost: float, limit: int = 10_000) -> BestCap:
    """The cap up to ``limit`` with the highest utility; the smallest one of several.

    Attempt k adds ``sum of w q**(k-1) (value a - loss b - cost)``. With one kind that never changes its sign, so that
    the best cap is 0 or infinite; a finite one needs problems that differ. All caps are looked at, because the sign may
    change more than once.
    """
    rates = [(kind.weight, kind.p * kind.t, (1 - kind.p) * kind.f) for kind in kinds]
    surviving = [weight for weight, _, _ in rates]
    best, best_at, so_far, gain = 0.0, 0, 0.0, 0.0
    for attempt in range(1, limit + 1):
        gain = math.fsum(s * (value * a - loss * b - cost) for s, (_, a, b) in zip(surviving, rates, strict=True))
        so_far += gain
        if so_far > best + 1e-15:
            best, best_at = so_far, attempt
        surviving = [s * max(0.0, 1 - a - b) for s, (_, a, b) in zip(surviving, rates, strict=True)]
    return BestCap(best_at, best, best_at == limit and gain > 0)


def parallel_utility(p: float, n: float, *, value: float, cost: float) -> float:
    """What ``n`` samples drawn at once are worth to a verifier that never errs: ``value (1 - (1 - p)**n) - cost n``."""
    return value * _ended(p, n) - cost * n


def best_parallel(p: float, *, value: float, cost: float) -> BestParallel:
    """The best number of samples drawn at once; without a finite one where they cost nothing.

    Raises:
        ValueError: ``p`` is not strictly between 0 and 1, or ``cost`` is not positive.
    """
    if not 0 < p < 1 or cost <= 0:
        raise ValueError("the best number of samples needs p strictly between 0 and 1 and a cost above 0")
    ratio = cost / (-value * math.log1p(-p)) if value > 0 else math.inf
    continuous = max(0.0, math.log(ratio) / math.log1p(-p)) if ratio < math.inf else 0.0
    around = {max(0, math.floor(continuous)), math.ceil(continuous)}
    worth, n = max((parallel_utility(p, n, value=value, cost=cost), -n) for n in around)
    return BestParallel(-n, worth, continuous)
