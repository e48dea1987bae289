"""Sample candidates and choose the answer that most of them agree on."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.reward import RewardField
from archon.state import State
from archon.technique import Context, Plan
from techniques.generate import Drawing
from techniques.score import Score
from techniques.vote import Vote


class SelfConsistency(Drawing, kind="self_consistency"):
    """Sample candidates and choose the answer that most of them agree on.

    Every model draws ``n`` candidates, as in ``generate``; they vote, as in ``vote``. With ``reward`` each vote weighs
    as much as its candidate's score. Cost: models x n completions, and the reward's if there is one.

    Source: Wang et al. 2022 (Self-Consistency, arXiv:2203.11171); weighted as in Li et al. 2022 (DIVERSE,
    arXiv:2206.02336).
    """

    calls: ClassVar[str] = "models × n, plus the reward's"

    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 8
    reward: RewardField | None = None

    async def __call__(self, state: State, context: Context) -> State:
        """Keep one candidate out of models × n."""
        drawn = await self.draw(state, context)
        if self.reward is None:
            return await Vote()(drawn, context)
        return await Vote(weighted=True)(await Score(reward=self.reward)(drawn, context), context)

    def plan(self, candidates: int) -> Plan | None:
        """The draws, and then what the reward asks about them; one candidate is left."""
        drawn = self.draws()
        return drawn.then(self.reward.plan(drawn.bound) if self.reward else (), 1)
