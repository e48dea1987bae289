"""Describe how every candidate was reached, have that redone, and keep those that come out the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatePrompt, as_shown, conversation, render, requires
from techniques.steps import Revision, each_candidate, say

DESCRIBE = """\
Below are a question and a response to it.

Question:
{question}

Response:
{candidate}

Describe what the response does, as an instruction by which someone else could write the same response without having \
seen it: which facts it takes from where, and every step in its order. Describe what it really does, even where that \
is wrong. Do not give the results of its steps or its final answer."""

REDO = """\
{question}

Answer by this instruction, step by step:
{description}

Give the answer in the form the question asks for."""


class RoundTrip(Sampled, kind="round_trip"):
    """Describe how every candidate was reached, have that redone, and keep those that come out the same.

    There and back, for each candidate: one call turns it into an instruction that withholds its results; another
    follows the instruction without seeing the candidate. They agree if the architecture's answer format finds equal
    answers in both, so it is for questions with a definite answer. Those that agree stay, in their order and with the
    verdict; if none does, all stay with their verdicts. A trip that fails, or ends without an answer to compare, is
    recorded and counts as no verdict. It differs from optillm's ``rto`` in three ways: the question is in view on the
    way back too (an instruction without its data cannot be followed), answers are compared and not texts, and the two
    versions are not merged; ``fuse`` does that. Cost: 2 completions per candidate.

    Source: Allamanis et al. 2024 (Round-Trip Correctness, arXiv:2402.08699), there for code.

    Example:
        - generate: {model: solver, n: 8}
        - round_trip: {model: judge}
        - vote
    """

    calls: ClassVar[str] = "2 per candidate"

    model: ModelRef
    describe_prompt: CandidatePrompt = None
    redo_prompt: Annotated[str | None, requires("question", "description")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Keep the candidates whose round trip agrees."""

        async def travel(candidate: Candidate, branch: Context, index: int) -> Revision:
            unchecked = replace(candidate, verdict=None)
            shown = {"candidate": candidate.text.strip()}
            description = await self._say(state, branch, self.describe_prompt or DESCRIBE, **shown)
            if isinstance(description, Failure):
                return unchecked, [description]
            redone = await self._say(state, branch, self.redo_prompt or REDO, description=description)
            if isinstance(redone, Failure):
                return unchecked, [redone]
            there, back = context.answers.extract(candidate.text), context.answers.extract(redone)
            if there is None or back is None:
                return unchecked, [Failure(context.layer, "parse", f"{candidate.origin}: no two answers to compare")]
            return replace(candidate, verdict=context.answers.equal(there, back)), []

        travelled = await each_candidate(state, context, travel)
        agreed = [candidate for candidate in travelled.candidates if candidate.verdict]
        return travelled.with_candidates(agreed or travelled.candidates)

    def plan(self, candidates: int) -> Plan:
        """There and back for every candidate, if all agree."""
        there = Ask(
            self.model,
            requests=candidates,
            words=self.describe_prompt or DESCRIBE,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
        )
        back = replace(there, step=1, words=self.redo_prompt or REDO, reads=0, replies=1)
        return Plan((there, back), candidates)

    async def _say(self, state: State, context: Context, template: str, **values: str) -> str | Failure:
        prompt = render(template, question=as_shown(state).question, **values)
        return await say(context, self.model, conversation(state.task, prompt), **self.overrides)
