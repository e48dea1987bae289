from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State
from archon.testing import ScriptedModel, rehearse
from techniques import RoundTrip
from tests.techniques.snapshot import check_snapshot


def _run(*texts: str, redone: str | ModelError = "is 4") -> tuple[State, ScriptedModel]:
    def script(request: Request, index: int) -> str | ModelError:
        return redone if "by this instruction" in request.messages[-1].content else "Add them up."

    model = ScriptedModel(script)
    candidates = [Candidate(text, f"0.generate/m#{index}", verdict=True) for index, text in enumerate(texts)]
    rehearsal = rehearse(RoundTrip(model="m"), model, candidates=candidates, answer="math")
    assert rehearsal.result.error is None
    return rehearsal.state, model


def test_those_that_come_out_the_same_stay_in_their_order() -> None:
    state, model = _run("It is 4.0", "It is 5", "no idea", "8/2 is 4")
    assert [(candidate.text, candidate.verdict) for candidate in state.candidates] == [
        ("It is 4.0", True),
        ("8/2 is 4", True),
    ]
    assert len(set(model.draws())) == 8
    assert [failure.kind for failure in state.failures] == ["parse"]


def test_the_way_back_does_not_see_the_candidate() -> None:
    _, model = _run("CANDIDATE 4", "CANDIDATE 5")
    back = [request for request in model.requests if "by this instruction" in request.messages[-1].content]
    assert len(back) == 2
    assert not any("CANDIDATE" in str(request.messages) for request in back)


def test_none_agreeing_keeps_all_with_their_verdicts() -> None:
    state, _ = _run("is 5", "no idea", "is 6")
    assert [candidate.verdict for candidate in state.candidates] == [False, None, False]


@pytest.mark.parametrize("redone", ["", "who knows", PermanentError("broken", reason="forbidden")])
def test_a_trip_that_fails_is_recorded_and_no_verdict(redone: str | ModelError) -> None:
    state, _ = _run("is 4", "is 5", redone=redone)
    assert [candidate.verdict for candidate in state.candidates] == [None, None]
    assert len(state.failures) == 2


@pytest.mark.parametrize("field", ["describe_prompt", "redo_prompt"])
def test_own_prompts_must_show_everything(field: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        RoundTrip.model_validate({"model": "m", field: "{question}"})


@pytest.mark.parametrize(("name", "number"), [("round_trip-describe", 0), ("round_trip-redo", 1)])
def test_prompt(name: str, number: int) -> None:
    check_snapshot(name, _run("is 4")[1].requests[number].messages)
