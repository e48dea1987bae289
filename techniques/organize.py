"""Put what the question says in order first, then answer it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan
from techniques.prompts import as_shown, conversation, render, requires
from techniques.steps import Answering, draw, settle

PROMPT = """\
Below is a question.

Question:
{question}

Do not answer it yet. Say first, in one line, what is asked for. Then list what the question gives that bears on it: \
one short statement per line, numbered, with every name, number and condition as it stands, related statements next \
to each other, and each after those that it builds on. Leave out what does not matter and what is said twice; add \
nothing that the question does not say."""

ANSWER = """\
{question}

Here is what matters for it, in order:
{premises}

Answer the question step by step on this basis, in the form it asks for. Where the two differ, the question counts."""


class Organize(Answering, kind="organize"):
    """Put what the question says in order first, then answer it.

    One call rewrites the premises: only those that matter, each once, in the order in which they build on each other.
    ``n`` answers are then drawn with question and premises in view. (The paper builds the order from a map of the
    premises in several stages; here one prompt asks for it.) An empty rewriting is recorded, and the question is
    answered as it stands. Cost: n completions, plus 1.

    Source: Liu et al. 2024 (Concise and Organized Perception, arXiv:2310.03309).

    Example:
        - organize: {model: solver, n: 8}
        - vote
    """

    calls: ClassVar[str] = "n, plus 1"

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 1
    prompt: Annotated[str | None, requires("question")] = None
    answer_prompt: Annotated[str | None, requires("question", "premises")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by ``n`` answers."""
        shown = as_shown(state)
        prompt = render(self.prompt or PROMPT, question=shown.question)
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        messages = shown.messages
        if premises := reply.text.strip():
            asked = render(self.answer_prompt or ANSWER, question=shown.question, premises=premises)
            messages = conversation(state.task, asked)
        else:
            failure = Failure(context.layer, "parse", "the rewritten premises are empty; the question stands alone")
            state = state.with_failures([failure])
        answers = await draw(context, self.model, messages, n=self.n, **self.overrides)
        return settle(state, answers, context)

    def plan(self, candidates: int) -> Plan:
        """The premises, then ``n`` draws."""
        premises = Ask(self.model, words=self.prompt or PROMPT, max_tokens=self.max_tokens)
        answers = replace(
            premises, draws=self.n, step=1, words=self.answer_prompt or ANSWER, replies=1, makes="candidates"
        )
        return Plan((premises, answers), self.n)
