"""Races: who is dropped, how often that is a mistake, and what is said of whoever has not seen everything."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.racing import Race, estimate_accuracy, rungs, sign_test
from tests.search.toys import outcome, outcomes

scores = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=30)


@given(st.integers(1, 5000), st.integers(1, 50))
@settings(max_examples=50)
def test_rungs_double_and_end_with_all_problems(problems: int, first: int) -> None:
    sizes = rungs(problems, first)
    assert sizes[-1] == problems
    assert sizes == sorted(set(sizes))
    assert all(b == 2 * a for a, b in pairwise(sizes[:-1]))
    assert sizes[0] == min(first, problems)


@pytest.mark.parametrize("n", range(9))
def test_the_sign_test_counts_coins(n: int) -> None:
    tosses = [sum(coins) for coins in product((0, 1), repeat=n)]
    for better in range(n + 1):
        assert sign_test(better, n - better) == pytest.approx(np.mean([heads <= better for heads in tosses]))


@given(scores)
@settings(max_examples=30)
def test_nobody_loses_against_an_equal(found: list[float]) -> None:
    race, own = Race(), outcomes(found)
    assert not race.accuracy_lost(own, own)
    assert not race.mean_lost(found, list(found))
    accuracy = sum(found) / len(found)
    if accuracy:
        assert not race.cost_of_pass_lost(own, 1 / accuracy, "usd")
    assert not race.too_dear(own, 1.0, "usd")


def test_the_clearly_worse_lose_and_only_they() -> None:
    race = Race(0.05)
    best = outcomes([1.0] * 20)
    assert race.accuracy_lost(outcomes([0.0] * 5 + [1.0] * 15), best), "5 of 5 pairs against it: p = 1/32"
    assert not race.accuracy_lost(outcomes([0.0] * 4 + [1.0] * 16), best), "4 of 4: p = 1/16"
    assert race.too_dear(outcomes([1.0] * 10, usd=2.0), 1.5, "usd")
    assert race.cost_of_pass_lost(outcomes([1.0] * 10, usd=2.0), 1.5, "usd")
    assert not race.cost_of_pass_lost(outcomes([1.0] * 10, usd=2.0), math.inf, "usd")
    assert not Race().too_dear(outcomes([1.0] * 3, usd=9.0), 1.0, "usd"), "three answers say nothing of a mean"


def test_what_could_not_be_graded_decides_nothing() -> None:
    race = Race()
    assert not race.accuracy_lost(outcomes([None] * 20), outcomes([1.0] * 20))
    assert not race.accuracy_lost(outcomes([0.0] * 20), outcomes([None] * 20))


def test_an_equal_is_rarely_dropped_at_one_look() -> None:
    rng, race = np.random.default_rng(0), Race(0.05)
    lost = sum(
        race.accuracy_lost(outcomes(list(rng.integers(0, 2, 64) * 1.0)), outcomes(list(rng.integers(0, 2, 64) * 1.0)))
        for _ in range(400)
    )
    assert lost / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@given(scores, st.integers(1, 30), st.data())
@settings(max_examples=50)
def test_the_estimate_is_the_mean_once_all_is_seen_and_never_leaves_its_range(
    best: list[float], seen: int, data: st.DataObject
) -> None:
    own = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(best), max_size=len(best)))
    whole = outcomes(best)
    assert estimate_accuracy(outcomes(own), whole) == pytest.approx(sum(own) / len(own))
    assert 0 <= estimate_accuracy(outcomes(own[:seen]), whole) <= 1
    assert estimate_accuracy(whole[:seen], whole) == pytest.approx(sum(best) / len(best)), "its own control"
    assert estimate_accuracy([outcome(None)], whole) == 0.0
