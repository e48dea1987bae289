"""Sample candidates from models that read the question twice."""

from __future__ import annotations

from typing import Annotated, ClassVar

from archon.state import State
from archon.technique import Ask, Context, Plan
from techniques.prompts import as_shown, conversation, render, requires
from techniques.steps import Panel, settle

PROMPT = """\
{question}

Read the question again: {question}"""


class ReRead(Panel, kind="re_read"):
    """Sample candidates from models that read the question twice.

    Like ``generate``, with the question repeated in the prompt, so that its second reading is attended to with all of
    it known. Draws that fail are recorded, and the layer fails only if all of them do. Cost: models x n completions.

    Source: Xu et al. 2023 (Re-Reading, arXiv:2309.06275).

    Example:
        - re_read: {model: solver, n: 8}
        - vote
    """

    calls: ClassVar[str] = "models × n"

    prompt: Annotated[str | None, requires("question")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by new samples, model by model in the order of the settings."""
        prompt = render(self.prompt or PROMPT, question=as_shown(state).question)
        return settle(state, await self.ask_all(conversation(state.task, prompt), context), context)

    def plan(self, candidates: int) -> Plan:
        """``n`` draws from every model."""
        words = self.prompt or PROMPT
        asks = tuple(
            Ask(
                ref,
                draws=self.n,
                words=words,
                times=words.count("{question}"),
                max_tokens=self.max_tokens,
                makes="candidates",
            )
            for ref in self.models
        )
        return Plan(asks, len(self.members))
