from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Message, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Critique
from techniques.critique import parse_critiques
from tests.techniques.snapshot import check_snapshot

CANDIDATES = (Candidate("four", "a"), Candidate("five", "b"), Candidate("{question}", "c", critiques=("earlier",)))
HEADINGS = (
    st.text()
    | st.text(alphabet="[]123 \n*#abc:>-")
    | st.lists(
        st.sampled_from(["[1]", "[2]\n", "[99]", "\n[3] ", "Response [2]:", "text", "\n\n", "[" + "1" * 5000 + "]"])
    ).map("".join)
)


def _prompt(request: Request) -> str:
    return request.messages[-1].content


def test_one_completion_sees_all_candidates() -> None:
    rehearsal = rehearse(Critique(model="m"), ScriptedModel("[2]\nB\n[1]\nA\n[3]\nC"), candidates=CANDIDATES)
    assert len(rehearsal.model.draws()) == 1
    assert [candidate.critiques for candidate in rehearsal.state.candidates] == [("A",), ("B",), ("earlier", "C")]
    assert [candidate.text for candidate in rehearsal.state.candidates] == [c.text for c in CANDIDATES]
    assert not rehearsal.state.failures


def test_only_missing_sections_are_asked_for_again() -> None:
    def script(request: Request, index: int) -> str:
        prompt = _prompt(request)
        if "[2]" in prompt:
            return "[2]\nsecond"
        return "first" if "four" in prompt else "[1]\nthird"

    rehearsal = rehearse(Critique(model="m"), ScriptedModel(script), candidates=CANDIDATES)
    assert len(rehearsal.model.draws()) == 3
    assert not any("five" in _prompt(request) for request in rehearsal.model.requests[1:])
    assert [candidate.critiques[-1] for candidate in rehearsal.state.candidates] == ["first", "second", "third"]


def test_a_critique_that_cannot_be_had_is_recorded() -> None:
    def script(request: Request, index: int) -> str | ModelError:
        prompt = _prompt(request)
        if "[2]" in prompt:
            return "[2]\nsecond"
        return "   " if "four" in prompt else PermanentError("broken", reason="forbidden")

    state = rehearse(Critique(model="m"), ScriptedModel(script), candidates=CANDIDATES).state
    assert [candidate.critiques for candidate in state.candidates] == [(), ("second",), ("earlier",)]
    assert [(failure.layer, failure.kind) for failure in state.failures] == [
        ("1.critique", "parse"),
        ("1.critique", "call"),
    ]
    assert state.failures[1].reason == "broken"


def test_a_failing_first_call_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    model = ScriptedModel(lambda request, index: error)
    assert rehearse(Critique(model="m"), model, candidates=CANDIDATES).result.error is error
    assert len(model.requests) == 1


@given(HEADINGS, st.integers(1, 6))
def test_parsing_gives_one_entry_per_candidate_and_never_raises(reply: str, count: int) -> None:
    critiques = parse_critiques(reply, count)
    assert len(critiques) == count
    assert all(critique is None or (critique and critique in reply) for critique in critiques)


@given(st.lists(st.text(alphabet="abc def", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_sections_are_found_in_any_order(bodies: list[str]) -> None:
    sections = [f"[{number}]\n{body}" for number, body in enumerate(bodies, start=1)]
    reply = "\n\n".join(reversed(sections))
    assert parse_critiques(reply, len(bodies)) == [body.strip() for body in bodies]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("", [None, None]),
        ("nothing to say", [None, None]),
        ("**[1]**\ngood\n## Response [2]:\nbad", ["good", "bad"]),
        ("[1]\nshort\n[2]\nbad\n[1]\nlonger", ["longer", "bad"]),
        ("[1] as good as [2] is\n[2] bad", ["as good as [2] is", "bad"]),
        ("[1]\n\n[2]\nbad\n[7]\nwho?", [None, "bad"]),
    ],
)
def test_parsing(reply: str, expected: list[str | None]) -> None:
    assert parse_critiques(reply, 2) == expected


def test_a_single_candidate_needs_no_heading() -> None:
    assert parse_critiques(" Just wrong. ", 1) == ["Just wrong."]


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    parse_critiques("\n" * 100_000 + " " * 100_000, 3)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("prompt", ["", "Criticise {candidates}", "Criticise {question}", "{ question } {candidates}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Critique(model="m", prompt=prompt)


def test_own_prompts_are_used_and_candidates_are_shown_literally() -> None:
    task = Task.of("Is {candidates} \\1 a {count}?")
    model = ScriptedModel("[1]\nA\n[2]\nB\n[3]\nC")
    technique = Critique(model="m", prompt="{count} {other} {}: {question}\n{candidates}")
    rehearse(technique, model, candidates=CANDIDATES, task=task)
    assert _prompt(model.requests[0]) == (
        "3 {other} {}: Is {candidates} \\1 a {count}?\n"
        "[1]\nfour\n\n[2]\nfive\n\n[3]\n{question}\n\nRemarks on [3]:\nearlier"
    )


def test_prompt() -> None:
    model = ScriptedModel("[1]\nA\n[2]\nB\n[3]\nC")
    rehearse(Critique(model="m"), model, candidates=CANDIDATES, task=Task.of("What is 2 + 2?", system="Be kind."))
    assert model.requests[0].messages[0] == Message("system", "Be kind.")
    check_snapshot("critique", model.requests[0].messages)
