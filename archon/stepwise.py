"""Search over partial answers: what one is, and the two protocols that every search is written against.

A language model behind :class:`techniques.stepwise.proposal.Continue` and an enumerable toy whose answer is known
(:mod:`archon.testing_stepwise`) are the same thing to a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

from archon.errors import ModelError
from archon.state import Failure

End = Literal["", "stop", "length"]
"""Why nothing can follow: the answer is complete, or a bound cut it off; empty while it can go on."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The beginning of an answer, or a whole one.

    Attributes:
        steps: Its steps, each with the delimiter that ends it, so that joined they are the text.
        end: Why nothing can follow, empty while it can go on.
        scores: The rewards of those beginnings of it that were scored, shortest first.
        scored: How many steps the last of them has.
        tokens: How many tokens its last step took to generate, ``None`` if that is not known.
        logprob: The log-probability of its last step under the proposal, where that is known.
        node: Its number in the tree of its search; the root has 0.
    """

    steps: tuple[str, ...] = ()
    end: End = ""
    scores: tuple[float, ...] = ()
    scored: int = 0
    tokens: int | None = 0
    logprob: float | None = None
    node: int = 0

    @property
    def text(self) -> str:
        """What there is of the answer."""
        return "".join(self.steps)

    @property
    def open(self) -> bool:
        """Whether a step can follow."""
        return not self.end

    @property
    def complete(self) -> bool:
        """Whether it came to its end by itself."""
        return self.end == "stop"

    @property
    def score(self) -> float | None:
        """The reward of the whole of it; ``None`` if it was not scored."""
        return self.scores[-1] if self.scores and self.scored == len(self.steps) else None

    def then(self, step: str, *, end: End = "", tokens: int | None = None, logprob: float | None = None) -> Self:
        """This beginning and one more step, which is not scored yet."""
        return replace(self, steps=(*self.steps, step), end=end, tokens=tokens, logprob=logprob)

    def with_score(self, score: float) -> Self:
        """The same with the reward of the whole of it; an earlier one of the whole is replaced."""
        before = self.scores[:-1] if self.score is not None else self.scores
        return replace(self, scores=(*before, score), scored=len(self.steps))


class Proposal(Protocol):
    """Writes next steps."""

    @property
    def longest(self) -> int | None:
        """The most tokens that one step can take; ``None`` if that is not bounded."""
        ...

    async def extend(self, partial: Partial, n: int) -> Sequence[Partial | ModelError]:
        """Draw ``n`` independent next steps of an open partial answer.

        Asking again for the same beginning gives new draws.

        Returns:
            ``n`` outcomes: the beginning with one more step, or the error that came instead.
        """
        ...


class Scorer(Protocol):
    """Says how good partial answers are; a process reward."""

    async def score(self, partials: Sequence[Partial]) -> Sequence[float | Failure]:
        """The reward of each, from 0 to 1 unless the scorer says otherwise, or why there is none."""
        ...
