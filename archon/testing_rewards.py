"""For people who write rewards: a suite that every one of them must pass.

Subclass it in a test module and pytest runs it::

    class TestBrevity(RewardConformance):
        reward = Brevity()
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

from archon.errors import PermanentError
from archon.kinds import kind_to_data
from archon.reward import Reward, RewardField, parse_reward, reward
from archon.state import Candidate, Failure, Message, State, Task
from archon.technique import Context, Technique
from archon.testing import Rehearsal, ScriptedModel, rehearse


class _Scoring(Technique):
    """Remembers the scores that a reward gives."""

    reward: RewardField
    seen: list[list[float | Failure]]

    async def __call__(self, state: State, context: Context) -> State:
        """Score, remember and pass on."""
        self.seen.append(await self.reward.score(state, context.fork("reward")))
        return state


_Scoring.kind = "scoring"


def score(
    reward: Reward, model: ScriptedModel, candidates: Sequence[Candidate], **settings: Any
) -> tuple[list[float | Failure], Rehearsal]:
    """Score candidates with the real engine, synchronously.

    Args:
        reward: The reward.
        model: The model behind every reference of the reward.
        candidates: What is scored.
        **settings: Those of :func:`archon.testing.rehearse`.

    Returns:
        The scores, none if the reward raised an error, and what else came of it.
    """
    scoring = _Scoring(reward=reward, seen=[])
    rehearsal = rehearse(scoring, model, candidates=candidates, **settings)
    return scoring.seen[0] if scoring.seen else [], rehearsal


class RewardConformance:
    """What every reward owes its users. Subclass, set ``reward``, and pytest does the rest.

    Class attributes:
        reward: An instance to try.
        script: What its model replies; should make it give scores.
        candidates: What is scored.
        unit_tests: The unit tests that earlier layers left, for rewards that need them.
        answer: The architecture's answer format.
    """

    reward: ClassVar[Reward]
    script: ClassVar[Any] = staticmethod(lambda request, index: f"reply {index} to {request.wire_seed()}")
    candidates: ClassVar[tuple[Candidate, ...]] = (
        Candidate("The answer is 4.", "0.generate/m#0"),
        Candidate("The answer is 5.", "0.generate/m#1"),
        Candidate("The answer is 4.", "0.generate/m#2"),
    )
    unit_tests: ClassVar[tuple[str, ...]] = ()
    answer: ClassVar[Any] = "math"

    def _score(self, model: ScriptedModel, **settings: Any) -> tuple[list[float | Failure], Rehearsal]:
        return score(self.reward, model, self.candidates, unit_tests=self.unit_tests, answer=self.answer, **settings)

    def _check(self, scores: Sequence[float | Failure]) -> None:
        assert len(scores) == len(self.candidates)
        for given in scores:
            assert isinstance(given, Failure) or self.reward.low <= given <= self.reward.high

    def test_is_registered_and_documented(self) -> None:
        """Users find it by its kind and learn what it measures and where it comes from."""
        cls = type(self.reward)
        assert reward(cls.kind) is cls
        assert cls.__doc__ and "Source:" in cls.__doc__, "the docstring names its source"
        assert cls.calls, "it says what it costs"

    def test_settings_round_trip(self) -> None:
        """Its YAML form reads back to an equal reward."""
        assert parse_reward(kind_to_data(self.reward)) == self.reward

    def test_refuses_unknown_settings(self) -> None:
        """A mistyped key is an error."""
        data = kind_to_data(self.reward)
        data[self.reward.kind]["no_such_setting"] = 1
        try:
            parse_reward(data)
        except ValidationError:
            return
        raise AssertionError("an unknown key was accepted")

    def test_every_candidate_gets_a_score(self) -> None:
        """When all goes well there is a number within the range for each."""
        scores, rehearsal = self._score(ScriptedModel(self.script))
        assert rehearsal.result.error is None, rehearsal.result.error
        self._check(scores)
        assert not any(isinstance(given, Failure) for given in scores), scores

    def test_no_candidates_cost_nothing(self) -> None:
        """Nothing is asked about nothing."""
        model = ScriptedModel(self.script)
        scores, _ = score(self.reward, model, (), unit_tests=self.unit_tests)
        assert scores == []
        assert not model.requests

    def test_any_reply_is_survived(self) -> None:
        """One entry per candidate, a score within the range or the reason why there is none, whatever a model says."""
        replies = ("", "[0] [99] > [-1]", "\x00 ☃ \\boxed{", "[1]" * 200, "10/10", "[Correct] [Incorrect]", "nan")
        for reply in replies:
            scores, rehearsal = self._score(ScriptedModel(reply))
            assert rehearsal.result.error is None, repr(rehearsal.result.error)
            self._check(scores)

    def test_a_failing_model_leaves_recorded_gaps(self) -> None:
        """Never a number, never silence."""
        model = ScriptedModel(lambda request, index: PermanentError("BROKEN-MARK", reason="forbidden"))
        scores, rehearsal = self._score(model)
        assert rehearsal.result.error is None, repr(rehearsal.result.error)
        if model.requests:
            assert all(isinstance(given, Failure) and "BROKEN-MARK" in given.reason for given in scores)

    def test_same_seed_same_scores_whatever_the_timing(self) -> None:
        """Latencies shuffle the replies; the scores do not change."""
        outcomes = []
        for shuffle in range(3):
            noise = random.Random(shuffle)
            model = ScriptedModel(self.script, latency=lambda request, noise=noise: noise.uniform(0, 0.004))  # type: ignore[misc]
            scores, _ = self._score(model, seed=7)
            outcomes.append((scores, sorted(map(repr, model.draws()))))
        assert outcomes[0] == outcomes[1] == outcomes[2]

    def test_no_two_draws_share_a_sample(self) -> None:
        """Neither within the reward nor between two components that hold equal ones."""
        model = ScriptedModel(self.script)
        self._score(model, copies=2)
        draws = model.draws()
        assert len(set(draws)) == len(draws)

    def test_nothing_the_caller_said_is_lost(self) -> None:
        """The caller's system message and earlier turns reach the model in every request."""
        task = Task(
            (
                Message("system", "SYSTEM-MARK"),
                Message("user", "EARLIER-MARK"),
                Message("assistant", "REPLY-MARK"),
                Message("user", "QUESTION-MARK"),
            ),
            id="q",
        )
        model = ScriptedModel(self.script)
        self._score(model, task=task)
        for request in model.requests:
            said = "\n".join(message.content for message in request.messages)
            for mark in ("SYSTEM-MARK", "EARLIER-MARK", "REPLY-MARK", "QUESTION-MARK"):
                assert mark in said, f"{mark} did not reach the model"

    def test_it_asks_what_it_plans(self) -> None:
        """As many completions as its plan says."""
        plan = self.reward.plan(len(self.candidates))
        if plan is None:
            return
        model = ScriptedModel(self.script)
        self._score(model)
        expected = sum(ask.requests * ask.draws for ask in plan)
        most = sum(ask.bound * ask.draws for ask in plan)
        assert expected == len(model.draws()) <= most
        assert {ask.model for ask in plan} <= {ref for _, ref in self.reward.model_refs()}
