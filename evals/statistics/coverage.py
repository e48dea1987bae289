"""How coverage grows with samples, and how far the growth may be carried on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.statistics.bootstrap import summary
from evals.statistics.curves import CurvePoint, powers
from evals.statistics.pools import pass_at_k
from evals.statistics.special import log_beta


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Coverage ``c(k) = exp(a k**-b)`` with ``a < 0`` and ``b > 0``.

    Source: Brown et al. 2024 (Large Language Monkeys, arXiv:2407.21787).
    """

    a: float
    b: float

    def at(self, k: ArrayLike) -> NDArray[np.float64]:
        """Coverage at each k."""
        return np.exp(self.a * np.asarray(k, dtype=np.float64) ** -self.b)


@dataclass(frozen=True, slots=True)
class BetaDifficulty:
    """Problems whose chance to be solved by one sample is of Beta(alpha, beta).

    Coverage is ``1 - B(alpha, beta + k) / B(alpha, beta)``; what stays unsolved falls as ``k**-alpha``: a power law
    over problems although each problem by itself falls exponentially. Source: Schaeffer et al. 2025 (arXiv:2502.17578).
    """

    alpha: float
    beta: float

    def at(self, k: ArrayLike) -> NDArray[np.float64]:
        """Coverage at each k."""
        k_ = np.asarray(k, dtype=np.float64)
        return np.asarray(1 - np.exp(log_beta(self.alpha, self.beta + k_) - log_beta(self.alpha, self.beta)))


def fit_power_law(k: ArrayLike, coverage: ArrayLike, *, method: Literal["ols", "nls"] = "ols") -> PowerLaw:
    """The power law through points of coverage.

    ``ols`` fits the line ``ln(-ln c) = ln(-a) - b ln k``, ``nls`` then refines it by least squares on coverage itself
    (Gauss and Newton's steps, shortened where they do not help). Points at 0 or 1 have no logarithm and are left out.

    Raises:
        ValueError: Fewer than two points, at different k, are strictly between 0 and 1, or coverage does not grow.
    """
    k_, c = np.asarray(k, dtype=np.float64), np.asarray(coverage, dtype=np.float64)
    inside = (c > 0) & (c < 1)
    k_, c = k_[inside], c[inside]
    if len(np.unique(k_)) < 2:
        raise ValueError("a power law needs coverage strictly between 0 and 1 at two numbers of samples or more")
    x, y = np.log(k_), np.log(-np.log(c))
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    if slope >= 0:
        raise ValueError("a power law needs coverage that grows with the number of samples")
    log_a = float(y.mean() - slope * x.mean())
    if method == "nls":
        log_a, slope = _refine(x, c, log_a, slope)
    return PowerLaw(-math.exp(log_a), -slope)


def _refine(x: NDArray[np.float64], c: NDArray[np.float64], log_a: float, slope: float) -> tuple[float, float]:
    parameters, damping = np.array([log_a, slope]), 1e-6
    for _ in range(200):
        rate = np.exp(parameters[0] + parameters[1] * x)
        fitted = np.exp(-rate)
        jacobian = (-fitted * rate)[:, None] * np.column_stack((np.ones_like(x), x))
        normal = jacobian.T @ jacobian
        gradient = jacobian.T @ (c - fitted)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), gradient)
        moved = parameters + step
        before, after = ((c - fitted) ** 2).sum(), ((c - np.exp(-np.exp(moved[0] + moved[1] * x))) ** 2).sum()
        if after <= before:
            parameters, damping = moved, damping / 10
            if np.abs(step).max() < 1e-12:
                break
        else:
            damping *= 10
    return float(parameters[0]), float(parameters[1])


