"""Chat templates: a conversation as one text, for endpoints that continue texts and not conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from archon.state import Message
from archon.suggest import unknown

PLACE = "{content}"
ROLES = ("system", "user", "assistant")
ANSWER = "answer"

TEMPLATES: Mapping[str, Mapping[str, str]] = {
    "chatml": {
        **{role: f"<|im_start|>{role}\n{PLACE}<|im_end|>\n" for role in ROLES},
        ANSWER: "<|im_start|>assistant\n",
    },
    "llama3": {
        **{role: f"<|start_header_id|>{role}<|end_header_id|>\n\n{PLACE}<|eot_id|>" for role in ROLES},
        ANSWER: "<|start_header_id|>assistant<|end_header_id|>\n\n",
    },
    "gemma": {
        "user": f"<start_of_turn>user\n{PLACE}<end_of_turn>\n",
        "assistant": f"<start_of_turn>model\n{PLACE}<end_of_turn>\n",
        ANSWER: "<start_of_turn>model\n",
    },
}
"""Layouts of message turns, of ChatML (Qwen and others), Llama 3 and Gemma 2; without the token that begins a text,
which servers put there, and without the system messages that some models' own templates add by themselves."""


def chat_template(value: Any) -> Any:
    """A template as the pieces of its text, whether they or its name was written.

    Raises:
        ValueError: There is none of that name, or a piece is missing or has no place for the message.
    """
    if isinstance(value, str):
        if value not in TEMPLATES:
            raise ValueError(unknown("chat template", value, TEMPLATES))
        return dict(TEMPLATES[value])
    if not isinstance(value, Mapping):
        raise ValueError(f"name a chat template ({', '.join(TEMPLATES)}) or give its pieces")
    if strange := [name for name in value if name not in (*ROLES, ANSWER)]:
        raise ValueError(unknown("piece of a chat template", str(strange[0]), (*ROLES, ANSWER)))
    for name in ("user", "assistant", ANSWER):
        if not isinstance(value.get(name), str):
            raise ValueError(f"a chat template needs the piece {name!r}")
    for name in ROLES:
        if name in value and str(value[name]).count(PLACE) != 1:
            raise ValueError(f"the piece {name!r} of a chat template needs the place {PLACE} once")
    return value


ChatTemplate = Annotated[dict[str, str], BeforeValidator(chat_template, json_schema_input_type=str | dict[str, str])]
"""By its name, or by its pieces: a ``user``'s and an ``assistant``'s turn with the place ``{content}``, what opens the
``answer``, and a turn of the ``system``; where that is missing, its words open the first turn of the user."""


def lay_out(template: Mapping[str, str], messages: Sequence[Message]) -> str:
    """A conversation as the text that the model is to continue.

    If the last message is the assistant's, the text ends with it as it is, without anything that would end a turn.
    """
    *said, last = messages
    begun = last.content if last.role == "assistant" else ""
    turns: list[str] = []
    instructions = ""
    for message in said if last.role == "assistant" else messages:
        role, content = message.role, message.content
        if role == "system" and role not in template:
            instructions += f"{content}\n\n"
            continue
        if role == "user":
            content, instructions = instructions + content, ""
        # Not str.format: whatever else stands in braces is the template's own.
        before, _, after = template[role].partition(PLACE)
        turns.append(f"{before}{content}{after}")
    return "".join((*turns, template[ANSWER], begun))
