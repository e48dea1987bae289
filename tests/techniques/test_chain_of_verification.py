from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State
from archon.testing import ScriptedModel, rehearse
from techniques import ChainOfVerification
from tests.techniques.snapshot import check_snapshot

DRAFTS = (Candidate("DRAFT-A", "0.generate/m#0", ("remark",), 0.5), Candidate("DRAFT-B", "0.generate/m#1"))


def _step(request: Request) -> str:
    prompt = request.messages[-1].content
    return "revise" if "Checks:" in prompt else "plan" if "Draft:" in prompt else "check"


def _usual(request: Request, index: int) -> str:
    step, prompt = _step(request), request.messages[-1].content
    if step == "check":
        return "known " + prompt.partition("thing for it:\n")[2].splitlines()[0]
    draft = prompt.partition("Draft:\n")[2].splitlines()[0]
    return f"[1] first of {draft.lower()}?\n[2] second?" if step == "plan" else f"revised {draft}"


def _model(**instead: str | ModelError) -> ScriptedModel:
    """Says what is usual, or something else in one of the steps."""

    def script(request: Request, index: int) -> str | ModelError:
        return instead[_step(request)] if _step(request) in instead else _usual(request, index)

    return ScriptedModel(script)


def _run(model: ScriptedModel, questions: int = 2) -> State:
    rehearsal = rehearse(ChainOfVerification(model="m", questions=questions), model, candidates=DRAFTS)
    assert rehearsal.result.error is None
    return rehearsal.state


def test_every_question_is_answered_by_itself_without_the_draft() -> None:
    model = _model()
    _run(model)
    checks = [request for request in model.requests if _step(request) == "check"]
    assert len(checks) == len({request.stream for request in checks}) == 4
    for request in checks:
        said = "\n".join(message.content for message in request.messages)
        assert "DRAFT" not in said
        assert said.count("first of") + said.count("second?") == 1
        assert len(request.messages) == 1


def test_the_revision_sees_draft_questions_and_answers() -> None:
    model = _model()
    state = _run(model)
    assert state.candidates == tuple(
        Candidate(f"revised DRAFT-{letter}", f"1.chain_of_verification/m#{number}")
        for number, letter in enumerate("AB")
    )
    prompt = next(r for r in model.requests if _step(r) == "revise" and "DRAFT-A" in str(r)).messages[-1].content
    assert "[1] first of draft-a?\nknown first of draft-a?\n\n[2] second?\nknown second?" in prompt


@pytest.mark.parametrize("step", ["plan", "check", "revise"])
@pytest.mark.parametrize("says", ["", PermanentError("broken", reason="forbidden")])
def test_without_a_step_the_draft_stays_as_it_was(step: str, says: str | ModelError) -> None:
    state = _run(_model(**{step: says}))
    assert state.candidates == DRAFTS
    assert len(state.failures) == (4 if step == "check" else 2)


def test_a_plan_without_questions_is_recorded() -> None:
    state = _run(_model(plan="I have no doubts."))
    assert state.candidates == DRAFTS
    assert [failure.reason for failure in state.failures] == [
        f"{draft.origin}: no questions to check it by" for draft in DRAFTS
    ]


def test_a_check_that_fails_is_left_out() -> None:
    def script(request: Request, index: int) -> str | ModelError:
        if _step(request) == "check" and "second?" in request.messages[-1].content:
            return PermanentError("broken", reason="forbidden")
        return _usual(request, index)

    model = ScriptedModel(script)
    state = _run(model)
    assert [candidate.text for candidate in state.candidates] == ["revised DRAFT-A", "revised DRAFT-B"]
    assert len(state.failures) == 2
    assert not any("second?" in str(request.messages) for request in model.requests if _step(request) == "revise")


def test_no_more_questions_than_asked_for() -> None:
    model = _model(plan="\n".join(f"[{number}] q{number}?" for number in range(1, 9)))
    _run(model, questions=3)
    assert sum(_step(request) == "check" for request in model.requests) == 6


@pytest.mark.parametrize("field", ["plan_prompt", "check_prompt", "revise_prompt"])
def test_own_prompts_must_show_everything(field: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        ChainOfVerification.model_validate({"model": "m", field: "{question}"})


@pytest.mark.parametrize("step", ["plan", "check", "revise"])
def test_prompt(step: str) -> None:
    model = _model()
    rehearse(ChainOfVerification(model="m", questions=2), model, candidates=DRAFTS[:1])
    check_snapshot(f"chain_of_verification-{step}", next(r for r in model.requests if _step(r) == step).messages)
