"""How candidates and questions are shown to a model, the same way in every technique."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from archon.state import Candidate, Message, State, Task

TESTS = """\
{question}

A good answer passes these tests:
{tests}"""

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def render(template: str, **values: str) -> str:
    """Fill ``{name}`` placeholders; braces that name no value stay as they are, as does text inside values."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


@dataclass(frozen=True, slots=True)
class Requires:
    """A check that a prompt of the user's own mentions everything the model has to see.

    Attributes:
        places: The placeholders it has to have.
    """

    places: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after everything else."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell editors and pages what has to stand in the text."""
        told = handler(schema)
        for option in told.get("anyOf", [told]):
            if option.get("type") == "string":
                option["x-places"] = list(self.places)
        return told

    def _check(self, template: str | None) -> str | None:
        missing = [f"{{{name}}}" for name in self.places if template is not None and f"{{{name}}}" not in template]
        if missing:
            raise ValueError(f"the prompt must contain {' and '.join(missing)}")
        return template


def requires(*names: str) -> Requires:
    """A prompt has to mention ``{name}`` for each of the names."""
    return Requires(names)


CandidatesPrompt = Annotated[str | None, requires("question", "candidates")]
"""A prompt that shows the question and all candidates; ``None`` for the built-in one."""

CandidatePrompt = Annotated[str | None, requires("question", "candidate")]
"""A prompt that shows the question and one candidate; ``None`` for the built-in one."""


def listing(candidates: Sequence[Candidate]) -> str:
    """The candidates numbered from 1, each followed by the remarks on it."""
    parts = []
    for number, candidate in enumerate(candidates, start=1):
        part = f"[{number}]\n{candidate.text.strip()}"
        if candidate.critiques:
            remarks = "\n".join(critique.strip() for critique in candidate.critiques)
            part += f"\n\nRemarks on [{number}]:\n{remarks}"
        parts.append(part)
    return "\n\n".join(parts)


def as_shown(state: State) -> Task:
    """The task as it is shown to a model: with the unit tests below the question, where they are to be seen."""
    if not state.tests_shown or not state.unit_tests:
        return state.task
    tests = "\n".join(f"- {test}" for test in state.unit_tests)
    prompt = render(TESTS, question=state.task.question, tests=tests)
    return replace(state.task, messages=state.task.with_question(prompt))


def conversation(task: Task, prompt: str) -> tuple[Message, ...]:
    """The caller's system message and earlier turns, with ``prompt`` in place of the question it shows."""
    return task.with_question(prompt)
