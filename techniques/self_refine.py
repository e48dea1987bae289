"""Let a model give feedback on every candidate and refine it, until the feedback says stop."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import as_shown
from techniques.steps import Revision, each_candidate, say

FEEDBACK = """\
Give feedback on your last answer. Go through it step by step, say what is wrong, missing or unclear, and how to mend \
it; do not write a new answer yet. End with one line: [Stop] if there is nothing worth changing, [Revise] otherwise."""

REFINE = """\
Now write the answer anew and follow the feedback where it is right. Give the whole answer, in the form the question \
asks for, without mentioning the feedback."""

DECISION = re.compile(
    r"\[[^\S\n]{0,9}(stop|revise)[^\S\n]{0,9}\]|^[^\w\n]{0,9}(stop|revise)[^\w\n]{0,9}$", re.IGNORECASE | re.MULTILINE
)


class SelfRefine(Sampled, kind="self_refine"):
    """Let a model give feedback on every candidate and refine it, until the feedback says stop.

    One conversation per candidate, in which the candidate is the model's own answer and all earlier feedback stays in
    view: feedback, a refined answer, feedback on that, for at most ``rounds``. It ends as soon as the feedback ends
    with [Stop]; feedback without a decision is followed. A refined candidate starts without remarks or scores, one
    that is stopped at once stays as it was. A reply that fails or is empty is recorded, and the last answer stays.
    Cost: at most 2 x rounds completions per candidate.

    Source: Madaan et al. 2023 (Self-Refine, arXiv:2303.17651).
    """

    calls: ClassVar[str] = "at most 2 × rounds per candidate"

    model: ModelRef
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 3
    feedback_prompt: Annotated[str | None, Field(min_length=1)] = None
    refine_prompt: Annotated[str | None, Field(min_length=1)] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Refine every candidate, each in a conversation of its own."""
        opening = as_shown(state).messages

        async def refine(candidate: Candidate, branch: Context, index: int) -> Revision:
            messages = (*opening, Message("assistant", candidate.text))
            for _ in range(self.rounds):
                messages = (*messages, Message("user", self.feedback_prompt or FEEDBACK))
                feedback = await say(branch, self.model, messages, **self.overrides)
                if isinstance(feedback, Failure):
                    return candidate, [feedback]
                if parse_stop(feedback):
                    break
                messages = (*messages, Message("assistant", feedback), Message("user", self.refine_prompt or REFINE))
                refined = await say(branch, self.model, messages, **self.overrides)
                if isinstance(refined, Failure):
                    return candidate, [refined]
                candidate = Candidate(refined, f"{context.layer}/{self.model}#{index}")
                messages = (*messages, Message("assistant", refined))
            return candidate, []

        return await each_candidate(state, context, refine)

    def plan(self, candidates: int) -> Plan:
        """Feedback and refinement in turn, if the feedback never says stop."""
        asks = [
            Ask(
                self.model,
                requests=candidates,
                step=step,
                words=(self.refine_prompt or REFINE) if step % 2 else (self.feedback_prompt or FEEDBACK),
                reads=0 if step else 1,
                remarks=False,
                goes_on=step > 0,
                max_tokens=self.max_tokens,
                makes="candidates" if step % 2 else "nothing",
            )
            for step in range(2 * self.rounds)
        ]
        return Plan(tuple(asks), candidates, keeps=True)


def parse_stop(reply: str) -> bool:
    """Whether the last decision in a reply is to stop: ``[Stop]`` or ``[Revise]``, or the word alone on a line."""
    decisions = [match[1] or match[2] for match in DECISION.finditer(reply)]
    return bool(decisions) and decisions[-1].lower() == "stop"
