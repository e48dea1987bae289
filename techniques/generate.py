"""Sample candidate answers from one or several models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State, Task
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import as_shown


class Generate(Sampled, kind="generate"):
    """Sample candidate answers from one or several models.

    Every model draws ``n`` candidates from the conversation alone; candidates of an earlier layer are replaced.
    Draws that fail are recorded, and the layer fails only if all of them do. Cost: models x n completions.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; repeated sampling as in Brown et al. 2024
    (Large Language Monkeys, arXiv:2407.21787).
    """

    needs_candidates: ClassVar[bool] = False
    calls: ClassVar[str] = "models × n"

    model: Annotated[ModelRef | Annotated[tuple[ModelRef, ...], Field(min_length=1)], Field()]
    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 1
    system: str | None = None

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """Refuse the rest in one sentence instead of one per branch of the union."""
        refs = [value] if isinstance(value, str) else value
        if not isinstance(refs, list | tuple) or not refs or not all(isinstance(ref, str) and ref for ref in refs):
            raise ValueError("name one model or a list of them")
        return value

    def model_refs(self) -> Iterator[tuple[str, str]]:
        """The models, with their place in the settings."""
        if isinstance(self.model, str):
            yield "model", self.model
        else:
            yield from ((f"model.{index}", ref) for index, ref in enumerate(self.model))

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by new samples, model by model in the order of the settings."""
        messages = opening(as_shown(state), self.system)
        refs = [ref for _, ref in self.model_refs()]
        # One context for all: it numbers the draws in the order of asking, so that two names for the same model
        # never share a sample. Forks could not know that the names mean the same.
        outcomes = await gather(context.attempt(ref, messages, n=self.n, **self.overrides) for ref in refs)
        candidates: list[Candidate] = []
        errors: list[ModelError] = []
        for ref, drawn in zip(refs, outcomes, strict=True):
            for index, outcome in enumerate(drawn):
                if isinstance(outcome, ModelError):
                    errors.append(outcome)
                else:
                    candidates.append(Candidate(outcome.text, f"{context.layer}/{ref}#{index}"))
        if not candidates:
            raise errors[0]
        failures = [Failure.of(context.layer, error) for error in errors]
        return state.with_candidates(candidates).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """``n`` draws from every model."""
        asks = tuple(
            Ask(ref, draws=self.n, words=self.system or "", max_tokens=self.max_tokens, makes="candidates")
            for _, ref in self.model_refs()
        )
        return Plan(asks, len(asks) * self.n)

    def degrade(self, state: State) -> State:
        """Without money there are no candidates of its own."""
        return state.with_candidates(())


def opening(task: Task, system: str | None) -> tuple[Message, ...]:
    """The conversation, with our instructions after the caller's own system message if there is one."""
    if system is None:
        return task.messages
    first, *rest = task.messages
    if first.role in ("system", "developer"):
        return (Message(first.role, f"{first.content}\n\n{system}"), *rest)
    return (Message("system", system), *task.messages)
