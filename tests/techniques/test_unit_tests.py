from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.architecture import Architecture
from archon.engine import Engine
from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Message, State, Task
from archon.technique import Technique
from archon.testing import Rehearsal, ScriptedModel, rehearse
from archon.trace import Event
from techniques import Critique, EvaluateTests, Fuse, Generate, Rank, UnitTests, Verify
from techniques.prompts import as_shown
from techniques.unit_tests import parse_tests
from tests.techniques.snapshot import check_snapshot

CANDIDATES = (Candidate("four", "a", ("fine",), 0.5, True), Candidate("five", "b"))
REPLIES = (
    st.text()
    | st.text(alphabet="[]123. \n*-:)test#")
    | st.lists(
        st.sampled_from(["[1]", "[2] ", "\n3. ", "Test 4:", "- ", "\n", "text", "[" + "1" * 5000 + "]", "1" * 5000])
    ).map("".join)
)


def _asked(rehearsal: Rehearsal) -> str:
    return rehearsal.model.requests[0].messages[-1].content


def test_one_completion_writes_the_tests_and_leaves_the_candidates_alone() -> None:
    rehearsal = rehearse(UnitTests(model="m", n=2), ScriptedModel("[1] says four\n[2] is short"), candidates=CANDIDATES)
    assert len(rehearsal.model.draws()) == 1
    assert rehearsal.state.unit_tests == ("says four", "is short")
    assert rehearsal.state.candidates == CANDIDATES
    assert not rehearsal.state.failures
    assert not any(candidate.text in _asked(rehearsal) for candidate in CANDIDATES)


def test_it_adds_to_the_tests_there_are_even_beside_others() -> None:
    model = ScriptedModel(lambda request, index: f"[1] says {request.stream}")
    state = rehearse(UnitTests(model="m", n=1), model, candidates=CANDIDATES, unit_tests=["old"], copies=2).state
    assert state.unit_tests == ("old", "says unit_tests.0", "says unit_tests.1")


@pytest.mark.parametrize(
    ("reply", "tests"), [("Sure!", ()), ("[1] says four", ("says four",)), ("[1] x\n[2] x", ("x",))]
)
def test_too_few_are_recorded(reply: str, tests: tuple[str, ...]) -> None:
    state = rehearse(UnitTests(model="m", n=3), ScriptedModel(reply), candidates=CANDIDATES).state
    assert state.unit_tests == tests
    assert [(failure.layer, failure.kind) for failure in state.failures] == [("1.unit_tests", "parse")]
    assert state.failures[0].reason == f"asked for 3 unit tests and got {len(tests)}"


def test_a_failing_model_leaves_everything_else_to_go_on_with() -> None:
    model = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"))
    state = rehearse(UnitTests(model="m"), model, candidates=CANDIDATES, unit_tests=["old"]).state
    assert (state.candidates, state.unit_tests) == (CANDIDATES, ("old",))
    assert [(failure.layer, failure.kind, failure.reason) for failure in state.failures] == [
        ("1.unit_tests", "call", "broken")
    ]


