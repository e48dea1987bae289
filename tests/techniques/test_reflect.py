from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.models.base import Request
from archon.state import Candidate, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Reflect
from tests.techniques.snapshot import check_snapshot


def _satisfied_with(text: str) -> ScriptedModel:
    """Attempts are numbered by the reflections they see; only the wanted one satisfies."""

    def script(request: Request, index: int) -> str:
        prompt = request.messages[-1].content
        known = prompt.count("lesson")
        if "Latest attempt:" not in prompt:
            return f"attempt {known}"
        return "fine [Stop]" if text in prompt.partition("Latest attempt:")[2] else f"lesson {known} [Revise]"

    return ScriptedModel(script)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(0, 6))
def test_the_first_satisfying_attempt_stays_or_else_the_last(rounds: int, good: int) -> None:
    wanted = f"attempt {good}" if good else "draft"
    rehearsal = rehearse(Reflect(model="m", rounds=rounds), _satisfied_with(wanted), candidates=[Candidate("draft")])
    (kept,) = rehearsal.state.candidates
    made = min(rounds, good)
    assert kept.text == (f"attempt {made}" if made else "draft")
    assert kept.critiques == (("fine [Stop]",) if good < rounds else ())
    assert len(set(rehearsal.model.draws())) == 2 * made + (good < rounds)


def test_a_new_attempt_sees_all_reflections_and_no_earlier_attempt() -> None:
    model = _satisfied_with("never")
    rehearse(Reflect(model="m", rounds=3), model, candidates=[Candidate("DRAFT")], task=Task.of("Q"))
    attempts = [r.messages[-1].content for r in model.requests if "Latest attempt:" not in r.messages[-1].content]
    assert not any("DRAFT" in prompt or "attempt 1" in prompt for prompt in attempts)
    assert [prompt.count("lesson") for prompt in attempts] == [1, 2, 3]
    reflections = [r.messages[-1].content for r in model.requests if "Latest attempt:" in r.messages[-1].content]
    assert [prompt.count("lesson") for prompt in reflections] == [0, 1, 2]
    assert "attempt 1" in reflections[1]
    assert "DRAFT" not in reflections[1]


def test_an_empty_reply_is_recorded_and_the_last_attempt_stays() -> None:
    state = rehearse(Reflect(model="m"), ScriptedModel(" "), candidates=[Candidate("draft", score=1.0)]).state
    assert state.candidates == (Candidate("draft", score=1.0),)
    assert [failure.kind for failure in state.failures] == ["parse"]


@pytest.mark.parametrize("field", ["reflect_prompt", "attempt_prompt"])
def test_own_prompts_must_show_everything(field: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Reflect.model_validate({"model": "m", field: "{question}"})


@pytest.mark.parametrize(("name", "number"), [("reflect", -2), ("reflect-attempt", -1)])
def test_prompt(name: str, number: int) -> None:
    model = ScriptedModel("Count again. [Revise]")
    rehearse(Reflect(model="m", rounds=2), model, candidates=[Candidate("five")])
    check_snapshot(name, model.requests[number].messages)
