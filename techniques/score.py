"""Give every candidate a score, and keep the best if wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.reward import RewardField
from archon.state import Candidate, Failure, State
from archon.technique import Context, Plan, Technique


class Score(Technique, kind="score"):
    """Give every candidate a score, and keep the best if wanted.

    The reward's scores take the place of earlier ones. A candidate that could not be scored goes on without a score,
    and that is recorded. The order stays, unless ``keep`` says how many of the best are kept: then they
    come best first, the first of equals before the others, and those without a score last. Cost: the reward's.

    Source: Cobbe et al. 2021 (Training Verifiers to Solve Math Word Problems, arXiv:2110.14168).

    Example:
        - generate: {model: solver, n: 8}
        - score: {reward: {logprob: {model: judge}}}
        - vote: {weighted: true}
    """

    calls: ClassVar[str] = "the reward's"

    reward: RewardField
    keep: Annotated[int | None, Field(ge=1), IntKnob(1, 10)] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Score the candidates."""
        scores = await self.reward.score(state, context.fork("reward"))
        candidates = [
            replace(candidate, score=None if isinstance(score, Failure) else score)
            for candidate, score in zip(state.candidates, scores, strict=True)
        ]
        if self.keep is not None:
            # A stable sort, so that the first of equals stays first.
            candidates = sorted(candidates, key=_order)[: self.keep]
        return state.with_candidates(candidates).with_failures(s for s in scores if isinstance(s, Failure))

    def plan(self, candidates: int) -> Plan | None:
        """What the reward asks for."""
        asks = self.reward.plan(candidates)
        return None if asks is None else Plan(asks, min(self.keep or candidates, candidates))


def _order(candidate: Candidate) -> tuple[bool, float]:
    return candidate.score is None, -(candidate.score or 0.0)
