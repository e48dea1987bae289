"""Sample candidates, score them and keep the best."""

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


class BestOfN(Drawing, kind="best_of_n"):
    """Sample candidates, score them and keep the best.

    Every model draws ``n`` candidates, as in ``generate``, and the reward scores them. The highest score wins, the
    first of equals; a candidate without a score wins only if none has one. With ``weighted``, the answer wins whose
    candidates' scores add up to most, as in ``vote``; where no candidate has both an answer and a score, the highest
    score does. Cost: models x n completions and the reward's.

    Source: Cobbe et al. 2021 (arXiv:2110.14168); weighted as in Li et al. 2022 (DIVERSE, arXiv:2206.02336).
    """

    calls: ClassVar[str] = "models × n, plus the reward's"

    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 8
    reward: RewardField
    weighted: bool = False

    async def __call__(self, state: State, context: Context) -> State:
        """Keep one candidate out of models × n."""
        drawn = await self.draw(state, context)
        if not self.weighted:
            return await Score(reward=self.reward, keep=1)(drawn, context)
        best_first = await Score(reward=self.reward, keep=len(drawn.candidates))(drawn, context)
        return await Vote(weighted=True)(best_first, context)

    def plan(self, candidates: int) -> Plan | None:
        """The draws and then what the reward asks about them; one candidate is left."""
        drawn = self.draws()
        return drawn.then(self.reward.plan(drawn.bound), 1)
