"""Next steps from a language model, whatever its endpoint supports."""

from __future__ import annotations

import heapq
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from archon.errors import ModelError
from archon.models.base import Capabilities, Completion
from archon.state import Message
from archon.stepwise import End, Partial
from archon.technique import Context
from techniques.prompts import render, requires

Steps = Literal["auto", "continue", "complete", "ask", "split"]
"""How steps are written; ``auto`` continues where the endpoint does that, completes a text where it is known to do that
and the model's template is known, and asks for the next step elsewhere."""

END = "[END]"

STEP = """\
Below are a question and the beginning of a response to it.

Question:
{question}

Response so far:
{partial}

{instruction}"""

NEXT = f"""\
Write only the next step of the response: what comes right after the beginning above, in one paragraph. Repeat nothing \
of it and say nothing about it. If the response is complete with your step, write {END} behind the step; if it is \
complete already, reply with {END} and nothing else."""

REST = f"""\
Write the rest of the response, up to its end: what comes right after the beginning above. Repeat nothing of it and \
say nothing about it. If the response is complete already, reply with {END} and nothing else."""

StepPrompt = Annotated[str | None, requires("question", "partial", "instruction")]
"""A prompt that shows the question and the beginning of a response, and says what to write; ``None`` for the built-in
one."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a step is and how it is drawn.

    Attributes:
        delimiter: What ends a step.
        most_steps: The last step of an answer this long runs to the answer's end.
        longest: The most tokens of one completion; ``None`` leaves that to the model's own settings.
        sampling: How to draw.
        ends: An answer is complete with the first step in which this is found.
        prompt: What asks for a step where the endpoint does not continue.
    """

    delimiter: str
    most_steps: int
    longest: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    ends: re.Pattern[str] | None = None
    prompt: str = STEP


class Writing(ABC):
    """An :class:`archon.stepwise.Proposal` that draws from a language model.

    Args:
        context: Where to draw.
        model: The reference of the model.
        messages: The conversation before the answer, which ends with the question.
        form: What a step is.
    """

    def __init__(self, context: Context, model: str, messages: tuple[Message, ...], form: Form) -> None:
        self.longest = form.longest
        self._context = context
        self._model = model
        self._messages = messages
        self._form = form

    @abstractmethod
    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        """Draw next steps."""

    async def _draw(
        self, messages: tuple[Message, ...], n: int, stop: tuple[str, ...] | None
    ) -> list[Completion | ModelError]:
        sampling = {**self._form.sampling, "max_tokens": self._form.longest, "stop": stop}
        return await self._context.attempt(self._model, messages, n=n, **sampling)

    def _is_last(self, partial: Partial) -> bool:
        return len(partial.steps) + 1 >= self._form.most_steps

    def _ends(self, step: str) -> bool:
        return self._form.ends is not None and self._form.ends.search(step) is not None

    def _continued(self, partial: Partial) -> tuple[Message, ...]:
        """The conversation whose last message is the answer so far, for an endpoint that continues it."""
        return (*self._messages, Message("assistant", partial.text)) if partial.text else self._messages

    def _asked(self, partial: Partial, instruction: str) -> tuple[Message, ...]:
        """The conversation that shows the answer so far in its last user turn."""
        if not partial.text:
            return self._messages
        *context, question = self._messages
        shown = {"question": question.content, "partial": partial.text.strip(), "instruction": instruction}
        return (*context, Message("user", render(self._form.prompt, **shown)))

    def _beyond(self, partial: Partial, text: str) -> str:
        """A continuation without what it continues, should an endpoint repeat that although it is known not to."""
        return text.removeprefix(partial.text) if self._form.delimiter in partial.text else text

    def _goes_on(self, partial: Partial, completion: Completion) -> Partial:
        """A beginning and the step with which a completion goes on, which nothing but the delimiter was to end.

        ``length`` cuts a step, not the answer: the next step goes on where it broke off. A completion that stopped ends
        the answer if the endpoint says that no stop string ended it, or if :attr:`Form.ends` is found; if it says
        nothing, an answer that is complete shows itself by an empty next step.
        """
        tokens, text = _tokens(completion), self._beyond(partial, completion.text)
        last = self._is_last(partial)
        if completion.finish_reason == "length":
            return partial.then(text, end="length" if last else "", tokens=tokens)
        # Nothing before a delimiter is no end where the delimiter is known to stand there, or nothing else does.
        empty = not text.strip() and completion.stop_reason is None and bool(partial.steps)
        if last or empty or completion.stop_reason == "" or self._ends(text):
            return partial.then(text, end="stop", tokens=tokens)
        return partial.then(text + self._form.delimiter, tokens=tokens)


class Continue(Writing):
    """Writes next steps by letting an endpoint continue its own answer, as a message or as a text.

    A step ends with the delimiter, which is asked for as a stop string and put back, or with the answer. The last step
    that is allowed has no delimiter and runs to the end of the answer.
    """

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        """Draw next steps."""
        stop = None if self._is_last(partial) else (self._form.delimiter,)
        outcomes = await self._draw(self._continued(partial), n, stop)
        return [o if isinstance(o, ModelError) else self._goes_on(partial, o) for o in outcomes]


