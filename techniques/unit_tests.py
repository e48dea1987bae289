"""Write tests that a good answer to the question passes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.errors import ModelError
from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.code import parse_code_tests
from techniques.prompts import as_shown, conversation, render, requires

PROMPT = """\
Below is a question.

Question:
{question}

Do not answer it. Write {count} unit tests for answers to it: statements that are true of every good answer and false \
of a bad one, each of which can be checked by reading an answer alone. Let them cover different parts of the \
question, and say in each what it expects. Number the tests in square brackets, like this, and write nothing else:

[1] The answer states ...
[2] The answer gives ..."""

CODE_PROMPT = """\
Below is a programming task.

Task:
{question}

Do not solve it. Write {count} unit tests in Python for solutions to it: assert statements that call what the task \
asks for by the name it has there, each with an input and the result that the task implies. Work out every expected \
result with care, and let the tests cover ordinary inputs and edge cases. Do not define or import the solution. Write \
one Python block with {count} assert statements and nothing else, like this:

```python
assert name(1, 2) == 3
```"""

HEADING = re.compile(
    r"^[ \t#*>-]*"
    r"(?:\[(\d{1,4})\]|(\d{1,4})\*{0,2}[.):](?!\d)|(?:unit[ \t])?test[ \t]?[#\[]?(\d{1,4})\b(?=[\]*:.)]|[ \t]*$)\]?)"
    r"[ \t:*]*",
    re.IGNORECASE | re.MULTILINE,
)
BULLET = re.compile(r"^[ \t]*[-*•][ \t]+(\S.*)$", re.MULTILINE)


class UnitTests(Sampled, kind="unit_tests"):
    """Write tests that a good answer to the question passes.

    The tests are statements in plain language (or whatever ``prompt`` asks for) and stay with the question for later
    layers; ``test`` judges candidates by them, and with ``show`` every later technique sees them below the question.
    With ``code`` they are Python, every one a program of its own that ``test`` can execute. Candidates pass through
    untouched. Fewer tests than asked for, or none, are recorded. Cost: 1 completion.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; tests that are executed as in Chen et al.
    2022 (CodeT, arXiv:2207.10397).

    Example:
        - unit_tests: {model: judge, n: 5}
        - generate: {model: solver, n: 8}
        - test: {model: judge}
    """

    needs_candidates: ClassVar[bool] = False
    makes: ClassVar[frozenset[str]] = frozenset({"unit_tests"})
    calls: ClassVar[str] = "1"

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 5
    code: bool = False
    show: bool = False
    prompt: Annotated[str | None, requires("question")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Add up to ``n`` tests."""
        prompt = render(self._template, count=str(self.n), question=as_shown(state).question)
        try:
            (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        except ModelError as error:
            return state.with_failures([Failure.of(context.layer, error)])
        if self.code:
            tests = parse_code_tests(reply.text, self.n, state.task.question)
        else:
            tests = parse_tests(reply.text, self.n)
        if len(tests) < self.n:
            failure = Failure(context.layer, "parse", f"asked for {self.n} unit tests and got {len(tests)}")
            state = state.with_failures([failure])
        return replace(state, unit_tests=(*state.unit_tests, *tests), tests_shown=state.tests_shown or self.show)

    def plan(self, candidates: int) -> Plan:
        """One completion; the candidates stay as they are."""
        return Plan((Ask(self.model, words=self._template, max_tokens=self.max_tokens),), candidates)

    @property
    def _template(self) -> str:
        return self.prompt or (CODE_PROMPT if self.code else PROMPT)


def parse_tests(reply: str, most: int) -> list[str]:
    """The first ``most`` different tests in a reply, in its order.

    They are numbered (``[1]``, ``1.`` or ``Test 1:`` at the beginning of a line; a number out of turn belongs to the
    text of a test) or, where nothing is numbered, stand behind bullets. None of them is empty.
    """
    headings: list[re.Match[str]] = []
    for heading in HEADING.finditer(reply):
        if number_of(heading) == len(headings) + 1:
            headings.append(heading)
    ends = [heading.start() for heading in headings[1:]] + [len(reply)]
    tests = [reply[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=False)]
    if not headings:
        tests = [bullet.strip() for bullet in BULLET.findall(reply)]
    return list(dict.fromkeys(filter(None, tests)))[:most]


def number_of(heading: re.Match[str]) -> int:
    """The number in a heading."""
    return int(heading[1] or heading[2] or heading[3])
