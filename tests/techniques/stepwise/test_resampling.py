"""Laws of resampling: unbiased whatever the scheme, and counts within what each scheme promises."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from techniques.stepwise.resampling import SCHEMES, Scheme, ess
from tests.techniques.stepwise.sampling import mean_and_error

WEIGHTS = st.lists(st.floats(0.0, 1e3), min_size=1, max_size=12).filter(lambda weights: sum(weights) > 1e-3)
SLACK = 1e-9
"""Weights are floats; what is a whole number on paper can be a little less here."""


@given(st.sampled_from(sorted(SCHEMES)), WEIGHTS, st.integers(0, 40), st.integers())
def test_every_scheme_draws_n_particles_in_order_that_have_weight(
    scheme: Scheme, weights: list[float], n: int, seed: int
) -> None:
    drawn = SCHEMES[scheme](weights, n, random.Random(seed))
    assert len(drawn) == n
    assert drawn == sorted(drawn)
    assert all(weights[place] > 0 for place in drawn)


@given(WEIGHTS, st.integers(1, 40), st.integers())
def test_counts_are_within_what_a_scheme_promises(weights: list[float], n: int, seed: int) -> None:
    expected = [n * weight / math.fsum(weights) for weight in weights]
    systematic, stratified, residual = (
        Counter(SCHEMES[scheme](weights, n, random.Random(seed))) for scheme in ("systematic", "stratified", "residual")
    )
    for place, mean in enumerate(expected):
        assert math.floor(mean - SLACK) <= systematic[place] <= math.ceil(mean + SLACK)
        assert abs(stratified[place] - mean) < 2 + SLACK
        assert residual[place] >= math.floor(mean - SLACK)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_counts_are_unbiased(scheme: Scheme) -> None:
    weights, n, rng = [0.05, 1.0, 0.31, 0.0, 2.2, 0.7], 8, random.Random(1)
    rounds = [Counter(SCHEMES[scheme](weights, n, rng)) for _ in range(4000)]
    for place, weight in enumerate(weights):
        mean, error = mean_and_error([counts[place] for counts in rounds])
        expected = n * weight / math.fsum(weights)
        assert abs(mean - expected) <= 5 * error, f"z = {(mean - expected) / error}"


def test_stratified_and_residual_counts_vary_less_than_multinomial_ones() -> None:
    weights, n, rng = [0.05, 1.0, 0.31, 0.0, 2.2, 0.7], 8, random.Random(2)

    def variance(scheme: Scheme) -> float:
        rounds = [Counter(SCHEMES[scheme](weights, n, rng)) for _ in range(2000)]
        return math.fsum(
            len(rounds) * mean_and_error([counts[place] for counts in rounds])[1] ** 2 for place in range(len(weights))
        )

    assert max(variance("stratified"), variance("residual")) < variance("multinomial")


@given(WEIGHTS)
def test_the_effective_sample_size_is_from_one_to_all(weights: list[float]) -> None:
    assert 1 - SLACK <= ess(weights) <= sum(weight > 0 for weight in weights) + SLACK


def test_the_effective_sample_size_of_equal_weights_is_their_number() -> None:
    assert ess([0.25] * 4) == 4
    assert ess([1.0, 0.0, 0.0]) == 1
