from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate
from archon.testing import ScriptedModel, rehearse
from techniques import Workers
from tests.techniques.snapshot import check_snapshot


def _prompt(request: Request) -> str:
    return request.messages[-1].content


def _is_answer(request: Request) -> bool:
    return "Now answer" in _prompt(request)


def _worker(name: str, broken: str = "") -> ScriptedModel:
    """Numbers its pieces; ``broken`` fails in its work or its answer."""

    def script(request: Request, index: int) -> str | ModelError:
        if ("answer" if _is_answer(request) else "work") == broken:
            return PermanentError("broken", reason="forbidden")
        return f"{name} answers" if _is_answer(request) else f"{name}{_prompt(request).count(f'<{name}')} <{name}>"

    return ScriptedModel(script, name=f"scripted/{name}")


def test_every_piece_sees_everything_of_the_rounds_before() -> None:
    models = {"x": _worker("x"), "y": _worker("y")}
    state = rehearse(Workers(model=("x", "y"), n=1, rounds=3, piece=50), models).state
    assert [candidate.text for candidate in state.candidates] == ["x answers", "y answers"]
    for name, model in models.items():
        for number, request in enumerate(model.requests):
            assert [_prompt(request).count(f"<{worker}>") for worker in "xy"] == [number, number]
            assert f"You are worker [{'xy'.index(name) + 1}]" in _prompt(request)
        assert [_is_answer(request) for request in model.requests] == [False, False, False, True]
        assert [request.sampling.max_tokens for request in model.requests] == [50, 50, 50, None]


def test_work_stands_in_for_an_answer_that_cannot_be_had() -> None:
    models = {"x": _worker("x"), "y": _worker("y", broken="answer"), "z": _worker("z")}
    state = rehearse(Workers(model=("x", "y", "z"), n=1, rounds=2), models).state
    assert [(candidate.text, candidate.origin) for candidate in state.candidates] == [
        ("x answers", "1.workers/x#0"),
        ("y0 <y>\n\ny1 <y>", "1.workers/y#1"),
        ("z answers", "1.workers/z#2"),
    ]
    assert [failure.reason for failure in state.failures] == ["broken"]


def test_a_worker_whose_pieces_fail_still_answers() -> None:
    models = {"x": _worker("x"), "y": _worker("y", broken="work")}
    state = rehearse(Workers(model=("x", "y"), n=1, rounds=2), models).state
    assert [candidate.text for candidate in state.candidates] == ["x answers", "y answers"]
    assert [failure.reason for failure in state.failures] == ["broken", "broken"]
    assert "(nothing yet)" in _prompt(models["x"].requests[-1])


def test_all_failing_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    assert rehearse(Workers(model="m"), ScriptedModel(lambda request, index: error)).result.error is error


def test_braces_in_the_work_are_shown_literally() -> None:
    model = ScriptedModel("{question} {notes} \\1")
    state = rehearse(Workers(model="m", n=1, rounds=2), model).state
    assert _prompt(model.requests[-1]).count("{question} {notes} \\1") == 2
    assert state.candidates == (Candidate("{question} {notes} \\1", "1.workers/m#0"),)


@pytest.mark.parametrize("field", ["work_prompt", "answer_prompt"])
def test_own_prompts_must_show_everything(field: str) -> None:
    with pytest.raises(ValidationError, match=r"the prompt must contain \{notes\}"):
        Workers.model_validate({"model": "m", field: "{question}"})


@pytest.mark.parametrize(("name", "number"), [("workers", 1), ("workers-answer", -1)])
def test_prompt(name: str, number: int) -> None:
    models = {"x": _worker("x"), "y": _worker("y")}
    rehearse(Workers(model=("x", "y"), n=1, rounds=2, piece=100), models)
    check_snapshot(name, models["y"].requests[number].messages)
