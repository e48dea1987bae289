"""Accuracy, its standard error and its interval, against worked numbers and brute force."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.statistics.accuracy import accuracy, wilson


def test_three_of_eight() -> None:
    measured = accuracy([True] * 3 + [False] * 5)
    assert (measured.value, measured.n) == (0.375, 8)
    assert measured.low == pytest.approx(0.13684429, abs=1e-6)
    assert measured.high == pytest.approx(0.69425760, abs=1e-6)


def test_seven_of_ten() -> None:
    assert accuracy([True] * 7 + [False] * 3).standard_error == pytest.approx(0.1527525232, abs=1e-9)


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


def test_one_question_has_no_standard_error_and_none_has_no_accuracy() -> None:
    assert accuracy([True]).standard_error is None
    with pytest.raises(ValueError, match="at least one"):
        accuracy([])
