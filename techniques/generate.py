"""Sample candidate answers from one or several models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State, Task
from archon.technique import Context, ModelRef, Sampled


class Generate(Sampled, kind="generate"):
    """Sample candidate answers from one or several models.

    Every model draws ``n`` candidates from the conversation alone; candidates of an earlier layer are replaced.
    Draws that fail are recorded, and the layer fails only if all of them do. Cost: models x n completions.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; repeated sampling as in Brown et al. 2024
    (Large Language Monkeys, arXiv:2407.21787).
    """

    needs_candidates: ClassVar[bool] = False

    model: Annotated[ModelRef | Annotated[tuple[ModelRef, ...], Field(min_length=1)], Field()]
    n: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 1
    system: str | None = None

    def model_refs(self) -> Iterator[tuple[str, str]]:
        """The models, with their place in the settings."""
        if isinstance(self.model, str):
            yield "model", self.model
        else:
            yield from ((f"model.{index}", ref) for index, ref in enumerate(self.model))

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by new samples, model by model in the order of the settings."""
        messages = opening(state.task, self.system)
        occurrences: Counter[str] = Counter()
        branches = []
        for _, ref in self.model_refs():
            branches.append((ref, context.fork(occurrences[ref])))
            occurrences[ref] += 1
        outcomes = await gather(branch.attempt(ref, messages, n=self.n, **self.overrides) for ref, branch in branches)
        candidates: list[Candidate] = []
        errors: list[ModelError] = []
        for (ref, _), drawn in zip(branches, outcomes, strict=True):
            for index, outcome in enumerate(drawn):
                if isinstance(outcome, ModelError):
                    errors.append(outcome)
                else:
                    candidates.append(Candidate(outcome.text, f"{context.layer}/{ref}#{index}"))
        if not candidates:
            raise errors[0]
        failures = [Failure(context.layer, "call", str(error)) for error in errors]
        return state.with_candidates(candidates).with_failures(failures)


def opening(task: Task, system: str | None) -> tuple[Message, ...]:
    """The conversation, with our instructions after the caller's own system message if there is one."""
    if system is None:
        return task.messages
    first, *rest = task.messages
    if first.role in ("system", "developer"):
        return (Message(first.role, f"{first.content}\n\n{system}"), *rest)
    return (Message("system", system), *task.messages)
