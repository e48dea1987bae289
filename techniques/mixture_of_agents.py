"""Let several models answer in rounds, each with all answers of the round before, and one model aggregate."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.state import State
from archon.technique import Ask, Context, ModelRef, Plan
from techniques.fuse import PROMPT
from techniques.prompts import CandidatesPrompt, as_shown
from techniques.steps import Panel, draw, fusing, keep, settle


class MixtureOfAgents(Panel, kind="mixture_of_agents"):
    """Let several models answer in rounds, each with all answers of the round before, and one model aggregate.

    Every model proposes ``n`` answers per round: in the first to the question alone, in later ones with the round
    before in view, under the prompt of ``fuse``; the aggregator writes the final answer from the last round. The
    paper counts the aggregator as a layer of its own, so its three layers are ``rounds: 2``. Draws that fail are
    recorded and the next round goes on with the rest; a round that fails altogether leaves the answers of the round
    before, a failing aggregator those of the last. Cost: models x n x rounds completions, plus 1.

    Source: Wang et al. 2024 (Mixture-of-Agents, arXiv:2406.04692).

    Example:
        - mixture_of_agents: {model: [solver, judge], n: 2, rounds: 2, aggregator: judge}
    """

    calls: ClassVar[str] = "models × n × rounds, plus 1"

    aggregator: ModelRef
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 4)] = 2
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by one aggregate."""
        proposed = settle(state, await self.ask_all(as_shown(state).messages, context), context)
        for _ in range(1, self.rounds):
            proposed = keep(proposed, await self.ask_all(fusing(proposed, self.prompt), context), context)
        aggregate = await draw(context, self.aggregator, fusing(proposed, self.prompt), **self.overrides)
        return keep(proposed, aggregate, context)

    def plan(self, candidates: int) -> Plan:
        """The rounds, and the aggregate; if the aggregator fails, the answers of a round are left."""
        members, words = len(self.members), self.prompt or PROMPT
        proposals = [
            Ask(
                ref,
                draws=self.n,
                step=step,
                words=words if step else "",
                replies=members if step else 0,
                max_tokens=self.max_tokens,
                makes="candidates",
            )
            for step in range(self.rounds)
            for ref in self.models
        ]
        aggregate = replace(
            proposals[-1], model=self.aggregator, draws=1, step=self.rounds, words=words, replies=members
        )
        return Plan((*proposals, aggregate), 1, members)
