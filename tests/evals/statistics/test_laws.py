"""Coverage laws, imperfect verifiers and stopping, against worked numbers and against simulation by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.statistics.coverage import BetaDifficulty, PowerLaw, extrapolate, fit_beta, fit_power_law
from evals.statistics.stopping import Sprt, adaptive_consistency, beta_stop, majority_confidence
from evals.statistics.verifier import (
    Kind,
    best_cap,
    best_parallel,
    first_accept,
    parallel_utility,
    utility,
)

TENS = [1, 10, 100, 1000, 10000]


def test_the_power_law_and_its_recovery() -> None:
    law = PowerLaw(-2.5, 0.4)
    expected = [0.0820849986, 0.3696243991, 0.6728564316, 0.8540723788, 0.9391339476]
    assert law.at(TENS) == pytest.approx(expected, abs=1e-9)
    for method in ("ols", "nls"):
        found = fit_power_law([*TENS, 10**6], [*law.at(TENS), 1.0], method=method)
        assert found.a == pytest.approx(-2.5, abs=1e-9)
        assert found.b == pytest.approx(0.4, abs=1e-9)


def test_least_squares_on_coverage_fit_it_better_than_on_its_logarithm() -> None:
    k = np.array([1, 2, 4, 8, 16, 32])
    coverage = PowerLaw(-2.0, 0.6).at(k) + np.array([0.03, -0.02, 0.01, 0.02, -0.03, 0.01])
    line, refined = fit_power_law(k, coverage), fit_power_law(k, coverage, method="nls")

    def squares(law: PowerLaw) -> float:
        return float(((law.at(k) - coverage) ** 2).sum())

    assert squares(refined) < squares(line)
    for a, b in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert squares(refined) <= squares(PowerLaw(refined.a + a, refined.b + b))


def test_no_power_law_goes_through_too_little() -> None:
    with pytest.raises(ValueError, match="strictly between"):
        fit_power_law([1, 10], [0, 0.5])
    with pytest.raises(ValueError, match="grows"):
        fit_power_law([1, 10], [0.5, 0.4])


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 12))
def test_beta_coverage_is_a_ratio_of_factorials(alpha: int, beta: int, k: int) -> None:
    missed = math.prod((beta + j) / (alpha + beta + j) for j in range(k))
    assert float(BetaDifficulty(alpha, beta).at(k)) == pytest.approx(1 - missed, abs=1e-12)


def test_the_beta_fit_is_a_maximum_and_finds_the_truth() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 2, 3000)
    c = rng.binomial(40, p)
    found = fit_beta(np.full(3000, 40), c)
    assert (found.alpha, found.beta) == pytest.approx((0.5, 2), rel=0.1)

    def likelihood(a: float, b: float) -> float:
        return sum(
            math.lgamma(a + x) + math.lgamma(b + 40 - x) - math.lgamma(a + b + 40)
            - math.lgamma(a) - math.lgamma(b) + math.lgamma(a + b)
            for x in c.tolist()
        )  # fmt: skip

    best = likelihood(found.alpha, found.beta)
    for a, b in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)):
        assert likelihood(found.alpha * a, found.beta * b) < best


def test_extrapolation_holds_the_truth_and_widens() -> None:
    rng = np.random.default_rng(3)
    truth = BetaDifficulty(0.6, 3)
    c = rng.binomial(20, rng.beta(truth.alpha, truth.beta, 150))
    points = extrapolate(np.full(150, 20), c, [10, 1000], draws=60)
    for point in points:
        assert point.low <= float(truth.at(point.k)) <= point.high
        assert (point.n, point.method) == (150, "bootstrap-beta")
    power = extrapolate(np.full(150, 20), c, [1000], law="power", draws=60)
    assert power[0].low < power[0].value < power[0].high


@pytest.mark.parametrize(
    ("cap", "correct", "false", "drawn"),
    [(1, 0.27, 0.07, 1), (2, 0.4482, 0.1162, 1.66), (math.inf, 0.79411765, 0.20588235, 2.94117647)],
)
def test_first_accept(cap: float, correct: float, false: float, drawn: float) -> None:
    found = first_accept(0.3, 0.9, 0.1, cap)
    assert (found.correct, found.false_accept, found.samples) == pytest.approx((correct, false, drawn), abs=1e-8)
    assert found.ceiling == pytest.approx(0.79411765, abs=1e-8)


@settings(max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 6))
def test_first_accept_is_a_sum_over_attempts(p: float, t: float, f: float, cap: int) -> None:
    found = first_accept(p, t, f, cap)
    a, b = p * t, (1 - p) * f
    left, right, wrong, drawn = 1.0, 0.0, 0.0, 0.0
    for _ in range(cap):
        drawn += left
        right, wrong, left = right + left * a, wrong + left * b, left * (1 - a - b)
    assert (found.correct, found.false_accept, found.abstain, found.samples) == pytest.approx(
        (right, wrong, left, drawn), abs=1e-7
    )


def test_a_verifier_that_accepts_all_changes_nothing_and_one_that_accepts_none_abstains() -> None:
    assert first_accept(0.3, 1, 1, math.inf).correct == pytest.approx(0.3)
    assert first_accept(0.3, 0, 0, 5).abstain == 1
    with pytest.raises(ValueError, match="probabilities"):
        first_accept(1.3, 1, 1, 1)


@pytest.mark.parametrize(
    ("loss", "cost", "cap", "worth"), [(0.7, 0, 3, 0.52456710), (2, 0, 1, 0.33880000), (1, 0.05, 2, 0.40585125)]
)
def test_two_kinds_of_problems_have_a_finite_best_cap(loss: float, cost: float, cap: int, worth: float) -> None:
    kinds = [Kind(0.58, 0.87, 1, 0.25), Kind(0.42, 0.13, 1, 0.25)]
    found = best_cap(kinds, value=1, loss=loss, cost=cost)
    assert found.n == cap
    assert found.utility == pytest.approx(worth, abs=1e-8)
    assert not found.limited
    assert found.utility == pytest.approx(utility(kinds, cap, value=1, loss=loss, cost=cost))
    others = [utility(kinds, n, value=1, loss=loss, cost=cost) for n in range(50)]
    assert found.utility == pytest.approx(max(others))


def test_one_kind_is_best_left_alone_or_never_stopped() -> None:
    assert best_cap([Kind(1, 0.1, 1, 0.5)], value=1, loss=1, cost=0).n == 0
    endless = best_cap([Kind(1, 0.1, 1, 0.01)], value=1, loss=1, cost=0, limit=50)
    assert (endless.n, endless.limited) == (50, True)


def test_parallel_samples() -> None:
    found = best_parallel(0.1, value=1, cost=0.01)
    assert found.n == 22
    assert found.utility == pytest.approx(0.68152291, abs=1e-8)
    assert found.utility == pytest.approx(max(parallel_utility(0.1, n, value=1, cost=0.01) for n in range(200)))
    assert best_parallel(0.1, value=1, cost=5).n == 0


def test_beta_stopping() -> None:
    assert beta_stop(0.3, 2, value=1, cost=0.02) == 13
    assert beta_stop(0.3, 2, value=1, cost=0) == math.inf
    assert beta_stop(0.3, 2, value=1, cost=0.9) == 0


@settings(max_examples=30)
@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.01, 1))
def test_beta_stopping_is_the_first_sample_that_does_not_pay(alpha: float, beta: float, cost: float) -> None:
    first = next(n for n in range(10_000) if alpha / (alpha + beta + n) < cost * (1 - 1e-9))
    assert beta_stop(alpha, beta, value=1, cost=cost) == first


def test_adaptive_consistency() -> None:
    assert majority_confidence(3, 0) == pytest.approx(0.9375)
    assert majority_confidence(4, 0) == pytest.approx(0.96875)
    assert adaptive_consistency(["1"] * 9) == 4
    assert adaptive_consistency([None, "1", "1", "1", "1", "2"]) == 5
    assert adaptive_consistency(["1", "2"] * 4) == 8


def test_a_sequential_test_keeps_its_errors() -> None:
    test = Sprt(0.5, 0.8)
    assert test.bounds == pytest.approx((math.log(0.05 / 0.95), math.log(0.95 / 0.05)))
    rng = np.random.default_rng(0)

    def wrong(p: float, verdict: str) -> float:
        mistakes = 0
        for _ in range(400):
            right = total = 0
            while (said := test.decide(right, total - right)) == "continue":
                right, total = right + int(rng.random() < p), total + 1
            mistakes += said == verdict
        return mistakes / 400

    assert wrong(0.5, "high") < 0.08
    assert wrong(0.8, "low") < 0.08
    with pytest.raises(ValueError, match="0 < low < high < 1"):
        Sprt(0.8, 0.5)
