"""What techniques of several calls have in common: panels of models, work on every candidate, replies that fail."""

from __future__ import annotations

from abc import ABC
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Candidate, Failure, Message, State
from archon.technique import Context, ModelRefs, Sampled
from techniques.fuse import PROMPT as FUSE
from techniques.prompts import as_shown, conversation, listing, render

Outcome = Candidate | ModelError
"""An answer, or the error that came instead."""

Revision = tuple[Candidate, Sequence[Failure]]
"""What became of a candidate, and what went missing meanwhile."""


class Answering(Sampled, ABC):
    """A technique that answers the question anew; candidates of an earlier layer are replaced."""

    needs_candidates: ClassVar[bool] = False

    def degrade(self, state: State) -> State:
        """Without money there are no candidates of its own."""
        return state.with_candidates(())


class Panel(Answering, ABC):
    """An answering technique with ``n`` members of every model."""

    model: ModelRefs
    n: Annotated[int, Field(ge=1), IntKnob(1, 16)] = 1

    @property
    def models(self) -> tuple[str, ...]:
        """The models, however many."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def members(self) -> tuple[str, ...]:
        """The model of every member, model by model."""
        return tuple(ref for ref in self.models for _ in range(self.n))

    async def ask_all(self, messages: Sequence[Message], context: Context) -> list[Outcome]:
        """Ask every member the same thing."""
        # One context numbers the draws in the order of asking: two names for one model never share a sample.
        drawn = await gather(draw(context, ref, messages, n=self.n, **self.overrides) for ref in self.models)
        return [outcome for outcomes in drawn for outcome in outcomes]


async def draw(
    context: Context, model: str, messages: Sequence[Message], *, n: int = 1, first: int = 0, **sampling: Any
) -> list[Outcome]:
    """Draw ``n`` answers, numbered from ``first`` in their origins."""
    outcomes = await context.attempt(model, messages, n=n, **sampling)
    return [
        outcome if isinstance(outcome, ModelError) else Candidate(outcome.text, f"{context.layer}/{model}#{number}")
        for number, outcome in enumerate(outcomes, start=first)
    ]


async def say(context: Context, model: str, messages: Sequence[Message], **sampling: Any) -> str | Failure:
    """The text of one reply, or why there is none: the call failed or nothing was written."""
    (outcome,) = await context.attempt(model, messages, **sampling)
    if isinstance(outcome, ModelError):
        return Failure.of(context.layer, outcome)
    return outcome.text.strip() or Failure(context.layer, "parse", "the reply is empty")


def keep(state: State, outcomes: Iterable[Outcome], context: Context) -> State:
    """The state with the answers as its candidates, or with those it has if there is none; errors are recorded."""
    outcomes = list(outcomes)
    answers = [outcome for outcome in outcomes if isinstance(outcome, Candidate)]
    failures = [Failure.of(context.layer, outcome) for outcome in outcomes if isinstance(outcome, ModelError)]
    return state.with_candidates(answers or state.candidates).with_failures(failures)


def settle(state: State, outcomes: Iterable[Outcome], context: Context) -> State:
    """Like :func:`keep`, for answers that it does not go on without.

    Raises:
        ModelError: There is none; the first error.
    """
    outcomes = list(outcomes)
    errors = [outcome for outcome in outcomes if isinstance(outcome, ModelError)]
    if errors and len(errors) == len(outcomes):
        raise errors[0]
    return keep(state, outcomes, context)


def fusing(state: State, template: str | None) -> tuple[Message, ...]:
    """The conversation that asks for one answer made of the state's candidates; ``None`` for the prompt of ``fuse``."""
    prompt = render(
        template or FUSE,
        count=str(len(state.candidates)),
        question=as_shown(state).question,
        candidates=listing(state.candidates),
        remarks="",
    )
    return conversation(state.task, prompt)


async def each_candidate(
    state: State, context: Context, work: Callable[[Candidate, Context, int], Awaitable[Revision]]
) -> State:
    """Work on every candidate at once, each in a branch of its own, and keep their order."""

    async def one(index: int, candidate: Candidate) -> Revision:
        return await work(candidate, context.fork(index), index)

    revisions = await gather(one(index, candidate) for index, candidate in enumerate(state.candidates))
    failures = [failure for _, failed in revisions for failure in failed]
    return state.with_candidates(candidate for candidate, _ in revisions).with_failures(failures)
