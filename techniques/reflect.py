"""Let a model reflect on why every candidate falls short and try again with its reflections in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import as_shown, conversation, render, requires
from techniques.self_refine import parse_stop
from techniques.steps import Revision, each_candidate, say

REFLECT = """\
Below are a question, your reflections on earlier attempts at it, and your latest attempt.

Question:
{question}

Reflections:
{reflections}

Latest attempt:
{candidate}

Check the attempt as if someone else had made it. If it is wrong or incomplete, find out what led it astray and write \
down in a few sentences what to do differently next time; do not write a new attempt. End with one line: [Stop] if the \
attempt is right and complete, [Revise] otherwise."""

ATTEMPT = """\
{question}

You have tried before and were not satisfied. Keep in mind what you learnt:
{reflections}

Now answer from scratch, in the form the question asks for, without mentioning earlier attempts."""


class Reflect(Sampled, kind="reflect"):
    """Let a model reflect on why every candidate falls short and try again with its reflections in mind.

    Every candidate is a first attempt. The model judges it and notes what to do differently; the next attempt sees
    the question and all notes so far, but no earlier attempt, and so on for at most ``rounds``. The first attempt
    that it is satisfied with stays, with what it said of it as a remark, or else the last. The paper learns from
    failures in an environment or in tests; here the model is its own judge. A reply that fails or is empty is
    recorded, and the last attempt stays. Cost: at most 2 x rounds completions per candidate.

    Source: Shinn et al. 2023 (Reflexion, arXiv:2303.11366).
    """

    calls: ClassVar[str] = "at most 2 × rounds per candidate"

    model: ModelRef
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 2
    reflect_prompt: Annotated[str | None, requires("question", "reflections", "candidate")] = None
    attempt_prompt: Annotated[str | None, requires("question", "reflections")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Try again for every candidate until the model is satisfied."""

        async def retry(candidate: Candidate, branch: Context, index: int) -> Revision:
            reflections: list[str] = []
            for _ in range(self.rounds):
                prompt = self._prompt(state, self.reflect_prompt or REFLECT, reflections, candidate)
                reflection = await say(branch, self.model, prompt, **self.overrides)
                if isinstance(reflection, Failure):
                    return candidate, [reflection]
                if parse_stop(reflection):
                    return candidate.with_critique(reflection), []
                reflections.append(reflection)
                prompt = self._prompt(state, self.attempt_prompt or ATTEMPT, reflections, candidate)
                attempt = await say(branch, self.model, prompt, **self.overrides)
                if isinstance(attempt, Failure):
                    return candidate, [attempt]
                candidate = Candidate(attempt, f"{context.layer}/{self.model}#{index}")
            return candidate, []

        return await each_candidate(state, context, retry)

    def plan(self, candidates: int) -> Plan:
        """Reflection and attempt in turn, if the model is never satisfied."""
        first = Ask(
            self.model,
            requests=candidates,
            words=self.reflect_prompt or REFLECT,
            reads=1,
            remarks=False,
            max_tokens=self.max_tokens,
            makes="remarks",
        )
        asks = [first]
        for turn in range(1, self.rounds + 1):
            attempt = replace(
                first,
                step=2 * turn - 1,
                words=self.attempt_prompt or ATTEMPT,
                reads=0,
                replies=turn,
                makes="candidates",
            )
            reflection = replace(first, step=2 * turn, reads=0, replies=turn + 1)
            asks += [attempt, reflection]
        return Plan(tuple(asks[:-1]), candidates, keeps=True)

    def _prompt(
        self, state: State, template: str, reflections: Sequence[str], candidate: Candidate
    ) -> tuple[Message, ...]:
        prompt = render(
            template,
            question=as_shown(state).question,
            reflections="\n".join(f"[{number}] {text}" for number, text in enumerate(reflections, start=1)) or "(none)",
            candidate=candidate.text.strip(),
        )
        return conversation(state.task, prompt)
