"""Numbers in words: the same on the page, in Markdown and in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MINUS = "−"
INFINITE = "∞"
Data = Mapping[str, Any]


def number(value: float, digits: int = 3) -> str:
    """With so many significant digits, never in scientific notation above a billionth."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    text = f"{rounded:.12f}".rstrip("0").rstrip(".")
    return text if text not in ("0", "-0") else f"{value:.{digits}g}"


def amount(value: float | None, unit: Data) -> str:
    """An amount in a unit; ``None`` is infinite."""
    if value is None:
        return INFINITE
    return money(value) if unit["name"] == "USD" else f"{number(value)} {short(unit)}"


def money(value: float) -> str:
    """US dollars."""
    return ("-" if value < 0 else "") + "$" + number(abs(value))


def short(unit: Data) -> str:
    """A unit as it stands behind a number."""
    return "s" if unit["name"] == "endpoint seconds" else str(unit["name"])


def unit_in_words(unit: Data) -> str:
    """A unit as it stands at an axis."""
    if unit["name"] == "USD":
        return f"US dollars, prices of {unit['price_date']}"
    return "seconds of endpoints" if unit["name"] == "endpoint seconds" else str(unit["name"])


def interval(data: Data, unit: Data | None = None) -> str:
    """The two ends."""
    if unit is not None:
        return f"{amount(data['low'], unit)} to {amount(data['high'], unit)}"
    return f"{share(data['low'])} to {share(data['high'])}"


def share(value: float | None) -> str:
    """An accuracy or a difference of two."""
    if value is None:
        return INFINITE
    return f"{value:.3f}".replace("-", MINUS)


def signed(value: float) -> str:
    """A difference."""
    return f"{value:+.3f}".replace("-", MINUS)


def accuracy(data: Data | None) -> str:
    """Accuracy and its standard error."""
    if data is None:
        return "not graded"
    error = data["standard_error"]
    return share(data["value"]) + ("" if error is None else f" ± {error:.3f}")


def essentialness(data: Data) -> str:
    """How essential something is; not known where the frontier is infinite with it and without."""
    return "not known" if data["value"] is None else share(data["value"])


def dollars(data: Data) -> str:
    """Dollars per answer: ``no price`` where none is known, never $0 for it."""
    if data["dollars"] is None:
        return "no price"
    return ("≥ " if data["lower_bound"] else "") + money(data["dollars"])


def paid(data: Data) -> str:
    """What was sent per answer: nothing where everything was in the store."""
    if not data["calls"]:
        return "nothing sent"
    return dollars(data)


def cost_of_pass(data: Data | None, unit: Data) -> tuple[str, str]:
    """The value and its interval; where no answer was right, the bound below it."""
    if data is None:
        return "not graded", ""
    if data["value"] is None:
        return INFINITE, f"at least {amount(data['low'], unit)}"
    return amount(data["value"], unit), interval(data, unit)


def seconds(value: float) -> str:
    """Seconds; less than a millisecond is the sample store's, and not worth digits."""
    return "< 0.001" if 0 < value < 0.001 else number(value)


def p_value(value: float) -> str:
    """A p value."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(n: int, one: str, many: str = "") -> str:
    """``1 answer``, ``2 answers``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def count_of(value: float, one: str) -> str:
    """A mean count, which may be a fraction: ``1 sample``, ``2.5 samples``."""
    return f"{number(value)} {one if value == 1 else one + 's'}"
