"""The reward that knows the right answer."""

from __future__ import annotations

from archon.state import Candidate
from archon.testing import ScriptedModel
from archon.testing_rewards import RewardConformance, score
from techniques.rewards import Reference


class TestReference(RewardConformance):
    reward = Reference(answer="4")


def test_answers_are_compared_as_the_architecture_compares_them() -> None:
    candidates = [Candidate(text) for text in ("It is 4.0", "It is 5", "Who knows", "")]
    assert score(Reference(answer="4"), ScriptedModel(""), candidates, answer="math")[0] == [1.0, 0.0, 0.0, 0.0]
