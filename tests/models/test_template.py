"""Conversations as texts: what stands in them, what is refused, and what a reply to one becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.models.base import Request, Sampling
from archon.models.completions import as_chat
from archon.models.spec import ModelSpec
from archon.models.template import TEMPLATES, lay_out
from archon.state import Message
from archon.store import request_key

ASKED = (Message("system", "Be brief."), Message("user", "2 + 2?"))
BEGUN = (*ASKED, Message("assistant", "It is\n\n"))


def test_a_conversation_is_laid_out_as_the_models_were_trained() -> None:
    assert lay_out(TEMPLATES["chatml"], BEGUN) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\nIt is\n\n"
    )
    assert lay_out(TEMPLATES["llama3"], ASKED) == (
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n2 + 2?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    turns = (*ASKED, Message("assistant", "4"), Message("user", "Sure?"))
    assert lay_out(TEMPLATES["gemma"], turns) == (
        "<start_of_turn>user\nBe brief.\n\n2 + 2?<end_of_turn>\n<start_of_turn>model\n4<end_of_turn>\n"
        "<start_of_turn>user\nSure?<end_of_turn>\n<start_of_turn>model\n"
    ), "without a place for the system, its words open the user's first turn"


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(TEMPLATES)), st.text(min_size=1), st.text(), st.text())
def test_a_longer_beginning_only_makes_the_text_longer(name: str, question: str, begun: str, more: str) -> None:
    def text(answer: str) -> str:
        return lay_out(TEMPLATES[name], (Message("user", question), Message("assistant", answer)))

    assert text(begun + more) == text(begun) + more
    assert text("") == lay_out(TEMPLATES[name], (Message("user", question),))
    assert question in text("")


PIECES = {"user": "U: {content}\n", "assistant": "A: {content}\n", "answer": "A: "}


def test_a_template_is_written_by_name_or_in_pieces() -> None:
    assert ModelSpec(use="vllm/x", template="chatml").template == TEMPLATES["chatml"]
    assert ModelSpec(use="vllm/x", template=PIECES).template == PIECES
    assert lay_out(PIECES, BEGUN) == "U: Be brief.\n\n2 + 2?\nA: It is\n\n"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("chatlm", "did you mean 'chatml'"),
        (5, "or give its pieces"),
        ({**PIECES, "asistant": "{content}"}, "did you mean 'assistant'"),
        ({"user": "{content}", "assistant": "{content}"}, "needs the piece 'answer'"),
        ({**PIECES, "user": "no place"}, "needs the place {content} once"),
    ],
)
def test_what_is_no_template_is_refused(template: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ModelSpec(use="vllm/x", template=template)


def test_a_text_is_another_draw_than_a_chat_and_than_a_text_of_another_template() -> None:
    samplings = [Sampling(), *(Sampling(template=template) for template in (*TEMPLATES.values(), PIECES))]
    keys = {request_key("model", Request(BEGUN, sampling)) for sampling in samplings}
    assert len(keys) == len(samplings)


def test_log_probabilities_of_texts_read_as_those_of_chats() -> None:
    tokens = {"tokens": ["4", "."], "token_logprobs": [-0.1, -0.2], "top_logprobs": [{"4": -0.1, "5": -2.5}, None]}
    chat = as_chat({"text": "4.", "finish_reason": "stop", "logprobs": tokens})
    assert chat["message"] == {"content": "4."}
    first = {"token": "4", "logprob": -0.1}
    alternatives = [first, {"token": "5", "logprob": -2.5}]
    content = [{**first, "top_logprobs": alternatives}, {"token": ".", "logprob": -0.2, "top_logprobs": []}]
    assert chat["logprobs"] == {"content": content}
    assert as_chat({"text": "4.", "logprobs": {"content": content}})["logprobs"] == {"content": content}
    assert as_chat({"text": "4."})["logprobs"] is None
