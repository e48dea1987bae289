"""Check every candidate by reasoning and keep those that pass."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatePrompt, as_shown, conversation, render

PROMPT = """\
Below are a question and a response to it.

Question:
{question}

Response:
{candidate}

Check the response. Work the question out for yourself, compare step by step, and test every claim the response \
relies on. It may be right or wrong: do not assume either. Write down your reasoning only."""

VERDICT_TOKENS = 16
VERDICT = """\
Given your reasoning, is the response correct? Reply with [Correct] or [Incorrect] and nothing else."""

WORD = re.compile(r"\b(?:(in|(?:not|\w{1,8}n['’]t)\s{1,3}(?:\w{1,12}\s{1,3})?))?correct\b", re.IGNORECASE)


class Verify(Sampled, kind="verify"):
    """Check every candidate by reasoning and keep those that pass.

    Two calls per candidate: one reasons about it under a prompt that leans neither way, one gives the verdict on
    that reasoning, which stays with the candidate as a remark. With ``first_k``, candidates are checked in order,
    ``first_k`` at a time, and checking stops as soon as that many have passed. If none passes, all are kept with
    their verdicts. An unreadable verdict or a failed check is recorded; such a candidate does not pass.
    Cost: 2 completions per candidate checked.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3.

    Example:
        - generate: {model: solver, n: 8}
        - verify: {model: judge}
        - vote
    """

    calls: ClassVar[str] = "2 per candidate"

    model: ModelRef
    first_k: Annotated[int | None, Field(ge=1), IntKnob(1, 10)] = None
    prompt: CandidatePrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Keep the candidates that pass, in their order, with verdict and reasoning."""
        wanted = self.first_k or len(state.candidates)
        checked: list[Candidate] = []
        failures: list[Failure] = []
        passed: list[Candidate] = []
        while len(checked) < len(state.candidates) and len(passed) < wanted:
            batch = range(len(checked), min(len(checked) + wanted, len(state.candidates)))
            outcomes = await gather(self._check(state, state.candidates[index], context.fork(index)) for index in batch)
            for candidate, failure in outcomes:
                checked.append(candidate)
                if failure:
                    failures.append(failure)
            passed = [candidate for candidate in checked if candidate.verdict]
        kept = passed[:wanted] or checked
        return state.with_candidates(kept).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """Two steps per candidate, if all that are checked pass; with ``first_k`` that ends after the first batch."""
        checked = min(self.first_k or candidates, candidates)
        reasoning = Ask(
            self.model,
            requests=checked,
            most=candidates,
            words=self.prompt or PROMPT,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
            makes="remarks",
        )
        verdict = replace(reasoning, step=1, words=VERDICT, goes_on=True, max_tokens=VERDICT_TOKENS, makes="nothing")
        return Plan((reasoning, verdict), checked, candidates)

    async def _check(self, state: State, candidate: Candidate, context: Context) -> tuple[Candidate, Failure | None]:
        prompt = render(self.prompt or PROMPT, question=as_shown(state).question, candidate=candidate.text.strip())
        asked = conversation(state.task, prompt)
        try:
            (reasoning,) = await context.sample(self.model, asked, **self.overrides)
            verdict_asked = (*asked, Message("assistant", reasoning.text), Message("user", VERDICT))
            (reply,) = await context.sample(
                self.model, verdict_asked, **{**self.overrides, "max_tokens": VERDICT_TOKENS}
            )
        except ModelError as error:
            return candidate, Failure.of(context.layer, error)
        verdict = parse_verdict(reply.text)
        checked = replace(candidate.with_critique(reasoning.text.strip()), verdict=verdict)
        failure = Failure(context.layer, "parse", f"no verdict in {reply.text[:60]!r}")
        return checked, failure if verdict is None else None


def parse_verdict(reply: str) -> bool | None:
    """The verdict in a reply: ``None`` if it gives none, or both."""
    verdicts = {match[1] is None for match in WORD.finditer(reply)}
    return verdicts.pop() if len(verdicts) == 1 else None
