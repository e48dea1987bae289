from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Organize
from tests.techniques.snapshot import check_snapshot


def _organizing(premises: str, fails: int | None = None) -> ScriptedModel:
    def script(request: Request, index: int) -> str | ModelError:
        if "Do not answer it yet" in request.messages[-1].content:
            return premises
        return PermanentError("broken", reason="forbidden") if index == fails else f"answer {index}"

    return ScriptedModel(script)


@pytest.mark.parametrize("n", [1, 4])
def test_the_premises_are_put_in_order_once_for_all_answers(n: int) -> None:
    model = _organizing("1. two and two")
    state = rehearse(Organize(model="m", n=n), model, task=Task.of("QUESTION?")).state
    assert state.candidates == tuple(Candidate(f"answer {i}", f"1.organize/m#{i}") for i in range(n))
    assert len(set(model.draws())) == n + 1
    assert all("1. two and two" in r.messages[-1].content for r in model.requests[1:])
    assert all("QUESTION?" in r.messages[-1].content for r in model.requests)


def test_without_premises_the_question_stands_alone() -> None:
    model = _organizing(" \n")
    rehearsal = rehearse(Organize(model="m"), model)
    assert model.requests[-1].messages == rehearsal.result.task.messages
    assert [failure.kind for failure in rehearsal.state.failures] == ["parse"]


def test_a_failed_draw_is_recorded_and_the_rest_survive() -> None:
    state = rehearse(Organize(model="m", n=3), _organizing("1. x", fails=1)).state
    assert [candidate.text for candidate in state.candidates] == ["answer 0", "answer 2"]
    assert [failure.reason for failure in state.failures] == ["broken"]


@pytest.mark.parametrize(("field", "prompt"), [("prompt", "{premises}"), ("answer_prompt", "{question}")])
def test_own_prompts_must_show_everything(field: str, prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Organize.model_validate({"model": "m", field: prompt})


@pytest.mark.parametrize(("name", "number"), [("organize", 0), ("organize-answer", 1)])
def test_prompt(name: str, number: int) -> None:
    model = _organizing("Asked: the sum.\n1. two and two")
    rehearse(Organize(model="m"), model)
    check_snapshot(name, model.requests[number].messages)
