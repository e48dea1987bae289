"""Let a small model draft every step, and a large one redo those that it does not approve of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.stepwise import Partial, Proposal, Scorer
from archon.technique import Context, ModelRef
from techniques.prompts import as_shown, conversation, render, requires
from techniques.stepwise.aggregate import Aggregate
from techniques.stepwise.base import Stepping
from techniques.stepwise.search import Exhausted, Search

HIGHEST = 9

# The step comes after everything that stays the same until the next one, which an endpoint's prompt cache then holds.
RATING = """\
Below are a question, the beginning of a response to it, and a proposed next step of the response.

Question:
{question}

Response so far:
{partial}

Next step:
{step}

Rate the next step from 0 (wrong, or of no use) to 9 (right, and leading to the answer). Reply with one digit and \
nothing else."""

NOTHING = "(nothing yet)"
THE_END = "(none: the response ends here)"

DIGIT = re.compile(r"(?<![\d.])\d(?![\d.]*\d)")

RatingPrompt = Annotated[str | None, requires("question", "partial", "step")]
"""A prompt that asks for a rating from 0 to 9; ``None`` for the built-in one."""


class SpeculativeReasoning(Stepping, kind="speculative_reasoning"):
    """Let a small model draft every step, and a large one redo those that it does not approve of.

    The ``drafter`` writes the next step and ``model`` rates it from 0 to 9, in one token unless ``rating_tokens`` is
    more. A step with at least ``threshold`` is kept, also where it is the drafter's word that the answer is complete;
    any other, and one that failed or got no rating, is written by ``model`` itself and kept as it is. The tree in the
    trace marks every step as ``accepted``, ``rejected`` or ``redone``. The answer's score is the rating of its last
    step, if that was rated. Cost: one draft and one rating per step, and one more completion per step that is redone.

    Source: Pan et al. 2025 (SpecReason, arXiv:2504.07891): a score in a single token against a fixed threshold. The
    scale, the default threshold and the prompt were not checked against the paper.

    Example:
        - speculative_reasoning: {model: judge, drafter: solver}

    Attributes:
        model: Who rates drafts and writes what is redone; temperature, top_p and max_tokens are those of one step, also
            of a draft.
        drafter: Who drafts the steps.
        threshold: The least rating of a draft that is kept.
        rating_tokens: The most tokens of a rating; a model that reasons first needs many.
        rating_prompt: The prompt that asks for a rating.
    """

    calls: ClassVar[str] = "at most 3 × max_steps"

    drafter: ModelRef
    threshold: Annotated[int, Field(ge=0, le=HIGHEST), IntKnob(0, HIGHEST)] = 7
    rating_tokens: Annotated[int, Field(ge=1)] = 1
    rating_prompt: RatingPrompt = None

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """One answer."""
        return await speculative_reasoning(search, search.others["drafter"], self.threshold)

    def begin(self, state: State, context: Context, aggregate: Aggregate = "last") -> Search:
        """A search on a state's question, with a drafter."""
        search = super().begin(state, context, aggregate)
        search.others["drafter"] = self.proposal(state, context, self.drafter)
        return search

    def scorer(self, state: State, context: Context) -> Scorer:
        """The large model."""
        return Ratings(context.fork("ratings"), self.model, state, self.rating_prompt, self.rating_tokens)


class Ratings:
    """Rates the last steps of partial answers from 0 to 9, scaled to 0 to 1; an :class:`archon.stepwise.Scorer`.

    Args:
        context: Where to draw.
        model: Who rates.
        state: The question.
        prompt: What asks for a rating; ``None`` for the built-in prompt.
        tokens: The most tokens of a reply.
    """

    def __init__(self, context: Context, model: str, state: State, prompt: str | None, tokens: int) -> None:
        self._context = context
        self._model = model
        self._state = state
        self._prompt = prompt or RATING
        self._tokens = tokens

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        """Rate all of them at the same time."""
        return await gather(self._rate(partial) for partial in partials)

    async def _rate(self, partial: Partial) -> float | Failure:
        *before, step = partial.steps
        shown = {
            "question": as_shown(self._state).question,
            "partial": "".join(before).strip() or NOTHING,
            "step": step.strip() or THE_END,
        }
        messages = conversation(self._state.task, render(self._prompt, **shown))
        (outcome,) = await self._context.attempt(self._model, messages, temperature=0.0, max_tokens=self._tokens)
        if isinstance(outcome, ModelError):
            return Failure.of(self._context.layer, outcome)
        rating = parse_rating(outcome.text)
        if rating is None:
            return Failure(self._context.layer, "parse", f"no rating from 0 to 9 in {outcome.text[-60:]!r}")
        return rating / HIGHEST


async def speculative_reasoning(search: Search, drafter: Proposal, threshold: int) -> list[Partial]:
    """Write an answer of drafts that the search's scorer approves of, and of steps of its proposal elsewhere.

    Args:
        search: What to search with; its scores are ninths.
        drafter: Drafts steps.
        threshold: The least score of a draft that is kept, in ninths.

    Returns:
        The answer, or as much of it as there is when a bound is reached or a step fails.

    Raises:
        Exhausted: There is no more to spend, and nothing yet.
    """
    kept = search.root
    try:
        while kept.open:
            (drafts,) = await search.grow([(kept, 1)], drafter)
            if drafts and (drafts[0].score or 0.0) >= threshold / HIGHEST:
                (kept,) = drafts
                search.mark(drafts, "accepted")
                continue
            search.mark(drafts, "rejected")
            (redone,) = await search.extend([(kept, 1)])
            if not redone:
                break
            (kept,) = redone
            search.mark(redone, "redone")
    except Exhausted as exhausted:
        if not kept.steps:
            raise
        search.failures.append(Failure(search.layer, "budget", str(exhausted)))
    return [kept] if kept.steps else []


def parse_rating(reply: str) -> int | None:
    """The first digit in a reply that is no part of a longer number, ``None`` if there is none."""
    found = DIGIT.search(reply)
    return None if found is None else int(found[0])
