"""Accuracy, its standard error and its intervals, against worked numbers and brute force."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.statistics.accuracy import (
    accuracy,
    accuracy_over_repeats,
    bootstrap_accuracy,
    clopper_pearson,
    support,
    wilson,
    zero_failures_needed,
)
from evals.statistics.bootstrap import bootstrap_mean, bootstrap_means
from evals.statistics.special import beta_cdf, beta_quantile, log_choose, t_cdf, t_quantile


def test_three_of_eight() -> None:
    measured = accuracy([True] * 3 + [False] * 5)
    assert (measured.value, measured.n) == (0.375, 8)
    assert measured.low == pytest.approx(0.13684429, abs=1e-8)
    assert measured.high == pytest.approx(0.69425760, abs=1e-8)


def test_seven_of_ten_alone_and_in_clusters() -> None:
    scores = [1, 1, 0, 1, 0, 0, 1, 1, 1, 1]
    assert accuracy(scores).standard_error == pytest.approx(0.1527525232, abs=1e-10)
    measured = accuracy(scores, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert measured.value == pytest.approx(0.7)
    assert measured.standard_error == pytest.approx(0.1435270009, abs=1e-10)
    assert (measured.n, measured.clusters) == (10, 3)


@given(st.lists(st.booleans(), min_size=2, max_size=50))
def test_the_standard_error_is_that_of_a_mean(grades: list[bool]) -> None:
    expected = statistics.stdev(map(float, grades)) / math.sqrt(len(grades))
    assert accuracy(grades).standard_error == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_mean_and_stays_a_proportion(case: tuple[int, int]) -> None:
    right, n = case
    low, high = wilson(right / n, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    assert low < high, "even ten of ten leaves room for doubt"


def test_repeats_that_always_agree_add_nothing() -> None:
    once = accuracy([1, 1, 0, 1, 0])
    thrice = accuracy_over_repeats([[1] * 3, [1] * 3, [0] * 3, [1] * 3, [0] * 3])
    assert (thrice.value, thrice.n, thrice.runs) == (once.value, 5, 15)
    assert thrice.standard_error == pytest.approx(once.standard_error)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    varied = accuracy_over_repeats([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 0, 1], [0, 1, 1]])
    assert varied.high - varied.low < thrice.high - thrice.low


def test_clusters_that_agree_within_widen_the_interval() -> None:
    scores, groups = [1] * 10 + [0] * 10, ["a"] * 10 + ["b"] * 10
    alone, clustered = accuracy(scores), accuracy(scores, groups)
    assert clustered.low < alone.low
    assert clustered.high > alone.high


def test_one_question_has_no_standard_error_and_none_has_no_accuracy() -> None:
    assert accuracy([True]).standard_error is None
    with pytest.raises(ValueError, match="at least one"):
        accuracy([])
    with pytest.raises(ValueError, match="question 1 has no score"):
        accuracy_over_repeats([[1], []])


def test_ten_of_ten_supports_little() -> None:
    found = support(10, 10)
    assert found.low == pytest.approx(0.741, abs=5e-4)
    assert (found.needed, found.enough) == (59, False)
    assert "10 of 10 right supports an accuracy of at least 0.741" in found.sentence
    assert "59 without a failure" in found.sentence
    assert zero_failures_needed(0.95) == 59
    assert support(59, 59).enough
    assert not support(58, 58).enough


@settings(max_examples=20)
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_exact_interval_ends_where_the_binomial_tail_is_reached(case: tuple[int, int]) -> None:
    right, n = case
    low, high = clopper_pearson(right, n)

    def at_least(p: float) -> float:
        return math.fsum(math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(right, n + 1))

    if right:
        assert at_least(low) == pytest.approx(0.025, abs=1e-9)
    if right < n:
        at_most = math.fsum(math.comb(n, x) * high**x * (1 - high) ** (n - x) for x in range(right + 1))
        assert at_most == pytest.approx(0.025, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.01, 0.99))
def test_the_beta_distribution_is_a_sum_of_binomials(a: int, b: int, x: float) -> None:
    n = a + b - 1
    tail = math.fsum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
    assert beta_cdf(x, a, b) == pytest.approx(tail, abs=1e-12)
    assert beta_cdf(beta_quantile(x, a, b), a, b) == pytest.approx(x, abs=1e-10)


def test_quantiles_of_students_t() -> None:
    # Closed forms for one and two degrees of freedom.
    assert t_quantile(0.975, 1) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-9)
    assert t_quantile(0.975, 2) == pytest.approx(0.95 / math.sqrt(2 * 0.975 * 0.025), rel=1e-9)
    assert t_cdf(t_quantile(0.9, 7), 7) == pytest.approx(0.9)
    assert t_cdf(-1.0, 3) == pytest.approx(1 - t_cdf(1.0, 3))


@given(st.integers(0, 40), st.integers(-3, 45))
def test_logarithms_of_binomial_coefficients(n: int, k: int) -> None:
    expected = math.comb(n, k) if 0 <= k <= n else 0
    assert float(np.exp(log_choose(n, k))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_bootstrap_of_a_mean_is_near_its_normal_interval(method: str) -> None:
    values = np.random.default_rng(1).normal(2.0, 3.0, 200)
    found = bootstrap_mean(values, method=method, seed=3)  # type: ignore[arg-type]
    error = values.std(ddof=1) / math.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(error, rel=0.1)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)
    assert found == bootstrap_mean(values, method=method, seed=3)  # type: ignore[arg-type]


def test_bca_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(2).exponential(1.0, 60)
    plain, corrected = bootstrap_mean(values), bootstrap_mean(values, method="bca")
    assert corrected.high > plain.high
    assert corrected.low > plain.low


def test_whole_clusters_are_drawn_and_columns_share_their_draws() -> None:
    values = np.repeat([0.0, 1.0, 1.0, 0.0, 1.0], 20)
    groups = np.repeat(np.arange(5), 20).tolist()
    clustered, alone = bootstrap_mean(values, groups), bootstrap_mean(values)
    assert clustered.n == 5
    assert clustered.standard_error is not None
    assert alone.standard_error is not None
    assert clustered.standard_error > 3 * alone.standard_error
    one, two = bootstrap_means(np.column_stack((values, 2 * values)), groups)
    assert (two.low, two.high) == pytest.approx((2 * one.low, 2 * one.high))


def test_a_bootstrap_of_accuracy_keeps_n_and_says_how_it_was_made() -> None:
    found = bootstrap_accuracy([[1, 0], [1, 1], [0, 0], [1, 0], [1, 1], [0, 1]], method="bca")
    assert (found.n, found.runs, found.method) == (6, 12, "bootstrap-bca")
    assert 0 <= found.low < found.value < found.high <= 1
