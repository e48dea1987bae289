"""Let several agents answer, show each what the others answered, and take the majority or a judge's answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.knobs import IntKnob
from archon.state import Candidate, Message, State
from archon.technique import Ask, Context, ModelRef, Plan
from techniques.fuse import PROMPT as JUDGE
from techniques.prompts import as_shown, conversation, listing, render, requires
from techniques.steps import Panel, draw, fusing, keep, settle
from techniques.vote import Vote

PROMPT = """\
Below are a question, your own answer to it, and the answers of others who were asked the same.

Question:
{question}

Your answer:
{candidate}

Answers of others:
{candidates}

Compare them step by step and find out where and why they differ. Keep to your answer where your reasons are the \
better ones and change it where theirs are. Then answer the question again, completely and in the form it asks for."""


class Debate(Panel, kind="debate"):
    """Let several agents answer, show each what the others answered, and take the majority or a judge's answer.

    In the first round every agent answers by itself; in each later one it sees its own last answer and those of the
    others, and answers again. At the end the majority is taken as in ``vote``, or the ``judge`` writes the final
    answer under the prompt of ``fuse``. An agent whose first answer fails takes no part; one that fails later keeps
    its last answer; both are recorded. Whenever a budget runs out, the last answers there are decide; they do by
    majority, too, if the judge fails. Cost: models x n x rounds completions, plus 1 for a judge.

    Source: Du et al. 2023 (Multiagent Debate, arXiv:2305.14325); the judge as in Liang et al. 2023
    (arXiv:2305.19118), unverified.

    Example:
        - debate: {model: solver, n: 3, rounds: 2, judge: judge}
    """

    calls: ClassVar[str] = "models × n × rounds, plus 1 for a judge"

    n: Annotated[int, Field(ge=1), IntKnob(2, 8)] = 3
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 4)] = 2
    judge: ModelRef | None = None
    prompt: Annotated[str | None, requires("question", "candidate", "candidates")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by the outcome of the debate."""
        members = self.members
        # An agent that is asked the same in two rounds must not be given the same sample, so its branch stays.
        branches = [context.fork(index) for index in range(len(members))]
        opening = await self.ask_all(as_shown(state).messages, context)
        debated = settle(state, opening, context)
        last = {index: outcome for index, outcome in enumerate(opening) if isinstance(outcome, Candidate)}
        for _ in range(1, self.rounds):
            replies = await gather(
                draw(branches[index], members[index], self._argue(state, last, index), first=index, **self.overrides)
                for index in last
            )
            outcomes = [outcome for (outcome,) in replies]
            last |= {i: outcome for i, outcome in zip(last, outcomes, strict=True) if isinstance(outcome, Candidate)}
            debated = keep(debated, outcomes, context).with_candidates(last.values())
        if self.judge is not None:
            (verdict,) = await draw(context, self.judge, fusing(debated, None), **self.overrides)
            debated = keep(debated, [verdict], context)
            if isinstance(verdict, Candidate):
                return debated
        return await Vote()(debated, context)

    def plan(self, candidates: int) -> Plan:
        """The rounds and, if there is one, the judge."""
        members = len(self.members)
        opening = [Ask(ref, draws=self.n, max_tokens=self.max_tokens, makes="candidates") for ref in self.models]
        words = self.prompt or PROMPT
        debating = [
            replace(ask, requests=self.n, draws=1, step=step, words=words, replies=members)
            for step in range(1, self.rounds)
            for ask in opening
        ]
        if self.judge is None:
            return Plan((*opening, *debating), 1)
        judging = replace(opening[0], model=self.judge, draws=1, step=self.rounds, words=JUDGE, replies=members)
        return Plan((*opening, *debating, judging), 1)

    def _argue(self, state: State, last: dict[int, Candidate], index: int) -> tuple[Message, ...]:
        prompt = render(
            self.prompt or PROMPT,
            question=as_shown(state).question,
            candidate=last[index].text.strip(),
            candidates=listing([candidate for other, candidate in last.items() if other != index]) or "(none)",
        )
        return conversation(state.task, prompt)
