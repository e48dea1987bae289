"""The few special functions that the estimators need beyond ``math``: logarithms of factorials, Beta, Student's t.

Checked against sums of binomial probabilities and against known quantiles. They live here because the command line
prints intervals in a bare installation, where a library of forty megabytes for four functions would not pay.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ITERATIONS = 100_000
_TINY = 1e-300


def z_quantile(p: float) -> float:
    """The quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(p)


def log_factorials(n: int) -> NDArray[np.float64]:
    """``ln 0!`` to ``ln n!``, shape ``(n + 1,)``."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))


def log_choose(n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """``ln C(n, k)`` elementwise; ``-inf`` where ``k`` is not from 0 to ``n``."""
    n_, k_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(k, dtype=np.int64))
    table = log_factorials(int(n_.max(initial=0)))
    inside = (k_ >= 0) & (k_ <= n_)
    safe = np.where(inside, k_, 0)
    return np.where(inside, table[n_] - table[safe] - table[n_ - safe], -np.inf)


def log_beta(a: Any, b: Any) -> Any:
    """``ln B(a, b)``, elementwise for arrays."""
    return _lgamma(a) + _lgamma(b) - _lgamma(np.add(a, b))


_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X <= x) for X of Beta(a, b), by Lentz's evaluation of the continued fraction.

    Raises:
        ValueError: ``a`` or ``b`` is not positive.
    """
    if a <= 0 or b <= 0:
        raise ValueError(f"a Beta distribution needs positive parameters, not {a} and {b}")
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _ITERATIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return min(1.0, front * fraction)


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(p: float, a: float, b: float) -> float:
    """The ``p`` quantile of Beta(a, b), by bisection to the last bit that matters."""
    return _bisect(lambda x: beta_cdf(x, a, b) < p, 0.0, 1.0)


def t_cdf(x: float, df: float) -> float:
    """P(T <= x) for Student's t with ``df`` degrees of freedom."""
    tail = beta_cdf(df / (df + x * x), df / 2, 0.5) / 2
    return 1 - tail if x > 0 else tail


def t_quantile(p: float, df: float) -> float:
    """The ``p`` quantile of Student's t, for ``p`` from 0.5."""
    x = beta_quantile(2 * (1 - p), df / 2, 0.5)
    return math.sqrt(df * (1 - x) / x) if x > 0 else math.inf


def _bisect(below: Any, low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2
