"""Sample candidate answers from one or several models."""

from __future__ import annotations

from abc import ABC
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State, Task
from archon.technique import Ask, Context, ModelRefs, Plan, Sampled
from techniques.prompts import as_shown


class Drawing(Sampled, ABC):
    """A technique that begins with samples from one or several models."""

    needs_candidates: ClassVar[bool] = False

    model: ModelRefs
    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 1
    system: str | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models to draw from, in order."""
        return (self.model,) if isinstance(self.model, str) else self.model

    async def draw(self, state: State, context: Context) -> State:
        """Replace the candidates by new samples, model by model in the order of the settings.

        Raises:
            ModelError: All draws failed.
        """
        messages = opening(as_shown(state), self.system)
        # One context for all: it numbers the draws in the order of asking, so that two names for the same model
        # never share a sample. Forks could not know that the names mean the same.
        outcomes = await gather(context.attempt(ref, messages, n=self.n, **self.overrides) for ref in self.models)
        candidates: list[Candidate] = []
        errors: list[ModelError] = []
        for ref, drawn in zip(self.models, outcomes, strict=True):
            for index, outcome in enumerate(drawn):
                if isinstance(outcome, ModelError):
                    errors.append(outcome)
                else:
                    candidates.append(Candidate(outcome.text, f"{context.layer}/{ref}#{index}"))
        if not candidates:
            raise errors[0]
        failures = [Failure.of(context.layer, error) for error in errors]
        return state.with_candidates(candidates).with_failures(failures)

    def draws(self) -> Plan:
        """``n`` draws from every model."""
        asks = tuple(
            Ask(ref, draws=self.n, words=self.system or "", max_tokens=self.max_tokens, makes="candidates")
            for ref in self.models
        )
        return Plan(asks, len(asks) * self.n)

    def degrade(self, state: State) -> State:
        """Without money there are no candidates of its own."""
        return state.with_candidates(())


class Generate(Drawing, kind="generate"):
    """Sample candidate answers from one or several models.

    Every model draws ``n`` candidates from the conversation alone; candidates of an earlier layer are replaced.
    Draws that fail are recorded, and the layer fails only if all of them do. Cost: models x n completions.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; repeated sampling as in Brown et al. 2024
    (Large Language Monkeys, arXiv:2407.21787).

    Example:
        - generate: {model: solver, n: 8}
        - vote
    """

    calls: ClassVar[str] = "models × n"

    async def __call__(self, state: State, context: Context) -> State:
        """Draw."""
        return await self.draw(state, context)

    def plan(self, candidates: int) -> Plan:
        """The draws."""
        return self.draws()


def opening(task: Task, system: str | None) -> tuple[Message, ...]:
    """The conversation, with our instructions after the caller's own system message if there is one."""
    if system is None:
        return task.messages
    first, *rest = task.messages
    if first.role in ("system", "developer"):
        return (Message(first.role, f"{first.content}\n\n{system}"), *rest)
    return (Message("system", system), *task.messages)
