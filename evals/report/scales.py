"""Axes: from values to places, and the ticks that a reader expects."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic axis.

    Attributes:
        low: The value at ``start``.
        high: The value at ``end``.
        start: Where the axis begins, in pixels.
        end: Where it ends; below ``start`` for an axis that goes up.
        log: Whether it is logarithmic; then ``low`` is above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, within the axis."""
        low, high, x = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, self._least(value))))
        place = (x - low) / (high - low)
        return self.start + min(1.0, max(0.0, place)) * (self.end - self.start)

    def _least(self, value: float) -> float:
        return self.low if self.log else value

    def ticks(self) -> list[float]:
        """Round values along the axis, three to eight."""
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """A linear axis that holds both values, widened to round ones."""
    if high <= low:
        high = low + 1
    step = _step(high - low)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic axis with some room around the values, which are above 0."""
    room = max(1.25, (high / low) ** 0.08)
    return Scale(low / room, high * room, start, end, log=True)


def _step(span: float) -> float:
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))


def _ticks(low: float, high: float) -> list[float]:
    step = _step(high - low)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        found = [float(f"{m * 10.0**e:.6g}") for e in exponents for m in steps]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= 3:
            return found[:: max(1, math.ceil(len(found) / 7))]
    return found or [float(f"{low:.2g}"), float(f"{high:.2g}")]
