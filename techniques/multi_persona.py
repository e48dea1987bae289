"""Let several personas answer and fuse their answers into one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan
from techniques.fuse import PROMPT as FUSE
from techniques.generate import opening
from techniques.prompts import CandidatesPrompt, as_shown, conversation, render, requires
from techniques.steps import Answering, draw, fusing, keep, settle
from techniques.unit_tests import parse_tests as parse_numbered

PROPOSE = """\
Below is a question.

Question:
{question}

Do not answer it. Name {count} people whose knowledge or point of view would help most to answer it, as different from \
each other as possible. Say in one sentence each who they are and what they look at first. Number them in square \
brackets, like this, and write nothing else:

[1] A ... who ...
[2] A ... who ..."""

PERSONA = """\
Answer as this person would, with their knowledge and their way of going about it, but in the form that is asked for: \
{persona}"""

ANYONE = "Someone who knows the subject well and checks every step."


class MultiPersona(Answering, kind="multi_persona"):
    """Let several personas answer and fuse their answers into one.

    The personas are those given or, without any, ``n`` that the model proposes; a missing one is recorded and a
    careful expert takes its place. Each answers with its description after the caller's own system message, and the
    model writes the final answer from theirs under the prompt of ``fuse``. A persona's answer that fails is recorded,
    and the layer fails only if all of them do; if the final answer fails, theirs stay. Cost: personas + 1
    completions, plus 1 if they are proposed.

    Source: Long et al. 2024 (Multi-expert Prompting, arXiv:2411.00492), there in one reply.
    """

    calls: ClassVar[str] = "personas + 1, plus 1 to propose them"

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(2, 8)] = 3
    personas: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    propose_prompt: Annotated[str | None, requires("question")] = None
    persona_prompt: Annotated[str | None, requires("persona")] = None
    fuse_prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by one answer fused of the personas' answers."""
        personas = list(self.personas)
        if not personas:
            prompt = render(self.propose_prompt or PROPOSE, question=as_shown(state).question, count=str(self.n))
            (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
            personas = parse_numbered(reply.text, self.n)
            if missing := self.n - len(personas):
                reason = f"asked for {self.n} personas and got {len(personas)}"
                state = state.with_failures([Failure(context.layer, "parse", reason)])
                personas += [ANYONE] * missing
        answers = await gather(
            draw(
                context.fork(index),
                self.model,
                opening(as_shown(state), render(self.persona_prompt or PERSONA, persona=persona)),
                first=index,
                **self.overrides,
            )
            for index, persona in enumerate(personas)
        )
        answered = settle(state, [outcome for (outcome,) in answers], context)
        fused = await draw(context, self.model, fusing(answered, self.fuse_prompt), **self.overrides)
        return keep(answered, fused, context)

    def plan(self, candidates: int) -> Plan:
        """The personas if they are not given, their answers, and the final one; if that fails, theirs are left."""
        count = len(self.personas) or self.n
        proposing = Ask(self.model, words=self.propose_prompt or PROPOSE, max_tokens=self.max_tokens)
        answering = replace(
            proposing,
            requests=count,
            step=1,
            words=(self.persona_prompt or PERSONA) + max(self.personas, key=len, default=""),
            replies=0 if self.personas else 1,
        )
        final = replace(proposing, step=2, words=self.fuse_prompt or FUSE, replies=count, makes="candidates")
        return Plan((answering, final) if self.personas else (proposing, answering, final), 1, count)
