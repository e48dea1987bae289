"""Give every candidate a score."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from archon.reward import RewardField
from archon.state import Failure, State
from archon.technique import Context, Plan, Technique


class Score(Technique, kind="score"):
    """Give every candidate a score.

    The reward's scores take the place of earlier ones; the order stays. A candidate that could not be scored goes on
    without a score, and that is recorded. Cost: the reward's.

    Source: Cobbe et al. 2021 (Training Verifiers to Solve Math Word Problems, arXiv:2110.14168).

    Example:
        - generate: {model: solver, n: 8}
        - score: {reward: {logprob: {model: judge}}}
        - vote: {weighted: true}
    """

    calls: ClassVar[str] = "the reward's"

    reward: RewardField

    async def __call__(self, state: State, context: Context) -> State:
        """Score the candidates."""
        scores = await self.reward.score(state, context.fork("reward"))
        candidates = [
            replace(candidate, score=None if isinstance(score, Failure) else score)
            for candidate, score in zip(state.candidates, scores, strict=True)
        ]
        return state.with_candidates(candidates).with_failures(s for s in scores if isinstance(s, Failure))

    def plan(self, candidates: int) -> Plan | None:
        """What the reward asks for."""
        asks = self.reward.plan(candidates)
        return None if asks is None else Plan(asks, candidates)
