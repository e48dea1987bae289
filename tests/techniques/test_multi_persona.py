from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State, Task
from archon.testing import ScriptedModel, rehearse
from techniques import MultiPersona
from techniques.multi_persona import ANYONE
from tests.techniques.snapshot import check_snapshot

PEOPLE = "[1] A doctor.\n[2] A lawyer.\n[3] A baker."


def _step(request: Request) -> str:
    prompt = request.messages[-1].content
    return "propose" if "Name " in prompt else "fuse" if "numbered responses" in prompt else "answer"


def _model(people: str = PEOPLE, fails: str = "") -> ScriptedModel:
    """``fails`` is a step, or a word of the persona whose answer fails."""

    def script(request: Request, index: int) -> str | ModelError:
        step = _step(request)
        if fails and (fails == step or (step == "answer" and fails in request.messages[0].content)):
            return PermanentError("broken", reason="forbidden")
        return {"propose": people, "fuse": "fused"}.get(step) or request.messages[0].content.splitlines()[-1][-9:]

    return ScriptedModel(script)


def _run(model: ScriptedModel, personas: tuple[str, ...] = ()) -> State:
    rehearsal = rehearse(MultiPersona(model="m", personas=personas), model, task=Task.of("Q", system="SYSTEM"))
    assert rehearsal.result.error is None
    return rehearsal.state


def test_the_model_proposes_them_each_answers_and_one_answer_is_made() -> None:
    model = _model()
    assert _run(model).candidates == (Candidate("fused", "1.multi_persona/m#0"),)
    assert [_step(request) for request in model.requests] == ["propose", *["answer"] * 3, "fuse"]
    for person, request in zip(("A doctor.", "A lawyer.", "A baker."), model.requests[1:4], strict=True):
        assert request.messages[0].content.startswith("SYSTEM\n\n")
        assert person in request.messages[0].content
        assert request.messages[1:] == Task.of("Q").messages
    assert all(word in model.requests[-1].messages[-1].content for word in ("doctor", "lawyer", "baker"))


def test_given_ones_are_not_asked_for() -> None:
    model = _model()
    _run(model, ("A {persona}.", "A pilot."))
    assert [_step(request) for request in model.requests] == ["answer", "answer", "fuse"]
    assert "A {persona}." in model.requests[0].messages[0].content


@pytest.mark.parametrize(("people", "missing"), [("[1] A doctor.", 2), ("nobody", 3), ("", 3)])
def test_an_expert_takes_the_place_of_a_missing_one(people: str, missing: int) -> None:
    model = _model(people)
    state = _run(model)
    assert sum(ANYONE in request.messages[0].content for request in model.requests) == missing
    assert len(set(model.draws())) == 5
    assert [failure.kind for failure in state.failures] == ["parse"]


def test_a_persona_that_fails_is_left_out() -> None:
    model = _model(fails="lawyer")
    state = _run(model)
    assert [candidate.text for candidate in state.candidates] == ["fused"]
    assert "2 numbered responses" in model.requests[-1].messages[-1].content
    assert [failure.reason for failure in state.failures] == ["broken"]


def test_without_a_final_answer_theirs_stay() -> None:
    state = _run(_model(fails="fuse"))
    assert [candidate.text for candidate in state.candidates] == ["A doctor.", "A lawyer.", " A baker."]
    assert [failure.reason for failure in state.failures] == ["broken"]


@pytest.mark.parametrize(
    "settings", [{"personas": [""]}, {"n": 0}, {"persona_prompt": "Be someone."}, {"fuse_prompt": "{candidates}"}]
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MultiPersona.model_validate({"model": "m", **settings})


@pytest.mark.parametrize("step", ["propose", "answer"])
def test_prompt(step: str) -> None:
    model = _model()
    _run(model)
    check_snapshot(f"multi_persona-{step}", next(r for r in model.requests if _step(r) == step).messages)
