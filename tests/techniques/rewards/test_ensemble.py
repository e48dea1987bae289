"""Several rewards as one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.models.base import Request
from archon.state import Candidate, Failure
from archon.testing import ScriptedModel
from archon.testing_rewards import score
from techniques.rewards import Ensemble, Judge, Python
from techniques.rewards.ensemble import Scale, fuse_scores, rescale
from tests.techniques.rewards.functions import MODULE

SCALES: list[Scale] = ["none", "minmax", "zscore", "rank"]
SCORES = st.integers(0, 8).map(lambda eighth: eighth / 8)
TABLES = st.integers(1, 4).flatmap(
    lambda rewards: st.lists(st.lists(SCORES, min_size=rewards, max_size=rewards), min_size=1, max_size=6)
)


def _by_definition(table: list[list[float]], weights: list[float], scale: Scale, penalty: float) -> np.ndarray:
    scores = np.array(table)
    if scale == "minmax":
        spread = np.ptp(scores, axis=0)
        scores = np.where(spread > 0, (scores - scores.min(0)) / np.where(spread > 0, spread, 1), 0.5)
    elif scale == "zscore":
        spread = scores.std(axis=0)
        scores = np.where(spread > 0, (scores - scores.mean(0)) / np.where(spread > 0, spread, 1), 0.0)
    elif scale == "rank":
        worse = (scores[None] < scores[:, None]).sum(1)
        equal = (scores[None] == scores[:, None]).sum(1) - 1
        scores = (worse + equal / 2) / (len(scores) - 1) if len(scores) > 1 else np.full_like(scores, 0.5)
    shares = np.array(weights) / sum(weights)
    mean = scores @ shares
    return np.asarray(mean - penalty * np.sqrt(((scores - mean[:, None]) ** 2) @ shares))


@given(TABLES, st.sampled_from(SCALES), st.sampled_from([0.0, 0.5, 2.0]), st.data())
def test_the_score_is_the_formula(table: list[list[float]], scale: Scale, penalty: float, data: st.DataObject) -> None:
    count = len(table[0])
    weights = data.draw(st.lists(st.integers(1, 5).map(float), min_size=count, max_size=count))
    fused = fuse_scores(table, weights, scale, penalty)
    assert fused == pytest.approx(_by_definition(table, weights, scale, penalty), abs=1e-9)


@given(TABLES, st.sampled_from([0.0, 0.5, 3.0]), st.sampled_from(SCALES))
def test_scores_stay_within_the_declared_range(table: list[list[float]], penalty: float, scale: Scale) -> None:
    rewards = tuple(Python(function="a:b") for _ in table[0])
    ensemble = Ensemble(rewards=rewards, penalty=penalty, normalise=scale)
    for fused in fuse_scores(table, [1.0] * len(rewards), scale, penalty):
        assert ensemble.low <= fused <= ensemble.high


FLOATS = st.floats(-1e300, 1e300) | st.sampled_from([0.0, 5e-324, 1e-200, 0.1, 1.0])


@given(st.lists(FLOATS, min_size=1, max_size=6), st.sampled_from(SCALES))
def test_every_scale_keeps_the_order_and_is_finite(scores: list[float], scale: Scale) -> None:
    scaled = rescale(scores, scale)
    assert all(map(math.isfinite, scaled))
    for (a, x), (b, y) in zip(zip(scores, scaled, strict=True), sorted(zip(scores, scaled, strict=True)), strict=True):
        assert (x <= y) if a <= b else (x >= y)


def _ensemble(**settings: object) -> Ensemble:
    """A judge by model beside the number that stands in the text."""
    rewards = [{"python": {"function": f"{MODULE}:stated"}}, {"judge": {"model": "m"}}]
    return Ensemble.model_validate({"rewards": rewards, **settings})


def _judge(request: Request, index: int) -> str:
    return "Rating: [10]" if "good" in request.messages[-1].content else "Rating: [1]"


def test_weights_and_penalty() -> None:
    candidates = [Candidate("good |0.5"), Candidate("bad |0.5"), Candidate("bad |1")]
    scores, _ = score(_ensemble(weights=[3, 1], penalty=1), ScriptedModel(_judge), candidates)
    spread = math.sqrt(3 / 16)
    assert scores == pytest.approx([0.625 - 0.5 * spread, 0.375 - 0.5 * spread, 0.75 - spread])


def test_a_candidate_that_one_reward_could_not_score_has_no_score_and_moves_no_scale() -> None:
    candidates = [Candidate("good |0.5"), Candidate("bad |nan"), Candidate("bad |0.25")]
    first, second, third = score(_ensemble(normalise="minmax"), ScriptedModel(_judge), candidates)[0]
    assert (first, third) == (1.0, 0.0)
    assert isinstance(second, Failure)
    assert "python gave nan" in second.reason


def test_nothing_scored_is_nothing_fused() -> None:
    scores, rehearsal = score(_ensemble(normalise="zscore"), ScriptedModel(_judge), [Candidate("bad |nan")])
    assert rehearsal.result.error is None
    assert isinstance(scores[0], Failure)


def test_auto_leaves_equal_ranges_alone_and_standardises_others() -> None:
    same = _ensemble()
    assert (same.scale, same.low, same.high) == ("none", 0.0, 1.0)
    mixed = Ensemble(rewards=(Judge(model="m"), _ensemble(normalise="zscore")))
    assert (mixed.scale, mixed.low, mixed.high) == ("zscore", -math.inf, math.inf)
    assert _ensemble(normalise="rank").scale == "rank"


def test_a_plan_of_something_unknown_is_unknown() -> None:
    unknown = {"rollout": {"model": "m", "reward": {"judge": {"model": "m"}}}}
    assert Ensemble.model_validate({"rewards": [unknown, {"judge": {"model": "m"}}]}).plan(2) is None


@pytest.mark.parametrize("wrong", [{"weights": [1]}, {"weights": [1, 0]}, {"penalty": -1}, {"rewards": []}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _ensemble(**wrong)
