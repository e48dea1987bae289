"""What rewards share that show a model one response at a time and read a score off its replies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from archon.concurrency import gather
from archon.errors import ModelError
from archon.models.base import Completion
from archon.reward import Reward
from archon.state import Candidate, Failure, State
from archon.technique import Ask, Context, ModelRef
from techniques.prompts import CandidatePrompt, as_shown, conversation, render

UNFINISHED = """\


(The response is not finished. Judge what is there so far, and whether it leads to a right answer.)"""


class Asking(Reward, ABC):
    """A reward that shows a model one response at a time and reads a score off its replies.

    Class attributes:
        words: The built-in prompt, with the places ``question``, ``candidate`` and ``note``.
    """

    words: ClassVar[str]

    model: ModelRef
    unfinished: bool = False
    prompt: CandidatePrompt = None

    @property
    def scores_beginnings(self) -> bool:
        """With ``unfinished``, the model is told that the response breaks off."""
        return self.unfinished

    def for_beginnings(self) -> Reward:
        """The same, with the model told that the response breaks off."""
        return self.model_copy(update={"unfinished": True})

    @property
    def draws(self) -> int:
        """Replies per response."""
        return 1

    @property
    @abstractmethod
    def sampling(self) -> Mapping[str, Any]:
        """How to draw them."""

    @abstractmethod
    def read(self, replies: Sequence[Completion]) -> float | None:
        """The score in the replies that came, of which there is at least one; ``None`` if none can be read."""

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Ask about every candidate at the same time."""
        return await gather(
            self._ask(state, candidate, context.fork(index)) for index, candidate in enumerate(state.candidates)
        )

    def plan(self, candidates: int) -> tuple[Ask, ...]:
        """One conversation per candidate."""
        ask = Ask(
            self.model,
            requests=candidates,
            draws=self.draws,
            words=self._template,
            reads=1,
            remarks=False,
            max_tokens=self.sampling.get("max_tokens"),
        )
        return (ask,)

    @property
    def _template(self) -> str:
        return render(self.prompt or self.words, note=UNFINISHED if self.unfinished else "")

    async def _ask(self, state: State, candidate: Candidate, context: Context) -> float | Failure:
        shown = {"question": as_shown(state).question, "candidate": candidate.text.strip()}
        messages = conversation(state.task, render(self._template, **shown))
        outcomes = await context.attempt(self.model, messages, n=self.draws, **self.sampling)
        replies = [outcome for outcome in outcomes if not isinstance(outcome, ModelError)]
        if not replies:
            return next(Failure.of(context.layer, error) for error in outcomes if isinstance(error, ModelError))
        score = self.read(replies)
        if score is None:
            return Failure(context.layer, "parse", f"{self.kind} found no score in {replies[0].text[-60:]!r}")
        return score
