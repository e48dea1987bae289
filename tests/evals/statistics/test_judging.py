"""How well answers are picked from pools, and protocols over repetitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.statistics import judging
from evals.statistics.judging import auc, calibrate, gap, within_auc
from evals.statistics.pools import Pool, pools_of
from evals.statistics.protocols import of_n, sequential_feedback
from tests.evals.rows import record, samples


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=12))
def test_auc_is_the_share_of_pairs_in_order(cases: list[tuple[bool, int]]) -> None:
    right = [reward for label, reward in cases if label]
    wrong = [reward for label, reward in cases if not label]
    found = auc([label for label, _ in cases], [reward for _, reward in cases])
    if not right or not wrong:
        assert found is None
        return
    pairs = [(x > y) + (x == y) / 2 for x, y in itertools.product(right, wrong)]
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_auc_of_many_samples_is_that_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels, rewards = rng.random(100) < 0.3, rng.integers(0, 9, 100)
    pairs = auc(labels, rewards)
    monkeypatch.setattr(judging, "_SMALL", 0)
    assert auc(labels, rewards) == pytest.approx(pairs)


def test_calibration_by_hand() -> None:
    pools = [[Pool.of([1, 0, 1], None, [0.9, 0.6, 0.4])], [Pool.of([0, 1], None, [0.1, 0.8])]]
    found = calibrate(pools, bins=2, draws=50)
    assert found.n == 5
    assert found.true_positives is not None
    assert found.true_positives.value == pytest.approx(2 / 3)
    assert found.false_positives is not None
    assert found.false_positives.value == pytest.approx(1 / 2)
    assert found.ceiling is not None
    assert found.ceiling.value == pytest.approx(2 / 3)
    assert found.auc is not None
    assert found.auc.value == pytest.approx(5 / 6)
    assert found.within is not None
    assert found.within.value == pytest.approx((1 / 2 + 1) / 2)
    # Below a half: 0.4 and 0.1 with one right; above it: 0.9, 0.6 and 0.8 with two right.
    assert [(b.n, b.value) for b in found.bins] == [(2, 0.5), (3, pytest.approx(2 / 3))]
    assert found.error is not None
    assert found.error.value == pytest.approx((abs(1 - 0.5) + abs(2 - 2.3)) / 5)


def test_rewards_that_are_no_probabilities_have_no_reliability() -> None:
    found = calibrate([[Pool.of([1, 0], None, [3.0, -2.0])]], threshold=0, draws=20)
    assert (found.bins, found.error) == ((), None)
    with pytest.raises(ValueError, match="no sample has a reward"):
        calibrate([[Pool.of([1, 0])]])


def test_a_judge_that_guesses_has_half_within_its_interval_and_a_good_one_does_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((60, 8)) < 0.5
    guesses = within_auc([[Pool.of(s, None, rng.random(8))] for s in labels])
    good = within_auc([[Pool.of(s, None, s + rng.normal(0, 1, 8))] for s in labels])
    assert guesses is not None
    assert good is not None
    assert guesses.low < 0.5 < guesses.high
    assert good.low > 0.5


def test_the_gap_between_generating_and_picking() -> None:
    pools = [[Pool.of([1, 0, 0, 0])], [Pool.of([1, 1, 0, 1])], [Pool.of([0, 0, 0, 0])]]
    found = gap(pools, [[0], [1], [0]])
    assert found.oracle.value == pytest.approx(2 / 3)
    assert found.selected.value == pytest.approx(1 / 3)
    assert found.random.value == pytest.approx((0.25 + 0.75) / 3)
    assert found.majority.value == pytest.approx(1 / 3)
    assert found.loss.value == pytest.approx(1 / 3)
    assert found.loss.low < 0, "three problems do not show a loss"
    assert found.n == 3


def test_pools_come_from_records_without_what_could_not_be_graded() -> None:
    found = pools_of([record("1", 1, samples=samples([1, None, 0], [0.5, 0.9, 0.1])), record("2", 0)])
    assert list(found) == ["a"]
    assert list(found["a"]) == ["1"]
    assert found["a"]["1"][0].scores.tolist() == [1, 0]
    assert found["a"]["1"][0].rewards is not None
    assert found["a"]["1"][0].rewards.tolist() == [0.5, 0.1]


RUNS = [
    record("1", 1, 0, answer="x"),
    record("1", 0, 1, answer="y"),
    record("1", 1, 2, answer="x"),
    record("2", 0, 0, answer="y"),
    record("2", 0, 1, answer="z"),
    record("2", 1, 2, answer="x"),
    record("2", None, 3),
]


def test_protocols_over_repetitions() -> None:
    at_three = {name: of_n(RUNS, name, [3])["a"][0].value for name in ("average", "best", "worst", "majority")}
    assert at_three == pytest.approx({"average": 0.5, "best": 1, "worst": 0, "majority": (1 + 1 / 3) / 2})
    best = of_n(RUNS, "best")["a"]
    assert [(point.k, point.n) for point in best] == [(1, 2), (2, 2), (3, 2)]
    assert best[0].value == pytest.approx(0.5)
    assert best[1].value == pytest.approx((1 + 2 / 3) / 2)
    with pytest.raises(ValueError, match="k = 4"):
        of_n(RUNS, "best", [4])


def test_attempts_after_feedback_keep_their_order() -> None:
    points = sequential_feedback(reversed(RUNS))["a"]
    assert [point.value for point in points] == [0.5, 0.5, 1]
    assert [point.k for point in points] == [1, 2, 3]
