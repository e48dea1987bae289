from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import State
from archon.testing import ScriptedModel, rehearse
from techniques import PlanSearch
from techniques.plan_search import choose_sets
from tests.techniques.budgeted import run_with
from tests.techniques.snapshot import check_snapshot

OBSERVATIONS = ("o-one", "o-two", "o-three")
LISTED = "\n".join(f"[{number}] {text}" for number, text in enumerate(OBSERVATIONS, start=1))


def _step(request: Request) -> str:
    prompt = request.messages[-1].content
    for step, mark in (("observe", "3 observations that"), ("derive", "new observations"), ("plan", "Write a plan")):
        if mark in prompt:
            return step
    return "answer"


def _model(listed: str = LISTED, broken: str = "") -> ScriptedModel:
    """``broken`` is a step that fails where the first observation is in view."""

    def script(request: Request, index: int) -> str | ModelError:
        step, prompt = _step(request), request.messages[-1].content
        if step == "observe":
            return listed
        seen = "+".join(text for text in OBSERVATIONS if text in prompt)
        if step == broken and "o-one" in seen:
            return PermanentError("broken", reason="forbidden")
        return f"{step} of {seen}"

    return ScriptedModel(script)


def _run(model: ScriptedModel, n: int) -> State:
    rehearsal = rehearse(PlanSearch(model="m", n=n, observations=3), model)
    assert rehearsal.result.error is None
    return rehearsal.state


def test_every_answer_follows_a_plan_from_its_own_observations() -> None:
    model = _model()
    state = _run(model, 6)
    sets = {"+".join(chosen) for size in (1, 2) for chosen in combinations(OBSERVATIONS, size)}
    assert {candidate.text for candidate in state.candidates} == {f"answer of {chosen}" for chosen in sets}
    assert len(set(model.draws())) == 3 * 6 + 1
    for request in model.requests:
        prompt = request.messages[-1].content
        assert ("derive of" in prompt) == (_step(request) == "plan")
        assert ("plan of" in prompt) == (_step(request) == "answer")


@given(st.lists(st.text(min_size=1), unique=True, max_size=5), st.integers(1, 30), st.integers(0, 9))
def test_sets_differ_until_all_are_used_and_fewer_begin_more(observations: list[str], n: int, seed: int) -> None:
    sets = choose_sets(observations, n, random.Random(seed))
    possible = max(1, len(observations) * (len(observations) + 1) // 2)
    assert len(sets) == n
    assert len(set(sets)) == min(n, possible)
    assert all(len(chosen) == len(set(chosen)) <= 2 for chosen in sets)
    assert sets == choose_sets(observations, n + 1, random.Random(seed))[:n]


def test_too_few_observations_are_recorded() -> None:
    state = _run(_model(LISTED.rpartition("\n")[0]), 4)
    assert len(state.candidates) == 4
    assert [failure.reason for failure in state.failures] == ["asked for 3 observations and got 2"]


def test_without_observations_the_plans_start_from_none() -> None:
    model = _model("I see nothing.")
    state = _run(model, 2)
    assert len(state.candidates) == 2
    assert "(none)" in model.requests[1].messages[-1].content
    assert [failure.kind for failure in state.failures] == ["parse"]


@pytest.mark.parametrize("step", ["derive", "plan", "answer"])
def test_a_failed_branch_is_recorded_and_the_rest_survive(step: str) -> None:
    state = _run(_model(broken=step), 6)
    assert len(state.candidates) == 3
    assert not any("o-one" in candidate.text for candidate in state.candidates)
    assert [failure.reason for failure in state.failures] == ["broken"] * 3


@pytest.mark.parametrize("calls", range(4, 15))
def test_every_budget_that_bears_one_answer_brings_one(calls: int) -> None:
    model = _model()
    result = run_with(calls, PlanSearch(model="m", n=4, observations=3), model)
    assert sum(len(request.indices) for request in model.requests) <= calls
    assert result.status == ("budget" if calls < 13 else "done")
    assert result.candidates
    assert all(candidate.text.startswith("answer of") for candidate in result.candidates)


def test_without_a_budget_no_branch_waits_for_another() -> None:
    model = _model()
    rehearse(PlanSearch(model="m", n=4, observations=3), model)
    assert model.most_in_flight == 4


def test_where_the_way_to_an_answer_is_too_long_the_question_is_answered_as_it_stands() -> None:
    long = "x" * 2000 + "{question} {observations}"
    technique = PlanSearch(model="m", n=1, observations=3, max_tokens=10, plan_prompt=long)
    # What a request may cost is reserved by its bytes, and the prompts of every step are longer than the question.
    for tokens, steps in ((200, []), (1500, ["observe", "derive"])):
        model = _model()
        result = rehearse(technique, model, budget={"tokens": tokens}).result
        assert result.status == "budget"
        assert [_step(request) for request in model.requests[:-1]] == steps
        assert [message.content for message in model.requests[-1].messages] == [result.task.question]
        assert len(result.candidates) == 1


@pytest.mark.parametrize("field", ["derive_prompt", "plan_prompt", "answer_prompt"])
def test_own_prompts_must_show_everything(field: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        PlanSearch.model_validate({"model": "m", field: "{question}"})


@pytest.mark.parametrize("step", ["observe", "derive", "plan", "answer"])
def test_prompt(step: str) -> None:
    model = _model()
    _run(model, 1)
    check_snapshot(f"plan_search-{step}", next(r for r in model.requests if _step(r) == step).messages)
