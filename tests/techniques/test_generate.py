from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Capabilities, Request
from archon.state import Candidate, Message, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Generate

EARLIER = (Candidate("old", "0.opening", critiques=("remark",)),)


def _second_is_broken(request: Request, index: int) -> str | ModelError:
    return PermanentError("no luck", reason="forbidden") if index == 1 else f"draw {index}"


@pytest.mark.parametrize(("models", "n"), [("m", 1), ("m", 4), (("a", "b"), 3), (("m", "m"), 2)])
def test_costs_models_times_n_completions(models: str | tuple[str, ...], n: int) -> None:
    count = n if isinstance(models, str) else n * len(models)
    rehearsal = rehearse(Generate(model=models, n=n), ScriptedModel("x"))
    assert len(rehearsal.state.candidates) == count
    assert len(set(rehearsal.model.draws())) == len(rehearsal.model.draws()) == count


def test_candidates_stand_in_the_order_of_the_settings_and_name_their_origin() -> None:
    models = {"a": ScriptedModel(["a0", "a1"], latency=0.01), "b": ScriptedModel(["b0", "b1"], name="scripted/b")}
    state = rehearse(Generate(model=("a", "b"), n=2), models).state
    assert [candidate.text for candidate in state.candidates] == ["a0", "a1", "b0", "b1"]
    assert [candidate.origin for candidate in state.candidates] == [
        "1.generate/a#0",
        "1.generate/a#1",
        "1.generate/b#0",
        "1.generate/b#1",
    ]


def test_two_names_for_one_model_never_share_a_sample() -> None:
    model = ScriptedModel("x")
    rehearse(Generate(model=("a", "b"), n=2), model)
    assert len(set(model.draws())) == 4


def test_one_request_where_the_endpoint_can_do_several() -> None:
    model = ScriptedModel(["x", "y", "z"], capabilities=Capabilities(multiple=True))
    state = rehearse(Generate(model="m", n=3), model).state
    assert [candidate.text for candidate in state.candidates] == ["x", "y", "z"]
    assert [request.indices for request in model.requests] == [(0, 1, 2)]


def test_replaces_earlier_candidates_and_does_not_show_them() -> None:
    rehearsal = rehearse(Generate(model="m"), ScriptedModel("new"), candidates=EARLIER)
    assert rehearsal.state.candidates == (Candidate("new", "1.generate/m#0"),)
    assert rehearsal.model.requests[0].messages == rehearsal.result.task.messages


def test_a_failed_draw_is_recorded_and_the_rest_survive() -> None:
    state = rehearse(Generate(model="m", n=3), ScriptedModel(_second_is_broken)).state
    assert [(candidate.text, candidate.origin) for candidate in state.candidates] == [
        ("draw 0", "1.generate/m#0"),
        ("draw 2", "1.generate/m#2"),
    ]
    assert [(failure.layer, failure.kind, failure.reason) for failure in state.failures] == [
        ("1.generate", "call", "no luck")
    ]


def test_a_broken_model_is_recorded_beside_one_that_works() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"), name="scripted/broken")
    state = rehearse(Generate(model=("a", "b"), n=2), {"a": broken, "b": ScriptedModel("fine")}).state
    assert [candidate.text for candidate in state.candidates] == ["fine", "fine"]
    assert [failure.reason for failure in state.failures] == ["broken", "broken"]


def test_all_failing_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    result = rehearse(Generate(model="m", n=3), ScriptedModel(lambda request, index: error)).result
    assert result.status == "failed"
    assert result.error is error


def test_own_settings_override_the_model_s() -> None:
    model = ScriptedModel("x")
    rehearse(Generate(model="m", temperature=0.3, top_p=0.9, max_tokens=7), model)
    sampling = model.requests[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.3, 0.9, 7)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_own_instructions_follow_the_caller_s(role: str) -> None:
    opening = Message("system" if role == "system" else "developer", "Caller's.")
    model = ScriptedModel("x")
    rehearse(Generate(model="m", system="Ours."), model, task=Task((opening, Message("user", "Q"))))
    assert model.requests[0].messages == (Message(opening.role, "Caller's.\n\nOurs."), Message("user", "Q"))


def test_own_instructions_open_a_conversation_without_any() -> None:
    model = ScriptedModel("x")
    rehearse(Generate(model="m", system="Ours."), model, task=Task.of("Q"))
    assert model.requests[0].messages == (Message("system", "Ours."), Message("user", "Q"))


@pytest.mark.parametrize("model", ["", (), ("a", ""), 3, None, {"a": 1}])
def test_a_wrong_model_is_one_error(model: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Generate.model_validate({"model": model})
    assert len(caught.value.errors()) == 1
    assert caught.value.errors()[0]["loc"] == ("model",)
