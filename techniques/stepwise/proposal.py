"""Next steps from a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archon.errors import ModelError
from archon.models.base import Completion
from archon.state import Message
from archon.stepwise import Partial
from archon.technique import Context


class Continue:
    """Writes next steps by letting an endpoint continue its own answer; an :class:`archon.stepwise.Proposal`.

    A step ends with the delimiter, which is asked for as a stop string and put back, or with the answer. ``length``
    cuts a step, not the answer: the next one goes on where it broke off. The last step that is allowed has no
    delimiter and runs to the end of the answer.

    Args:
        context: Where to draw.
        model: The reference of a model whose endpoint continues assistant messages.
        messages: The conversation before the answer.
        delimiter: What ends a step.
        most_steps: After so many steps an answer that is not complete is cut off.
        longest: The most tokens of one step; ``None`` leaves that to the model's own settings.
        sampling: How to draw.
    """

    def __init__(
        self,
        context: Context,
        model: str,
        messages: tuple[Message, ...],
        *,
        delimiter: str,
        most_steps: int,
        longest: int | None,
        sampling: Mapping[str, Any],
    ) -> None:
        self.longest = longest
        self._context = context
        self._model = model
        self._messages = messages
        self._delimiter = delimiter
        self._most_steps = most_steps
        self._sampling = {**sampling, "max_tokens": longest}

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        """Draw next steps."""
        begun = (Message("assistant", partial.text),) if partial.text else ()
        last = len(partial.steps) + 1 >= self._most_steps
        stop = None if last else (self._delimiter,)
        outcomes = await self._context.attempt(
            self._model, (*self._messages, *begun), n=n, **{**self._sampling, "stop": stop}
        )
        return [
            outcome if isinstance(outcome, ModelError) else self._then(partial, outcome, last=last)
            for outcome in outcomes
        ]

    def _then(self, partial: Partial, completion: Completion, *, last: bool) -> Partial:
        tokens = None if completion.usage is None else completion.usage.completion
        text = completion.text
        if completion.finish_reason == "length":
            return partial.then(text, end="length" if last else "", tokens=tokens)
        if last or not text.strip():
            # Nothing before the next delimiter is how an answer ends whose last step ended with a delimiter.
            return partial.then(text, end="stop", tokens=tokens)
        return partial.then(text + self._delimiter, tokens=tokens)
