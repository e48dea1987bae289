"""Predictions from samples are the mean over all that could have been drawn."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.architecture import Architecture
from evals.statistics.pools import Pool
from search.surrogate import predict


def architecture(n: int, *layers: object) -> Architecture:
    data = {
        "name": "a",
        "models": {"m": {"use": "openai/x"}},
        "layers": [{"generate": {"model": "m", "n": n}}, *layers],
    }
    return Architecture.model_validate(data)


answers = st.lists(st.sampled_from("abc"), min_size=4, max_size=6)


def majority(drawn: tuple[str, ...]) -> float:
    """How likely a vote among these comes out as the right answer, ``a``; ties are broken evenly."""
    counts = Counter(drawn)
    top = [answer for answer, count in counts.items() if count == max(counts.values())]
    return ("a" in top) / len(top)


@given(answers, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_vote_is_predicted_as_the_mean_over_all_draws(pool: list[str], k: int) -> None:
    expected = [majority(drawn) for drawn in combinations(pool, k)]
    found = predict(architecture(k, "vote"), [Pool.of([float(a == "a") for a in pool], pool)])
    assert found == pytest.approx([sum(expected) / len(expected)])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), min_size=4, max_size=6, unique_by=lambda x: x[1]))
@settings(max_examples=40, deadline=None)
def test_the_best_by_reward_is_predicted_as_the_mean_over_all_draws(pool: list[tuple[bool, int]]) -> None:
    expected = [float(max(drawn, key=lambda x: x[1])[0]) for drawn in combinations(pool, 3)]
    pools = [Pool.of([float(right) for right, _ in pool], ["x"] * len(pool), [float(reward) for _, reward in pool])]
    found = predict(architecture(3, {"score": {"reward": {"logprob": {"model": "m"}}, "keep": 1}}), pools)
    assert found == pytest.approx([sum(expected) / len(expected)])


def test_nothing_is_said_of_other_shapes_or_without_enough_samples() -> None:
    pools = [Pool.of([1.0, 0.0], ["a", "b"])]
    assert predict(architecture(1), pools) == [0.5]
    assert predict(architecture(3, "vote"), pools) is None
    assert predict(architecture(2, {"rank": {"model": "m"}}), pools) is None
    assert predict(architecture(2, {"score": {"reward": {"logprob": {"model": "m"}}, "keep": 1}}), pools) is None
    assert predict(architecture(2, "vote"), []) is None