class Ask(Writing):
    """Writes next steps by asking for one, with the answer so far in the question.

    The first step is the beginning of a plain answer. A model that is asked for the next one says when the answer is
    complete; a reply that stops ends a step and not the answer. For endpoints that do not continue: what comes of it
    is not distributed as the model's own answers are.
    """

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        """Draw next steps."""
        last = self._is_last(partial)
        stop = None if last else (self._form.delimiter,)
        outcomes = await self._draw(self._asked(partial, REST if last else NEXT), n, stop)
        then = self._answers if partial.text else self._goes_on
        return [o if isinstance(o, ModelError) else then(partial, o) for o in outcomes]

    def _answers(self, partial: Partial, completion: Completion) -> Partial:
        tokens, last = _tokens(completion), self._is_last(partial)
        text, done = reply_to(partial, completion.text)
        if completion.finish_reason == "length" and not done:
            return partial.then(text, end="length" if last else "", tokens=tokens)
        if done or last or not text.strip() or self._ends(text):
            return partial.then(text, end="stop", tokens=tokens)
        return partial.then(text + self._form.delimiter, tokens=tokens)


@dataclass(order=True, frozen=True, slots=True)
class _Rest:
    """What a completion has left after the steps that were taken from it.

    Attributes:
        drawn: By which call it was drawn, and at which place: whatever comes first, the earliest is taken first.
        steps: The steps.
        end: What ended it.
    """

    drawn: tuple[int, int]
    steps: tuple[str, ...] = field(compare=False)
    end: End = field(compare=False)


class Split(Writing):
    """Draws whole answers and takes them apart into steps.

    All tokens of an answer count for its first step. What is left of it is the next step of the beginning that it was
    drawn for, once and for nothing; whoever wants more next steps of that beginning pays for new rests of the answer,
    continued where the endpoint does that and asked for elsewhere.

    Args:
        context: Where to draw.
        model: The reference of the model.
        messages: The conversation before the answer, which ends with the question.
        form: What a step is; ``longest`` bounds a whole answer or the rest of one.
        continues: Whether the endpoint continues answers.
    """

    def __init__(
        self, context: Context, model: str, messages: tuple[Message, ...], form: Form, *, continues: bool
    ) -> None:
        super().__init__(context, model, messages, form)
        self._continues = continues
        self._rests: dict[tuple[str, ...], list[_Rest]] = {}
        self._calls = itertools.count()

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        """Take the next steps of what is left, and draw what is missing."""
        call = next(self._calls)
        left = self._rests.get(partial.steps, [])
        known = [heapq.heappop(left) for _ in range(min(n, len(left)))]
        drawn: list[Partial | ModelError] = [self._take(partial, rest, 0) for rest in known]
        if n > len(known):
            messages = self._continued(partial) if self._continues else self._asked(partial, REST)
            for place, outcome in enumerate(await self._draw(messages, n - len(known), None)):
                drawn.append(outcome if isinstance(outcome, ModelError) else self._new(partial, outcome, (call, place)))
        return drawn

    def _new(self, partial: Partial, completion: Completion, drawn: tuple[int, int]) -> Partial:
        if partial.text and not self._continues:
            text, done = reply_to(partial, completion.text)
        else:
            text, done = self._beyond(partial, completion.text), False
        cut = completion.finish_reason == "length" and not done
        steps = split(text, self._form.delimiter)
        ending = next((place for place, step in enumerate(steps[:-1]) if self._ends(step)), None)
        if ending is not None:
            steps, cut = steps[: ending + 1], False
        return self._take(partial, _Rest(drawn, steps, "length" if cut else "stop"), _tokens(completion))

    def _take(self, partial: Partial, rest: _Rest, tokens: int | None) -> Partial:
        if self._is_last(partial):
            return partial.then("".join(rest.steps), end=rest.end, tokens=tokens)
        step, *others = rest.steps
        if not others:
            # An answer that was cut goes on, with a new rest.
            return partial.then(step, end="" if rest.end == "length" else "stop", tokens=tokens)
        child = partial.then(step, tokens=tokens)
        heapq.heappush(self._rests.setdefault(child.steps, []), _Rest(rest.drawn, tuple(others), rest.end))
        return child


def writing(
    steps: Steps, context: Context, model: str, messages: tuple[Message, ...], form: Form, capabilities: Capabilities
) -> Writing | None:
    """What writes steps in the given way; ``None`` if the endpoint does not bear it."""
    continues = capabilities.prefix != "unsupported"
    instead = capabilities.completions and not continues and steps in ("auto", "split")
    if capabilities.template is not None and (instead or steps == "complete"):
        # All steps the same way, the first too, so that all are of one distribution.
        form = replace(form, sampling={**form.sampling, "template": capabilities.template})
        continues = True
    elif steps == "complete":
        return None
    if steps == "split":
        return Split(context, model, messages, form, continues=continues)
    if continues and steps != "ask":
        return Continue(context, model, messages, form)
    return None if steps == "continue" else Ask(context, model, messages, form)


def split(text: str, delimiter: str) -> tuple[str, ...]:
    """The steps of a text, each with the delimiters that end it, so that joined they are the text; at least one."""
    steps: list[str] = []
    parts = text.split(delimiter)
    for place, part in enumerate(parts):
        piece = part + delimiter if place < len(parts) - 1 else part
        if steps and (not part.strip() or not steps[-1].strip()):
            steps[-1] += piece
        else:
            steps.append(piece)
    return tuple(steps)


def reply_to(partial: Partial, reply: str) -> tuple[str, bool]:
    """What a reply adds to a beginning, without a repetition of it, and whether it says that this is the end."""
    text, mark, _ = reply.partition(END)
    text = text.strip("\n").rstrip()
    beyond = text.removeprefix(partial.text.strip())
    # A beginning that was cut in the middle of a word may begin another word as well.
    return (beyond.lstrip("\n") if not beyond or beyond[0].isspace() else text), bool(mark)


def _tokens(completion: Completion) -> int | None:
    return None if completion.usage is None else completion.usage.completion