def test_shown_tests_reach_every_later_technique_but_never_the_task() -> None:
    task = Task(
        (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hi!"), Message("user", "Q?"))
    )
    shown: list[Technique] = [
        Generate(model="m"),
        Critique(model="m"),
        Rank(model="m"),
        Fuse(model="m"),
        Verify(model="m"),
        UnitTests(model="m"),
    ]
    for component in shown:
        settings = {"candidates": CANDIDATES, "unit_tests": ["says {x}", "b"], "task": task}
        with_tests = rehearse(component, ScriptedModel("[1] x"), tests_shown=True, **settings)  # type: ignore[arg-type]
        without = rehearse(component, ScriptedModel("[1] x"), **settings)  # type: ignore[arg-type]
        extended = "Q?\n\nA good answer passes these tests:\n- says {x}\n- b"
        assert extended in _asked(with_tests)
        assert "says {x}" not in _asked(without)
        assert _asked(with_tests).replace(extended, "Q?") == _asked(without)
        assert with_tests.result.task.messages == task.messages


def test_the_task_as_shown_keeps_earlier_turns_and_identity() -> None:
    task = Task((Message("system", "S"), Message("user", "Q?")), id="q", repeat=2)
    state = State(task, unit_tests=("a",), tests_shown=True)
    assert as_shown(state).messages[0] == Message("system", "S")
    assert (as_shown(state).id, as_shown(state).repeat) == ("q", 2)
    for other in (State(task, unit_tests=("a",)), State(task, tests_shown=True)):
        assert as_shown(other) is task


@pytest.mark.parametrize("show", [False, True])
async def test_tests_may_come_before_the_candidates(show: bool) -> None:
    def script(request: Request, index: int) -> str | ModelError:
        return "[1] says four" if request.tag.technique == "unit_tests" else "four"

    model = ScriptedModel(script)
    events: list[Event] = []
    architecture = Architecture.model_validate(
        {
            "name": "tests-first",
            "models": {"m": "openai/x"},
            "layers": [
                UnitTests(model="m", n=1, show=show),
                [Generate(model="m"), Generate(model="m", n=2)],
                EvaluateTests(model="m"),
            ],
        }
    )
    async with Engine(architecture, models={"m": model}, observe=events.append) as engine:
        result = await engine.run(Task.of("What is 2 + 2?"))
    assert result.text == "four"
    traced = [event.layer for event in events if "unit_tests" in event.data]
    assert traced == ["0.unit_tests"]
    assert [request.tag.technique for request in model.requests] == ["unit_tests"] + ["generate"] * 3 + ["test"] * 3
    assert all(("says four" in r.messages[-1].content) == show for r in model.requests[1:4])
    assert all(r.messages[-1].content.count("says four") == 1 for r in model.requests[4:])


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([UnitTests(model="m")], "no layer makes candidates"),
        ([UnitTests(model="m"), Rank(model="m")], "rank works on candidates and no layer before it makes any"),
        ([Generate(model="m"), EvaluateTests(model="m")], "test works on unit tests and no layer before it makes any"),
        ([[Generate(model="m"), UnitTests(model="m"), EvaluateTests(model="m")]], "test works on candidates"),
    ],
)
def test_what_has_nothing_to_work_on_is_refused(layers: list[object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Architecture.model_validate({"name": "a", "models": {"m": "openai/x"}, "layers": layers})


@given(REPLIES, st.integers(1, 6))
def test_parsing_gives_at_most_that_many_different_tests(reply: str, most: int) -> None:
    tests = parse_tests(reply, most)
    assert len(tests) <= most
    assert len(set(tests)) == len(tests)
    assert all(test and test == test.strip() and test in reply for test in tests)


@given(
    st.lists(st.text(alphabet="abc 1.(-", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=9, unique=True),
    st.sampled_from(["[{}] {}", "{}. {}", "{}) {}", "**{}.** {}", "Test {}: {}", "## Unit Test #{}\n{}", "- [{}] {}"]),
    st.sampled_from(["\n", "\n\n"]),
)
def test_numbered_tests_are_read_as_they_stand(bodies: list[str], form: str, separator: str) -> None:
    reply = separator.join(form.format(number, body) for number, body in enumerate(bodies, start=1))
    assert parse_tests(reply, len(bodies)) == bodies


@pytest.mark.parametrize(
    ("reply", "tests"),
    [
        ("", []),
        ("I would test it.", []),
        ("Here you are:\n[1] a\n[2] b\n\n", ["a", "b"]),
        ("- a\n* b\n• c", ["a", "b", "c"]),
        ("[1] -5 is given\n[2]\n3.5 is not", ["-5 is given", "3.5 is not"]),
        ("[1] def test():\n    1. + x\n    pass\n[2] b", ["def test():\n    1. + x\n    pass", "b"]),
        ("[2] b\n[1] a", ["a"]),
        ("[1] a\n[2]\n[3] c", ["a", "c"]),
    ],
)
def test_parsing(reply: str, tests: list[str]) -> None:
    assert parse_tests(reply, 5) == tests


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("\n" * 100_000, " " * 100_000, "1. " * 30_000, "[1]\n" * 30_000, "test 1" * 30_000, "- " * 50_000):
        parse_tests(text, 3)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("prompt", ["", "Write {count} tests"])
def test_own_prompts_must_show_the_question(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        UnitTests(model="m", prompt=prompt)


def test_own_prompts_are_used() -> None:
    rehearsal = rehearse(
        UnitTests(model="m", prompt="{count}: {question}"), ScriptedModel("[1] x"), task=Task.of("{count}?")
    )
    assert _asked(rehearsal) == "5: {count}?"


def test_prompt() -> None:
    model = ScriptedModel("[1] x")
    rehearse(UnitTests(model="m", n=3), model, candidates=CANDIDATES)
    check_snapshot("unit_tests", model.requests[0].messages)


def test_code_is_asked_for_and_read_as_code() -> None:
    reply = "Sure:\n```python\nassert f(1) == 2\nassert f(0) == 1\nassert f(3) == 4\n```"
    rehearsal = rehearse(UnitTests(model="m", n=2, code=True), ScriptedModel(reply), candidates=CANDIDATES)
    assert rehearsal.state.unit_tests == ("assert f(1) == 2", "assert f(0) == 1")
    assert not rehearsal.state.failures
    short = rehearse(UnitTests(model="m", n=5, code=True), ScriptedModel(reply)).state
    assert [failure.reason for failure in short.failures] == ["asked for 5 unit tests and got 3"]
    check_snapshot("unit_tests-code", rehearsal.model.requests[0].messages)


def test_own_prompts_for_code_are_used() -> None:
    technique = UnitTests(model="m", prompt="Assert {count} things: {question}", code=True)
    assert _asked(rehearse(technique, ScriptedModel("assert 1"), task=Task.of("Q"))) == "Assert 5 things: Q"


def test_prompt_of_shown_tests() -> None:
    model = ScriptedModel("x")
    rehearse(Generate(model="m"), model, unit_tests=["says four", "is short"], tests_shown=True)
    check_snapshot("generate-tests", model.requests[0].messages)
