from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State
from archon.testing import ScriptedModel, rehearse
from techniques import MixtureOfAgents
from tests.techniques.snapshot import check_snapshot


def _round(request: Request) -> int:
    """Proposals name their round, so a prompt tells what it was made from."""
    prompt = request.messages[-1].content
    return 1 + max((number for number in range(1, 9) if f"round {number}" in prompt), default=0)


def _proposer(name: str, fails_in: int = 0) -> ScriptedModel:
    def script(request: Request, index: int) -> str | ModelError:
        number = _round(request)
        if number == fails_in:
            return PermanentError("broken", reason="forbidden")
        return f"{name}{index} round {number}"

    return ScriptedModel(script, name=f"scripted/{name}")


def _run(technique: MixtureOfAgents, **models: ScriptedModel) -> State:
    rehearsal = rehearse(technique, models)
    assert rehearsal.result.error is None
    return rehearsal.state


def test_every_round_sees_the_whole_round_before_and_nothing_older() -> None:
    a, b, judge = _proposer("a"), _proposer("b"), ScriptedModel("final", name="scripted/j")
    state = _run(MixtureOfAgents(model=("a", "b"), n=2, rounds=3, aggregator="j"), a=a, b=b, j=judge)
    assert state.candidates == (Candidate("final", "1.mixture_of_agents/j#0"),)
    for model in (a, b):
        assert [_round(request) for request in model.requests] == [1, 1, 2, 2, 3, 3]
    for request in (*a.requests[2:], *b.requests[2:], *judge.requests):
        prompt = request.messages[-1].content
        before = _round(request) - 1
        # The third draw of a is the first of a conversation of its own, so its index starts again.
        assert [prompt.count(f"{name} round {before}") for name in ("a0", "a1", "b0", "b1")] == [1, 1, 1, 1]
        assert f"round {before - 1}" not in prompt
    assert len(judge.requests) == 1


def test_a_failed_round_leaves_the_round_before() -> None:
    judge = ScriptedModel(lambda request, index: f"from round {_round(request) - 1}", name="scripted/j")
    state = _run(MixtureOfAgents(model="a", n=2, rounds=2, aggregator="j"), a=_proposer("a", fails_in=2), j=judge)
    assert [candidate.text for candidate in state.candidates] == ["from round 1"]
    assert [failure.reason for failure in state.failures] == ["broken", "broken"]


def test_a_failing_aggregator_leaves_the_last_round() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"), name="scripted/j")
    state = _run(MixtureOfAgents(model="a", n=2, rounds=2, aggregator="j"), a=_proposer("a"), j=broken)
    assert [candidate.text for candidate in state.candidates] == ["a0 round 2", "a1 round 2"]
    assert [failure.kind for failure in state.failures] == ["call"]


def test_all_failing_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    model = ScriptedModel(lambda request, index: error)
    assert rehearse(MixtureOfAgents(model="a", n=2, aggregator="a"), model).result.error is error


@pytest.mark.parametrize("model", ["", (), ("a", ""), 3, None, {"a": 1}])
def test_a_wrong_model_is_one_error(model: object) -> None:
    with pytest.raises(ValidationError) as caught:
        MixtureOfAgents.model_validate({"model": model, "aggregator": "j"})
    assert [error["loc"] for error in caught.value.errors()] == [("model",)]


def test_every_model_is_known_by_its_place() -> None:
    assert list(MixtureOfAgents(model=("a", "b"), aggregator="c").model_refs()) == [
        ("model.0", "a"),
        ("model.1", "b"),
        ("aggregator", "c"),
    ]
    assert list(MixtureOfAgents(model="a", aggregator="c").model_refs()) == [("model", "a"), ("aggregator", "c")]


def test_prompt() -> None:
    model = ScriptedModel("four")
    rehearse(MixtureOfAgents(model="a", n=2, rounds=1, aggregator="a"), model)
    check_snapshot("mixture_of_agents", model.requests[-1].messages)
