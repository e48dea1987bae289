"""What k of n samples give, against all choices of k."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.statistics import pools as pools_module
from evals.statistics.curves import curve, expected, powers
from evals.statistics.pools import (
    Pool,
    best_of_k,
    majority_at_k,
    majority_of_pool,
    merged,
    pass_at_k,
    pass_hat_k,
    worst_of_k,
)

PASS_AT_K = [
    ((10, 3, 1), 0.300000),
    ((10, 3, 2), 0.5333333333),
    ((10, 3, 5), 0.9166666667),
    ((10, 3, 8), 1),
    ((100, 5, 10), 0.4162476331),
    ((10000, 2, 1000), 0.1900090009),
    ((5, 0, 3), 0),
]


@pytest.mark.parametrize(("case", "value"), PASS_AT_K)
def test_pass_at_k(case: tuple[int, int, int], value: float) -> None:
    assert float(pass_at_k(*case)) == pytest.approx(value, abs=1e-9)


def test_pass_at_k_is_not_the_biased_one_and_refuses_more_than_there_are() -> None:
    assert abs(float(pass_at_k(10, 3, 5)) - (1 - 0.7**5)) > 0.08
    for of in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="at least as many samples"):
            of(5, 0, 6)
        with pytest.raises(ValueError, match="more right samples"):
            of(5, 6, 1)


def test_pass_hat_k() -> None:
    assert float(pass_hat_k(10, 7, 3)) == pytest.approx(0.2916666667, abs=1e-9)


@pytest.mark.parametrize(
    ("k", "p", "value"), [(3, 0.6, 0.648), (4, 0.6, 0.648), (5, 0.6, 0.68256), (9, 0.4, 0.26656768)]
)
def test_majority_of_a_large_pool_is_that_of_independent_samples(k: int, p: float, value: float) -> None:
    # Without replacement the difference falls as 1/n.
    near, nearer = (majority_at_k([round(n * p), n - round(n * p)], [1, 0], k).value for n in (10_000, 20_000))
    assert nearer == pytest.approx(value, abs=2e-4)
    assert 2 * nearer - near == pytest.approx(value, abs=1e-6)


def test_majority_of_a_pool() -> None:
    assert majority_at_k([6, 4], [1, 0], 3).value == pytest.approx(0.6666666667, abs=1e-9)
    found = majority_at_k([4, 3, 2, 1], [1, 0, 0, 0], 3)
    assert found.value == pytest.approx(0.4555555556, abs=1e-9)
    assert (found.exact, found.standard_error) == (True, 0)


POOLS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=7)


@settings(max_examples=40)
@given(POOLS, st.data())
def test_majority_is_the_mean_over_all_draws(answers: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    values = {"a": 1.0, "b": 0.0, "c": 0.25, None: 0.0}
    total = 0.0
    draws = list(itertools.combinations(answers, k))
    for drawn in draws:
        votes = Counter(answer for answer in drawn if answer is not None)
        tied = [answer for answer, count in votes.items() if count == max(votes.values())]
        total += sum(values[answer] for answer in tied) / len(tied) if tied else 0.0
    pool = Pool.of([values[answer] for answer in answers], answers)
    assert majority_of_pool(pool, k).value == pytest.approx(total / len(draws), abs=1e-10)


def test_too_many_votes_are_drawn_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = majority_at_k([9, 7, 5], [1, 0, 0], 9).value
    monkeypatch.setattr(pools_module, "_EXACT_STEPS", 0)
    found = majority_at_k([9, 7, 5], [1, 0, 0], 9)
    assert not found.exact
    assert 0 < found.standard_error < 0.01
    assert abs(found.value - exact) < 4 * found.standard_error
    assert found == majority_at_k([9, 7, 5], [1, 0, 0], 9)


def test_large_exact_counts_stay_accurate() -> None:
    # Of two answers the one with more votes: a hypergeometric tail.
    n, c, k = 600, 330, 51
    tail = sum(math.comb(c, h) * math.comb(n - c, k - h) for h in range(26, 52)) / math.comb(n, k)
    assert majority_at_k([c, n - c], [1, 0], k).value == pytest.approx(tail, abs=1e-9)


def test_best_of_k() -> None:
    labels = [1, 0, 1, 0, 1, 0, 1, 1]
    found = [float(best_of_k(range(8), labels, k)) for k in (1, 2, 4, 8)]
    assert found == pytest.approx([0.625, 0.6785714286, 0.8428571429, 1], abs=1e-9)
    scores = [0.2, 0.4, 0.5, 0.7, 0.9]
    assert float(best_of_k(scores, scores, 2)) == pytest.approx(0.71)
    assert float(worst_of_k(scores, scores, 2)) == pytest.approx(0.37)
    with pytest.raises(ValueError, match="at least as many"):
        best_of_k(scores, scores, 6)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=6), st.data())
def test_best_of_k_is_the_mean_over_all_draws(samples: list[tuple[int, float]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(samples)))
    rewards, values = zip(*samples, strict=True)

    def mean(choose: object) -> float:
        totals = []
        for drawn in itertools.combinations(samples, k):
            best = choose(reward for reward, _ in drawn)  # type: ignore[operator]
            tied = [value for reward, value in drawn if reward == best]
            totals.append(sum(tied) / len(tied))
        return sum(totals) / len(totals)

    assert float(best_of_k(rewards, values, k)) == pytest.approx(mean(max), abs=1e-10)
    assert float(worst_of_k(rewards, values, k)) == pytest.approx(mean(min), abs=1e-10)


@settings(max_examples=15)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4), st.integers(1, 4))
def test_coverage_of_right_and_wrong_is_pass_at_k(scores: list[list[bool]], k: int) -> None:
    found = expected([Pool.of(s) for s in scores], "coverage", k)
    assert found == pytest.approx([float(pass_at_k(4, sum(s), k)) for s in scores], abs=1e-10)
    alike = expected([Pool.of(s) for s in scores], "all", k)
    assert alike == pytest.approx([float(pass_hat_k(4, sum(s), k)) for s in scores], abs=1e-10)


def test_a_curve_rises_with_coverage_and_its_points_carry_n() -> None:
    rng = np.random.default_rng(0)
    pools = [[Pool.of(rng.random(8) < p, None, rng.random(8))] for p in rng.random(30)]
    points = curve(pools, "coverage", draws=200)
    assert [point.k for point in points] == [1, 2, 4, 8] == powers(8)
    values = [point.value for point in points]
    assert values == sorted(values)
    assert all(point.low <= point.value <= point.high and point.n == 30 for point in points)
    assert points == curve(pools, "coverage", draws=200)
    blind = curve(pools, "best", [1], draws=50)[0].value
    assert blind == pytest.approx(curve(pools, "average", [1], draws=50)[0].value)


def test_problems_that_all_agree_leave_room_for_doubt() -> None:
    (point,) = curve([[Pool.of([1, 1])]] * 5, "coverage", [1], draws=50)
    assert (point.value, point.method) == (1, "wilson")
    assert point.low < 0.6


def test_runs_of_a_problem_count_once() -> None:
    one, two = Pool.of([1, 0]), Pool.of([0, 0])
    points = curve([[one, two], [one]], "average", [1], draws=50)
    assert points[0].value == pytest.approx((0.25 + 0.5) / 2)
    assert merged([one, two]).n == 4


def test_a_curve_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match="k = 3"):
        curve([[Pool.of([1, 0])]], "average", [3])
    with pytest.raises(ValueError, match="needs rewards"):
        curve([[Pool.of([1, 0])]], "best", [1])
    with pytest.raises(ValueError, match="problem 1 has no pool"):
        curve([[Pool.of([1, 0])], []], "average", [1])
    with pytest.raises(ValueError, match="one length"):
        Pool.of([1, 0], ["a"])
