from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Message, Task
from archon.testing import ScriptedModel, rehearse
from techniques import SelfRefine
from techniques.self_refine import FEEDBACK, REFINE, parse_stop
from tests.techniques.snapshot import check_snapshot

REPLIES = st.text() | st.lists(
    st.sampled_from(["[Stop]", "[ revise ]", "stop", "Revise.", "\n", " ", "**", "[", "do not stop here"])
).map("".join)


def _stopping_after(refinements: int) -> ScriptedModel:
    """Feedback is content after that many refinements."""

    def script(request: Request, index: int) -> str:
        done = sum(message.content == REFINE for message in request.messages)
        if request.messages[-1].content == FEEDBACK:
            return "fine [Stop]" if done >= refinements else f"wrong {done} [Revise]"
        return f"refined {done}"

    return ScriptedModel(script)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(1, 3))
def test_it_stops_when_told_and_never_exceeds_its_rounds(rounds: int, refinements: int, count: int) -> None:
    candidates = [Candidate(f"draft {number}", "a", ("remark",), 0.5, True) for number in range(count)]
    rehearsal = rehearse(SelfRefine(model="m", rounds=rounds), _stopping_after(refinements), candidates=candidates)
    made = min(rounds, refinements)
    asked = 2 * made + (refinements < rounds)
    assert len(set(rehearsal.model.draws())) == count * asked
    expected = (
        [Candidate(f"refined {made}", f"1.self_refine/m#{number}") for number in range(count)] if made else candidates
    )
    assert list(rehearsal.state.candidates) == expected


def test_all_feedback_so_far_stays_in_view() -> None:
    model = _stopping_after(9)
    rehearse(SelfRefine(model="m", rounds=2), model, candidates=[Candidate("draft")], task=Task.of("Q", system="S"))
    first, *_, last = model.requests
    assert first.messages == (
        Message("system", "S"),
        Message("user", "Q"),
        Message("assistant", "draft"),
        Message("user", FEEDBACK),
    )
    assert [message.content for message in last.messages[3:]] == [
        FEEDBACK,
        "wrong 0 [Revise]",
        REFINE,
        "refined 1",
        FEEDBACK,
        "wrong 1 [Revise]",
        REFINE,
    ]


@pytest.mark.parametrize("broken", [FEEDBACK, REFINE])
@pytest.mark.parametrize("says", ["", PermanentError("broken", reason="forbidden")])
def test_what_cannot_be_had_is_recorded_and_the_last_answer_stays(broken: str, says: str | ModelError) -> None:
    def script(request: Request, index: int) -> str | ModelError:
        return says if request.messages[-1].content == broken and "draft b" in str(request) else "x [Revise]"

    candidates = (Candidate("draft a"), Candidate("draft b"))
    state = rehearse(SelfRefine(model="m", rounds=1), ScriptedModel(script), candidates=candidates).state
    assert [candidate.text for candidate in state.candidates] == ["x [Revise]", "draft b"]
    assert [(failure.kind, failure.reason) for failure in state.failures] == [
        ("parse", "the reply is empty") if says == "" else ("call", "broken")
    ]


@given(REPLIES)
def test_parsing_never_raises_and_the_last_decision_counts(reply: str) -> None:
    assert parse_stop(reply) in (True, False)
    assert parse_stop(f"{reply} [Stop]") is True
    assert parse_stop(f"{reply}\n**REVISE**") is False


@pytest.mark.parametrize(
    ("reply", "stop"),
    [
        ("", False),
        ("nothing to add", False),
        ("Good. [stop]", True),
        ("All is well.\nSTOP.", True),
        ("It should stop at 4.", False),
        ("[Stop]\nOn second thoughts:\n[Revise]", False),
    ],
)
def test_parsing(reply: str, stop: bool) -> None:
    assert parse_stop(reply) is stop


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("\n" * 100_000, " " * 100_000, "[" * 100_000, "[stop" * 30_000):
        parse_stop(text)
    assert time.perf_counter() - started < 2


def test_own_prompts_are_used_and_not_empty() -> None:
    model = ScriptedModel("again")
    technique = SelfRefine(model="m", rounds=1, feedback_prompt="What now?", refine_prompt="Mend it.")
    rehearse(technique, model, candidates=[Candidate("draft")])
    assert [request.messages[-1].content for request in model.requests] == ["What now?", "Mend it."]
    with pytest.raises(ValidationError):
        SelfRefine(model="m", refine_prompt="")


def test_prompt() -> None:
    model = ScriptedModel("The sum is wrong. [Revise]")
    rehearse(SelfRefine(model="m", rounds=1), model, candidates=[Candidate("five")])
    check_snapshot("self_refine", model.requests[-1].messages)