def fit_beta(n: ArrayLike, c: ArrayLike, weights: ArrayLike | None = None) -> BetaDifficulty:
    """The most likely Beta difficulty of problems of which ``c`` of ``n`` samples were right.

    Newton's steps on the likelihood of the beta-binomial in the logarithms of its parameters, which are held between
    1e-4 and 1e4: where problems do not differ, or none is ever solved, the likelihood has no maximum inside.

    Args:
        n: Samples of each problem.
        c: Right ones of each.
        weights: How often each problem counts; once if not given.

    Raises:
        ValueError: There is no problem.
    """
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    if not n_.size:
        raise ValueError("difficulty needs at least one problem")
    w = np.ones(n_.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    # How many problems have more than j successes, failures and samples: all that the likelihood depends on.
    more = [_more_than(values, w) for values in (c_, n_ - c_, n_)]
    x = np.log([1.0, 1.0])
    limit = math.log(1e4)
    damping = 1e-3
    value = _likelihood(more, x)
    for _ in range(200):
        gradient, hessian = _derivatives(more, x)
        # A diagonal that keeps the matrix negative definite where the likelihood is not concave.
        shift = max(0.0, float(np.linalg.eigvalsh(hessian).max())) + damping
        step = np.linalg.solve(hessian - shift * np.eye(2), -gradient)
        moved = np.clip(x + np.clip(step, -2, 2), -limit, limit)
        if (after := _likelihood(more, moved)) >= value:
            done = np.abs(moved - x).max() < 1e-10
            x, value, damping = moved, after, damping / 10
            if done:
                break
        else:
            damping = max(damping, 1e-6) * 10
            if damping > 1e12:
                break
    return BetaDifficulty(*(float(parameter) for parameter in np.exp(x)))


def _more_than(values: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    by_value = np.bincount(values, weights=weights).astype(np.float64)
    return np.cumsum(by_value[::-1])[::-1][1:]


def _likelihood(more: Sequence[NDArray[np.float64]], x: NDArray[np.float64]) -> float:
    a, b = np.exp(x)
    right, wrong, all_ = more
    return float(
        right @ np.log(a + np.arange(len(right)))
        + wrong @ np.log(b + np.arange(len(wrong)))
        - all_ @ np.log(a + b + np.arange(len(all_)))
    )


def _derivatives(
    more: Sequence[NDArray[np.float64]], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.exp(x)
    sums = [
        [float(m @ (s + np.arange(len(m))) ** -power) for m, s in zip(more, (a, b, a + b), strict=True)]
        for power in (1.0, 2.0)
    ]
    (right, wrong, all_), (right2, wrong2, all2) = sums
    by_a, by_b = right - all_, wrong - all_
    gradient = np.array([a * by_a, b * by_b])
    hessian = np.array(
        [[a * by_a + a * a * (all2 - right2), a * b * all2], [a * b * all2, b * by_b + b * b * (all2 - wrong2)]]
    )
    return gradient, hessian


def extrapolate(
    n: ArrayLike,
    c: ArrayLike,
    ks: Sequence[int],
    *,
    law: Literal["beta", "power"] = "beta",
    draws: int = 300,
    seed: int = 0,
) -> list[CurvePoint]:
    """Coverage at numbers of samples beyond the pool, with bootstrap intervals over problems.

    The interval tells how uncertain the law's parameters are, not whether the law holds so far out: compare the two.
    Resamples through which no power law goes are dropped.

    Args:
        n: Samples of each problem.
        c: Right ones of each.
        ks: Where to go.
        law: ``beta`` fits the counts, ``power`` the curve of pass@k up to the smallest pool.
        draws: Bootstrap resamples.
        seed: Of those resamples.

    Raises:
        ValueError: No law goes through the data.
    """
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    known = powers(int(n_.min()))
    passes = np.column_stack([pass_at_k(n_, c_, k) for k in known])

    def fit(weights: NDArray[np.float64]) -> PowerLaw | BetaDifficulty:
        if law == "beta":
            return fit_beta(n_, c_, weights)
        return fit_power_law(known, weights @ passes / weights.sum())

    value = fit(np.ones(len(n_))).at(ks)
    rng = np.random.default_rng(seed)
    drawn = []
    for weights in rng.multinomial(len(n_), np.full(len(n_), 1 / len(n_)), size=draws):
        try:
            drawn.append(fit(weights.astype(np.float64)).at(ks))
        except ValueError:
            continue
    if not drawn:
        raise ValueError("no law goes through any resample of so few problems")
    columns = np.array(drawn).T
    found = [summary(float(v), column, len(n_)) for v, column in zip(value, columns, strict=True)]
    return [
        CurvePoint(k, f.value, f.low, f.high, f.n, f.standard_error, f"bootstrap-{law}")
        for k, f in zip(ks, found, strict=True)
    ]
