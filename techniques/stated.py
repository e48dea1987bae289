"""Answers that a technique found outside the model, said so that the architecture's answer format finds them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from archon.answers import AnswerFormat
from techniques.prompts import render

FORMS = (
    "The answer is {answer}.",
    "{answer}",
    "Answer: {answer}",
    "Final answer: {answer}",
    "\\boxed{{answer}}",
    "#### {answer}",
    "({answer})",
    "{quoted}",
)


def _as_word(value: Any) -> Any:
    """YAML reads the most natural labels as truth values."""
    return str(value) if isinstance(value, bool) else value


Label = Annotated[str, Field(min_length=1), BeforeValidator(_as_word, json_schema_input_type=str | bool)]
"""An answer that is given in the settings."""


def state_answer(answer: str, reasons: str, answers: AnswerFormat) -> str | None:
    """A text whose final answer is ``answer``, after the reasons where the format allows any.

    Returns:
        The text, or ``None`` if the format finds the answer in none of the usual forms.
    """
    quoted = json.dumps(answer, ensure_ascii=False)
    said = [render(form, answer=answer, quoted=quoted) for form in FORMS]
    for text, form in [*((f"{reasons}\n\n{form}", form) for form in said), *((form, form) for form in said)]:
        found = answers.extract(text)
        if found is not None and (answers.equal(found, answer) or (form == quoted and found == quoted)):
            return text
    return None
