"""Paired comparisons, several at once, and how many problems they need."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.statistics.ladder import ladder
from evals.statistics.multiple import benjamini_hochberg, holm
from evals.statistics.paired import mcnemar, paired, sign_flip
from evals.statistics.power import Components, components, problems_needed, smallest_gap

GRADES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=8)


@given(GRADES, st.randoms(use_true_random=False))
def test_the_error_of_a_paired_difference_is_that_of_the_differences(a: list[float], random: object) -> None:
    b = a[1:] + a[:1]
    found = paired([[x] for x in a], [[x] for x in b])
    differences = [x - y for x, y in zip(a, b, strict=True)]
    assert found.value == pytest.approx(statistics.fmean(differences), abs=1e-12)
    assert found.standard_error == pytest.approx(statistics.stdev(differences) / math.sqrt(len(a)), abs=1e-12)
    assert found.low <= found.value <= found.high
    assert 0 <= found.p <= 1


def test_repeats_are_averaged_first() -> None:
    twice = paired([[1, 0], [1, 1], [0, 0]], [[0, 0], [1, 0], [0, 0]])
    assert twice == paired([[0.5], [1], [0]], [[0], [0.5], [0]])
    assert twice.n == 3


def test_differences_that_all_agree_are_not_certain() -> None:
    found = paired([[1]] * 3, [[0]] * 3)
    assert (found.value, found.p, found.method) == (1, 0.25, "sign-flip")
    assert found.low < 0, "three problems do not show which is better"
    same = paired([[1]] * 100, [[1]] * 100)
    assert (same.value, same.p) == (0, 1)
    assert 0.02 < same.high < 0.05


def test_clusters_of_one_are_no_clusters_and_big_ones_widen() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 40)).astype(float)
    first, second = [[x] for x in a], [[x] for x in b]
    alone = paired(first, second)
    assert paired(first, second, list(range(40))) == alone
    doubled = paired(first * 2, second * 2, list(range(40)) * 2)
    assert (doubled.low, doubled.high) == pytest.approx((alone.low, alone.high))


@settings(max_examples=25)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=7))
def test_exact_flips_are_all_flips(differences: list[int]) -> None:
    total = abs(sum(differences))
    flips = list(itertools.product((1, -1), repeat=len(differences)))
    reached = sum(abs(sum(s * d for s, d in zip(flip, differences, strict=True))) >= total for flip in flips)
    assert sign_flip(differences) == pytest.approx(reached / len(flips))


def test_drawn_flips_are_near_the_normal_p_value() -> None:
    d = np.random.default_rng(4).normal(0.2, 1, 100)
    z = abs(d.sum()) / math.sqrt((d**2).sum())
    assert sign_flip(d) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.02)
    assert sign_flip(d, seed=1) == sign_flip(d, seed=1)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_mcnemar_is_the_binomial_test_of_the_disagreements(pairs: list[tuple[bool, bool]]) -> None:
    found = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
    n, fewer = found.only_first + found.only_second, min(found.only_first, found.only_second)
    tail = sum(math.comb(n, x) for x in range(fewer + 1)) / 2**n
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert found.low <= found.high
    assert found.n == len(pairs)


def test_what_is_not_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="same problems"):
        paired([[1]], [[1], [0]])
    with pytest.raises(ValueError, match="same problems"):
        mcnemar([True], [True, False])


def test_adjusted_p_values_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == []


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_adjusted_p_values_decide_as_the_procedures_do(p: list[float]) -> None:
    ordered, m, alpha = sorted(p), len(p), 0.1
    stepped_down = 0
    while stepped_down < m and ordered[stepped_down] <= alpha / (m - stepped_down):
        stepped_down += 1
    stepped_up = max((i for i in range(1, m + 1) if ordered[i - 1] <= alpha * i / m), default=0)
    edge = 1e-12
    assert sum(x <= alpha + edge for x in holm(p)) == pytest.approx(stepped_down, abs=0)
    assert sum(x <= alpha + edge for x in benjamini_hochberg(p)) == pytest.approx(stepped_up, abs=0)


def test_problems_needed_by_millers_formula() -> None:
    variance = Components(1 / 9, 1 / 6, 1 / 6, 100)
    # (1.959964 + 0.841621)**2 * (1/9 + 1/6 + 1/6) / 0.03**2
    assert problems_needed(0.03, variance) == 3876
    assert problems_needed(0.03, variance, repeats_first=10, repeats_second=10) < 1300
    n = problems_needed(0.05, variance)
    assert smallest_gap(n, variance) <= 0.05 < smallest_gap(n - 1, variance)
    with pytest.raises(ValueError, match="gap of zero"):
        problems_needed(0, variance)


def test_components_of_a_pilot() -> None:
    rng = np.random.default_rng(7)
    easy = rng.beta(2, 2, 4000)
    first = rng.binomial(1, easy[:, None], (4000, 4)).astype(float).tolist()
    second = rng.binomial(1, np.clip(easy - 0.1, 0, 1)[:, None], (4000, 4)).astype(float).tolist()
    found = components(first, second)
    assert found.within_first == pytest.approx(float((easy * (1 - easy)).mean()), abs=0.01)
    assert found.between == pytest.approx(float(np.var(easy - np.clip(easy - 0.1, 0, 1))), abs=0.01)
    with pytest.raises(ValueError, match="two repeats"):
        components([[1], [0]], [[1, 0], [0, 1]])


def test_the_ladder_tells_only_of_gains() -> None:
    assert ladder([0.60, 0.61, 0.64, 0.63, 0.70], 0.03) == pytest.approx([0.60, 0.60, 0.63, 0.63, 0.69])
    with pytest.raises(ValueError, match="step above 0"):
        ladder([0.5], 0)
