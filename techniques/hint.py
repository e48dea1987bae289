"""Nudge a model to go on with every candidate and to check it with code, which is run for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.errors import BudgetExhausted, ConfigError, ModelError
from archon.knobs import IntKnob
from archon.programs import blocks
from archon.sandbox import Execution, Kind
from archon.state import Candidate, Failure, Message, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import as_shown
from techniques.steps import Revision, each_candidate

# It opens the program itself: small models agree to write one and then do not.
HINT = """\
Wait, let me check this with Python code.

```python"""

# Bytes of a program's output that the model is shown.
SHOWN = 2_000
WAYS: dict[Kind, str] = {
    "timeout": "it took too long",
    "memory": "it needed too much memory",
    "output": "it printed too much",
    "files": "it wrote too much into files",
    "processes": "it started too many processes",
    "crashed": "it crashed",
}
# Where the sandbox put the program differs from run to run, and the next draw would with it.
PLACE = re.compile(r'File "[^"\n]{0,500}main\.py"')
RUN = re.compile(r"`+")
LONGEST_RUN = 9
STOP = ("\n```",)


class Hint(Sampled, kind="hint"):
    """Nudge a model to go on with every candidate and to check it with code, which is run for it.

    A hint is put at the end of the answer, and the model continues the same answer as if the words were its own. As
    soon as it has written a Python block, the block is run in the sandbox, for at most ``seconds`` and as a program of
    its own; what it printed, or how it failed, is put below it, and the model goes on, with at most ``executions``
    programs per hint and ``rounds`` hints. A candidate becomes the whole text and starts without remarks or scores.
    Where a reply fails, or is empty after a hint, or breaks off within a program, that is recorded and the answer stays
    as it was before that hint. The paper puts hints before the end of a reasoning model's thoughts; here they stand at
    the end of an answer. What a model writes beyond a block that the hint did not open is paid for and dropped. The
    model's endpoint has to continue assistant messages. Cost: at most rounds x (executions + 1) completions per
    candidate.

    Source: Li et al. 2025 (START, arXiv:2503.04625), Hint-infer.
    """

    calls: ClassVar[str] = "at most rounds × (executions + 1) per candidate"

    model: ModelRef
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 1
    executions: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 2
    seconds: Annotated[float, Field(gt=0)] = 5.0
    hint: Annotated[str | None, Field(min_length=1)] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Go on with every candidate, each by itself.

        Raises:
            ConfigError: The endpoint does not continue assistant messages.
            SandboxError: No program can be run here.
        """
        if context.capabilities(self.model).prefix == "unsupported":
            raise ConfigError(
                f"{context.layer}: the endpoint of '{self.model}' is not known to continue assistant messages, which "
                "hint needs; `archon models probe` finds out whether it does."
            )
        opening = as_shown(state).messages

        async def go_on(candidate: Candidate, branch: Context, index: int) -> Revision:
            for _ in range(self.rounds):
                text = await self._round(opening, candidate.text, branch)
                if isinstance(text, Failure):
                    return candidate, [text]
                candidate = Candidate(text, f"{context.layer}/{self.model}#{index}")
            return candidate, []

        return await each_candidate(state, context, go_on)

    def plan(self, candidates: int) -> Plan:
        """For every hint a program and what follows from its output; more programs if the model writes them."""
        asks = [
            Ask(
                self.model,
                requests=candidates if turn < 2 else 0,
                most=candidates,
                step=number * (self.executions + 1) + turn,
                words="x" * (SHOWN + 200) if turn else self.hint or HINT,
                reads=0 if number or turn else 1,
                remarks=False,
                goes_on=number + turn > 0,
                max_tokens=self.max_tokens,
                makes="candidates",
            )
            for number in range(self.rounds)
            for turn in range(self.executions + 1)
        ]
        return Plan(tuple(asks), candidates, keeps=True, extends=True)

    async def _round(self, opening: Sequence[Message], answer: str, context: Context) -> str | Failure:
        """The answer with one hint and all that follows from it, or why it cannot be had."""
        text = hinted(answer, self.hint or HINT)
        for left in reversed(range(self.executions + 1)):
            # Elsewhere the same string might begin a block, and nobody could tell whether the model had more to say.
            stop = STOP if left and _open_program(text) else None
            messages = (*opening, Message("assistant", text))
            (reply,) = await context.attempt(self.model, messages, stop=stop, **self.overrides)
            if isinstance(reply, ModelError):
                return Failure.of(context.layer, reply)
            if left == self.executions and not reply.text.strip():
                return Failure(context.layer, "parse", "the reply to the hint is empty")
            begun, text = len(text), glue(text, reply.text)
            cut = reply.finish_reason == "length"
            found = next_program(text, begun, ended=not cut) if left else None
            if found is None and cut and _open_program(text):
                return Failure(context.layer, "parse", "the reply breaks off within a program")
            if found is None:
                break
            text, program = found
            try:
                execution = await context.sandbox.run(program, seconds=self.seconds)
            except BudgetExhausted as error:
                return Failure.of(context.layer, error)
            text = f"{text}\n\n{output_block(execution)}"
        return text


def hinted(answer: str, hint: str) -> str:
    """An answer with a hint below it, outside all blocks and without blanks at the end, which servers may cut."""
    answer = answer.rstrip()
    found = blocks(answer)
    if found and not found[-1].closed:
        answer += f"\n{found[-1].fence}"
    return f"{answer}\n\n{hint.strip()}".lstrip()


def glue(text: str, continuation: str) -> str:
    """A text and its continuation; a fence at the end of the text keeps its line, whatever a server makes of blanks."""
    last = text.rpartition("\n")[2].lstrip()
    between = "\n" if last.startswith("```") and continuation and not continuation.startswith("\n") else ""
    return f"{text}{between}{continuation}"


def next_program(text: str, begun: int, *, ended: bool) -> tuple[str, str] | None:
    """The first Python block that ends in a continuation, as the text up to its end and its code.

    Args:
        text: The whole text.
        begun: Where the continuation begins.
        ended: Whether the text has come to its end, and with it a block that has none.
    """
    for block in blocks(text):
        if block.python and block.code.strip() and block.end > begun and (block.closed or ended):
            if block.closed:
                return text[: block.end].rstrip(), block.code
            return f"{text[: block.end].rstrip()}\n{block.fence}", block.code.rstrip()
    return None


def output_block(execution: Execution) -> str:
    """What a model is shown of an execution: a fenced block that nothing in the output can close."""
    said = [execution.stdout.rstrip()]
    if execution.kind in WAYS:
        said.append(f"(The program was stopped: {WAYS[execution.kind]}.)")
    elif execution.kind == "error":
        said.append(PLACE.sub('File "main.py"', execution.stderr).rstrip())
        said.append("" if any(said) else f"(The program ended with status {execution.exit_code}.)")
    whole = RUN.sub(lambda run: run[0][:LONGEST_RUN], "\n".join(filter(None, said)))
    shown = clip(whole, SHOWN) or "(The program printed nothing.)"
    fence = "`" * max(3, 1 + max((len(run) for run in RUN.findall(shown)), default=0))
    return f"{fence}output\n{shown}\n{fence}"


def clip(text: str, most: int) -> str:
    """The beginning and the end of a text that is longer than ``most`` bytes of UTF-8."""
    data = text.encode(errors="replace")
    if len(data) <= most:
        return text
    return f"{data[: most // 2].decode(errors='ignore')}\n[...]\n{data[-(most // 2) :].decode(errors='ignore')}"


def _open_program(text: str) -> bool:
    found = blocks(text)
    return bool(found) and found[-1].python and not found[-1].closed
