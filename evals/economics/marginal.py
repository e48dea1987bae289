"""What more accuracy costs: one architecture over another on the same problems."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.economics.cost_of_pass import problem_weights
from evals.statistics.bootstrap import ends, summary
from evals.statistics.estimate import Estimate
from evals.statistics.paired import Difference, paired
from evals.table import Table, Unit, same_problems

Verdict = Literal["dearer and better", "better at no more", "no gain shown", "cheaper, no loss shown", "worse"]


@dataclass(frozen=True, slots=True)
class Marginal:
    """What each further right answer costs when one architecture replaces another.

    Attributes:
        value: ``(cost - cost) / (accuracy - accuracy)``; below 0 where it is better and cheaper; ``inf`` where no
            accuracy is gained, so that none can be bought.
        low: Lower end of the 95 % interval over problems.
        high: Upper end of it; ``inf`` where the difference in accuracy may be 0 or less.
        n: The number of problems.
        unit: What the cost is counted in.
        accuracy: The difference in accuracy by problem.
        cost: The difference in mean cost per answer.
        gains: In what share of the resamples of problems accuracy is gained.
        verdict: What the intervals of the two differences allow to be said.
        sentence: The finding in plain words.
    """

    value: float
    low: float
    high: float
    n: int
    unit: Unit
    accuracy: Difference
    cost: Estimate
    gains: float
    verdict: Verdict
    sentence: str


def marginal(new: Table, base: Table, unit: Unit, *, draws: int = 2000, seed: int = 0) -> Marginal:
    """The price of the accuracy that ``new`` adds to ``base``.

    A ratio whose denominator may be 0 has no ordinary interval: resamples without a gain count as an infinite price.

    Args:
        new: The architecture one might move to.
        base: The one it would replace, on the same problems.
        unit: Of the cost.
        draws: Resamples of problems.
        seed: Of those resamples.

    Raises:
        ValueError: The two differ in problems, or a cost is not known.
    """
    same_problems((new, base))
    accuracy = paired(new.mean_scores[:, None], base.mean_scores[:, None], new.groups)
    gained, paid, cost = _drawn(new, base, unit, draws, seed)
    prices = _price(paid, gained)
    value = float(_price(np.array([cost.value]), np.array([accuracy.value]))[0])
    low, high = ends(prices, 0.025, 0.975)
    if accuracy.low <= 0:
        high = math.inf
    low = min(low, value)
    verdict = _verdict(accuracy, cost)
    sentence = _sentence(new.architecture, base.architecture, accuracy, cost, unit, (value, low, high), verdict)
    gains = float((gained > 1e-12).mean())
    return Marginal(value, low, max(high, value), accuracy.n, unit, accuracy, cost, gains, verdict, sentence)


def net_benefit(
    new: Table, base: Table, unit: Unit, *, worth: float, draws: int = 2000, seed: int = 0
) -> tuple[Estimate, float]:
    """What ``new`` adds per problem if a right answer is worth so much, and the chance that this is above 0.

    Unlike the price of accuracy it is well defined whatever the signs. Arguments and errors as in :func:`marginal`.

    Args:
        new: The architecture one might move to.
        base: The one it would replace, on the same problems.
        unit: Of the cost and of ``worth``.
        worth: What a right answer is worth.
        draws: Resamples of problems.
        seed: Of those resamples.
    """
    same_problems((new, base))
    gained, paid, cost = _drawn(new, base, unit, draws, seed)
    value = worth * float((new.mean_scores - base.mean_scores).mean()) - cost.value
    benefit = worth * gained - paid
    return summary(value, benefit, cost.n), float((benefit > 0).mean())


def _drawn(
    new: Table, base: Table, unit: Unit, draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], Estimate]:
    weights = problem_weights(new, draws, seed)
    weights /= weights.sum(axis=1, keepdims=True)
    more_cost = new.mean_costs(unit) - base.mean_costs(unit)
    paid = weights @ more_cost
    return weights @ (new.mean_scores - base.mean_scores), paid, summary(float(more_cost.mean()), paid, new.n)


def _price(paid: NDArray[np.float64], gained: NDArray[np.float64]) -> NDArray[np.float64]:
    some = gained > 1e-12
    return np.where(some, paid / np.where(some, gained, 1), math.inf)


def _verdict(accuracy: Difference, cost: Estimate) -> Verdict:
    if accuracy.high < 0:
        return "worse"
    if accuracy.low > 0:
        return "dearer and better" if cost.low > 0 else "better at no more"
    return "cheaper, no loss shown" if cost.high < 0 else "no gain shown"


def _sentence(
    new: str,
    base: str,
    accuracy: Difference,
    cost: Estimate,
    unit: Unit,
    price: tuple[float, float, float],
    verdict: Verdict,
) -> str:
    more, least, most = (_plain(end, sign=True) for end in (cost.value, cost.low, cost.high))
    found = (
        f"{new} is {accuracy.value:+.3f} ({accuracy.low:+.3f} to {accuracy.high:+.3f}, {accuracy.n} problems) in "
        f"accuracy over {base}, at {more} ({least} to {most}) {unit} per answer: "
    )
    value, low, high = price
    if verdict == "dearer and better":
        bound = "no bound" if math.isinf(high) else _plain(high)
        return f"{found}each further right answer costs {_plain(value)} ({_plain(low)} to {bound})."
    return (
        found
        + {
            "worse": "it is worse.",
            "better at no more": "it is better and not shown to cost more.",
            "cheaper, no loss shown": "it is cheaper, and no loss of accuracy is shown.",
            "no gain shown": "no gain is shown, so that nothing is known to be bought with the difference.",
        }[verdict]
    )


def _plain(value: float, *, sign: bool = False) -> str:
    """Three significant digits, never in scientific notation."""
    return np.format_float_positional(value, precision=3, fractional=False, sign=sign, trim="-")
