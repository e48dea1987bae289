"""Write one better answer out of all candidates."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render

PROMPT = """\
Below are a question and {count} numbered responses to it by different authors.

Question:
{question}

Responses:
{candidates}

Write the best possible answer to the question. Weigh the responses critically, since some of them may be wrong or \
one-sided: take over what is right, correct what is not, and resolve contradictions by reasoning, not by counting. \
Answer the question directly and completely, in the form it asks for, without mentioning the responses{remarks}."""

REMARKS = " or the remarks on them"
LENGTH = "\n\nDo not write more than the best of the responses does."


class Fuse(Sampled, kind="fuse"):
    """Write one better answer out of all candidates.

    The fuser sees every candidate with the remarks on it, and the conversation. Its answers replace the candidates
    and start without remarks or scores. Draws that fail are recorded, and the layer fails only if all of them do.
    Cost: n completions.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; generative fusion as in Jiang et al. 2023
    (LLM-Blender, arXiv:2306.02561).

    Example:
        - generate: {model: solver, n: 8}
        - fuse: {model: judge}
    """

    calls: ClassVar[str] = "n"

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 1
    length_control: bool = False
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by ``n`` fusions of them."""
        prompt = render(
            self._template,
            count=str(len(state.candidates)),
            question=as_shown(state).question,
            candidates=listing(state.candidates),
            remarks=REMARKS if any(candidate.critiques for candidate in state.candidates) else "",
        )
        outcomes = await context.attempt(self.model, conversation(state.task, prompt), n=self.n, **self.overrides)
        errors = [outcome for outcome in outcomes if isinstance(outcome, ModelError)]
        if len(errors) == len(outcomes):
            raise errors[0]
        candidates = [
            Candidate(outcome.text, f"{context.layer}/{self.model}#{index}")
            for index, outcome in enumerate(outcomes)
            if not isinstance(outcome, ModelError)
        ]
        failures = [Failure.of(context.layer, error) for error in errors]
        return state.with_candidates(candidates).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """``n`` draws from one prompt that shows all of them."""
        ask = Ask(
            self.model,
            draws=self.n,
            words=self._template,
            reads=candidates,
            max_tokens=self.max_tokens,
            makes="candidates",
        )
        return Plan((ask,), self.n)

    @property
    def _template(self) -> str:
        return (self.prompt or PROMPT) + (LENGTH if self.length_control else "")
