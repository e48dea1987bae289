"""A number with its interval and the number of independent units behind it."""

from __future__ import annotations

from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that never goes without its uncertainty.

    Attributes:
        value: The point estimate.
        low: Lower end of the interval.
        high: Upper end of it.
        n: Independent units behind it: problems unless the function that returns it says otherwise.
        standard_error: ``None`` where the data do not give one.
        method: How the interval was found, such as ``bootstrap-percentile``.
        level: What share of such intervals hold the truth.
    """

    value: float
    low: float
    high: float
    n: int
    standard_error: float | None
    method: str
    level: float = 0.95
