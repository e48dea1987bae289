"""Ask questions that check every candidate, answer each without seeing it, and revise it by the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatePrompt, as_shown, conversation, render, requires
from techniques.steps import Revision, each_candidate, say
from techniques.unit_tests import parse_tests as parse_numbered

PLAN = """\
Below are a question and a draft of an answer to it.

Question:
{question}

Draft:
{candidate}

Write {count} questions whose answers would show whether the facts and steps that the draft relies on are right. Each \
must be understandable by itself, without the draft, must ask about one thing only, and must not say what the draft \
claims. Number them in square brackets, like this, and write nothing else:

[1] When was ...?
[2] How many ...?"""

CHECK = """\
Someone who works on this question:
{question}

needs to know one thing for it:
{check}

Answer this one thing only, as exactly as you can. Work it out instead of guessing, and say so if you do not know."""

REVISE = """\
Below are a question, a draft of an answer to it, and independent answers to questions that check the draft.

Question:
{question}

Draft:
{candidate}

Checks:
{checks}

Write the final answer. Where the checks contradict the draft, correct it; keep what they bear out. Answer the \
question directly and completely, in the form it asks for, without mentioning the draft or the checks."""


class ChainOfVerification(Sampled, kind="chain_of_verification"):
    """Ask questions that check every candidate, answer each without seeing it, and revise it by the answers.

    The candidates of earlier layers are the drafts. For each, one call writes up to ``questions`` questions, each of
    these is answered in a conversation of its own that does not hold the draft (the paper's factored variant), and
    one call writes the final answer from draft and answers. A check that fails is recorded and left out; without any,
    or if the final answer fails, the draft stays. Cost: 2 + questions completions per candidate.

    Source: Dhuliawala et al. 2023 (Chain-of-Verification, arXiv:2309.11495).
    """

    calls: ClassVar[str] = "2 + questions per candidate"

    model: ModelRef
    questions: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 3
    plan_prompt: CandidatePrompt = None
    check_prompt: Annotated[str | None, requires("question", "check")] = None
    revise_prompt: Annotated[str | None, requires("question", "candidate", "checks")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace every candidate by its revision."""

        async def verify(candidate: Candidate, branch: Context, index: int) -> Revision:
            planned = await self._say(state, branch, self.plan_prompt or PLAN, candidate=candidate.text.strip())
            if isinstance(planned, Failure):
                return candidate, [planned]
            questions = parse_numbered(planned, self.questions)
            if not questions:
                return candidate, [Failure(context.layer, "parse", f"{candidate.origin}: no questions to check it by")]
            replies = await gather(
                self._say(state, branch.fork(number), self.check_prompt or CHECK, check=question)
                for number, question in enumerate(questions)
            )
            failures = [reply for reply in replies if isinstance(reply, Failure)]
            checks = [
                f"[{number}] {question}\n{reply}"
                for number, (question, reply) in enumerate(zip(questions, replies, strict=True), start=1)
                if not isinstance(reply, Failure)
            ]
            if not checks:
                return candidate, failures
            shown = {"candidate": candidate.text.strip(), "checks": "\n\n".join(checks)}
            revised = await self._say(state, branch, self.revise_prompt or REVISE, **shown)
            if isinstance(revised, Failure):
                return candidate, [*failures, revised]
            return Candidate(revised, f"{context.layer}/{self.model}#{index}"), failures

        return await each_candidate(state, context, verify)

    def plan(self, candidates: int) -> Plan:
        """Questions, answers and revision of every candidate."""
        planning = Ask(
            self.model,
            requests=candidates,
            words=self.plan_prompt or PLAN,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
        )
        checking = replace(
            planning,
            requests=candidates * self.questions,
            step=1,
            words=self.check_prompt or CHECK,
            reads=0,
            replies=1,
        )
        revising = replace(
            planning,
            step=2,
            words=self.revise_prompt or REVISE,
            replies=1 + self.questions,
            makes="candidates",
        )
        return Plan((planning, checking, revising), candidates, keeps=True)

    async def _say(self, state: State, context: Context, template: str, **values: str) -> str | Failure:
        prompt = render(template, question=as_shown(state).question, count=str(self.questions), **values)
        return await say(context, self.model, conversation(state.task, prompt), **self.overrides)
