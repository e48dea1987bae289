from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate
from archon.testing import ScriptedModel, rehearse
from techniques import Debate
from tests.techniques.snapshot import check_snapshot


def _stubborn(name: str, text: str) -> ScriptedModel:
    return ScriptedModel(text, name=f"scripted/{name}")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["is 1", "is 2/2", "is 2", "who knows"]), min_size=2, max_size=5), st.data())
def test_the_majority_does_not_depend_on_the_order_of_agents(texts: list[str], data: st.DataObject) -> None:
    if all(text == "who knows" for text in texts):
        return
    agents = {f"agent{number}": _stubborn(str(number), text) for number, text in enumerate(texts)}
    order = data.draw(st.permutations(sorted(agents)))
    seed = data.draw(st.integers(0, 3))
    outcomes = [
        rehearse(Debate(model=tuple(names), n=1), agents, answer="math", seed=seed).state.candidates[0]
        for names in (sorted(agents), order)
    ]
    assert (outcomes[0].text, outcomes[0].score) == (outcomes[1].text, outcomes[1].score)


def test_every_agent_sees_its_own_last_answer_and_those_of_the_others() -> None:
    def script(request: Request, index: int) -> str:
        prompt = request.messages[-1].content
        if "Your answer:" not in prompt:
            return f"opening {request.wire_seed()} is 4"
        own = prompt.partition("Your answer:\n")[2].splitlines()[0]
        return f"{own}, again"

    model = ScriptedModel(script)
    rehearse(Debate(model="m", n=3, rounds=3), model, answer="math")
    openings = [script(request, 0) for request in model.requests[:3]]
    for place, request in enumerate(model.requests[3:6]):
        own, others = request.messages[-1].content.partition("Your answer:\n")[2].split("Answers of others:\n")
        assert own.strip() == openings[place]
        assert [opening in others for opening in openings] == [number != place for number in range(3)]
    for request in model.requests[6:]:
        assert request.messages[-1].content.count(", again") == 3


def test_agents_can_be_convinced() -> None:
    convinced = ScriptedModel(
        lambda request, index: "is 4" if "Four it is" in request.messages[-1].content else "is 5", name="scripted/a"
    )
    models = {"a": convinced, "b": _stubborn("b", "Four it is, 4")}
    (winner,) = rehearse(Debate(model=("a", "b"), n=1, rounds=2), models, answer="math").state.candidates
    assert winner.score == 1.0


@pytest.mark.parametrize("verdict", ["is 5", "none of them"])
def test_a_judge_writes_the_answer(verdict: str) -> None:
    models = {"a": _stubborn("a", "is 4"), "j": _stubborn("j", verdict)}
    state = rehearse(Debate(model="a", n=2, judge="j"), models, answer="math").state
    assert state.candidates == (Candidate(verdict, "1.debate/j#0"),)
    assert not state.failures


def test_without_its_judge_the_majority_decides() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"), name="scripted/j")
    models = {"a": _stubborn("a", "is 4"), "j": broken}
    state = rehearse(Debate(model="a", n=2, judge="j"), models, answer="math").state
    assert [(candidate.text, candidate.score) for candidate in state.candidates] == [("is 4", 1.0)]
    assert [failure.reason for failure in state.failures] == ["broken"]


def test_an_agent_that_fails_later_keeps_its_last_answer() -> None:
    def script(request: Request, index: int) -> str | ModelError:
        broken = "Your answer:" in request.messages[-1].content
        return PermanentError("broken", reason="forbidden") if broken else "is 5"

    models = {"a": ScriptedModel(script, name="scripted/a"), "b": _stubborn("b", "is 4")}
    state = rehearse(Debate(model=("a", "a", "b"), n=1, rounds=2), models, answer="math").state
    (winner,) = state.candidates
    assert winner.text == "is 5"
    assert winner.score == pytest.approx(2 / 3)
    assert [failure.reason for failure in state.failures] == ["broken", "broken"]


def test_an_agent_that_fails_at_first_takes_no_part() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"), name="scripted/a")
    rehearse(Debate(model=("a", "b"), n=1, rounds=3), {"a": broken, "b": _stubborn("b", "is 4")}, answer="math")
    assert len(broken.requests) == 1


def test_own_prompts_must_show_everything() -> None:
    with pytest.raises(ValidationError, match=r"the prompt must contain \{candidate\}"):
        Debate(model="m", prompt="{question}{candidates}")


def test_prompt() -> None:
    models = {name: _stubborn(name, f"answer of {name}") for name in "abc"}
    rehearse(Debate(model=("a", "b", "c"), n=1), models)
    check_snapshot("debate", models["b"].requests[-1].messages)
