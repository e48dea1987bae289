from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State, Task
from archon.testing import ScriptedModel, rehearse
from techniques import EvaluateTests
from techniques.evaluate_tests import parse_verdicts
from tests.techniques.snapshot import check_snapshot

TESTS = ("says four", "is short", "is polite")
REPLIES = (
    st.text()
    | st.text(alphabet="[]123. \npasfilPASFIL")
    | st.lists(
        st.sampled_from(
            [
                "[1] ",
                "\n[2]",
                "\n3. ",
                "PASS",
                "fail",
                "not ",
                "doesn't ",
                "passes",
                "[99]",
                " ",
                "[" + "1" * 5000 + "]",
            ]
        )
    ).map("".join)
)


def _candidates(*texts: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(text, f"0.generate/m#{index}") for index, text in enumerate(texts))


def _judge(request: Request, index: int) -> str | ModelError:
    """Says what the response's own letters say: p passes, f fails, anything else is passed over, ! breaks down."""
    response = request.messages[-1].content.partition("Response:\n")[2].splitlines()[0]
    if response == "!":
        return PermanentError("broken", reason="forbidden")
    said = {"p": "fine. PASS", "f": "wrong. FAIL"}
    return "\n".join(f"[{number}] It is {said[c]}" for number, c in enumerate(response, start=1) if c in said)


def _run(texts: list[str], **settings: int) -> tuple[State, ScriptedModel]:
    model = ScriptedModel(_judge)
    rehearsal = rehearse(EvaluateTests(model="m", **settings), model, candidates=_candidates(*texts), unit_tests=TESTS)
    assert rehearsal.result.error is None
    return rehearsal.state, model


def test_one_call_per_candidate_and_most_tests_passed_first() -> None:
    state, model = _run(["fff", "ppf", "ppp", "pfp"])
    assert len(set(model.draws())) == len(model.draws()) == 4
    assert [candidate.text for candidate in state.candidates] == ["ppp", "ppf", "pfp", "fff"]
    assert [candidate.score for candidate in state.candidates] == [1, pytest.approx(2 / 3), pytest.approx(2 / 3), 0]
    assert [candidate.verdict for candidate in state.candidates] == [True, False, False, False]
    assert state.unit_tests == TESTS
    assert not state.failures


def test_keep_cuts_after_ordering() -> None:
    assert [candidate.text for candidate in _run(["fff", "ppf", "ppp"], keep=2)[0].candidates] == ["ppp", "ppf"]
    assert len(_run(["fff", "ppf"], keep=9)[0].candidates) == 2


def test_everything_else_about_a_candidate_is_kept() -> None:
    given_one = Candidate("fff", "a", critiques=("nice",), score=7.0, verdict=True)
    rehearsal = rehearse(EvaluateTests(model="m"), ScriptedModel(_judge), candidates=[given_one], unit_tests=TESTS)
    assert rehearsal.state.candidates == (Candidate("fff", "a", ("nice",), 0.0, False),)


def test_a_missing_verdict_is_recorded_and_counts_neither_way() -> None:
    state, _ = _run(["pf-", "p--", "f--", "---"])
    assert [(c.text, c.score, c.verdict) for c in state.candidates] == [
        ("p--", 1.0, None),
        ("pf-", 0.5, False),
        ("---", None, None),
        ("f--", 0.0, False),
    ]
    assert {failure.kind for failure in state.failures} == {"parse"}
    assert [failure.reason for failure in state.failures] == [
        "0.generate/m#0: no verdict on test 3",
        "0.generate/m#1: no verdict on test 2, 3",
        "0.generate/m#2: no verdict on test 2, 3",
        "0.generate/m#3: no verdict on test 1, 2, 3",
    ]


def test_a_failed_call_is_recorded_and_an_old_score_does_not_count() -> None:
    candidates = (Candidate("!", "a", score=9.0, verdict=True), Candidate("ppp", "b"))
    rehearsal = rehearse(EvaluateTests(model="m"), ScriptedModel(_judge), candidates=candidates, unit_tests=TESTS)
    assert rehearsal.state.candidates == (Candidate("ppp", "b", (), 1.0, True), Candidate("!", "a"))
    assert [(failure.layer, failure.kind, failure.reason) for failure in rehearsal.state.failures] == [
        ("1.test", "call", "broken")
    ]


@pytest.mark.parametrize(
    ("texts", "first_k", "tested", "kept"),
    [
        (["ppp", "ppp", "fff"], 1, 1, ["ppp"]),
        (["ppf", "ppp", "ppp"], 1, 2, ["ppp"]),
        (["fff", "ppp", "ppp", "ppf"], 2, 4, ["ppp", "ppp"]),
        (["fff", "ppf", "ppp"], 2, 3, ["ppp", "ppf", "fff"]),
        (["pp-", "ppp"], 1, 2, ["ppp"]),
        (["fff", "ppf"], 9, 2, ["ppf", "fff"]),
    ],
)
def test_first_k_stops_as_soon_as_that_many_passed_everything(
    texts: list[str], first_k: int, tested: int, kept: list[str]
) -> None:
    state, model = _run(texts, first_k=first_k)
    assert len(model.draws()) == tested
    assert [candidate.text for candidate in state.candidates] == kept


def test_without_tests_the_order_is_kept_and_nothing_is_bought() -> None:
    model = ScriptedModel("x")
    state = rehearse(EvaluateTests(model="m", keep=2), model, candidates=_candidates("a", "b", "c")).state
    assert [candidate.text for candidate in state.candidates] == ["a", "b"]
    assert [(failure.layer, failure.kind) for failure in state.failures] == [("1.test", "parse")]
    assert model.requests == []


@given(REPLIES, st.integers(1, 6))
def test_parsing_gives_one_entry_per_test_and_never_raises(reply: str, count: int) -> None:
    verdicts = parse_verdicts(reply, count)
    assert len(verdicts) == count
    assert all(verdict in (True, False, None) for verdict in verdicts)


@given(
    st.lists(st.booleans(), min_size=1, max_size=9).flatmap(
        lambda v: st.tuples(st.just(v), st.permutations(range(len(v))))
    ),
    st.sampled_from(["[{}] {}", "{}. {}", "Unit Test #{}: [{}]", "**[{}]** So it is: {}.", "Test {}\nHm. {}\n"]),
    st.sampled_from([("PASS", "FAIL"), ("passed", "failed"), ("Passes", "does not pass"), ("PASS", "isn't a PASS")]),
)
def test_verdicts_are_found_in_any_order(case: tuple[list[bool], list[int]], form: str, words: tuple[str, str]) -> None:
    verdicts, order = case
    lines = [form.format(index + 1, words[0] if verdicts[index] else words[1]) for index in order]
    assert parse_verdicts("\n".join(lines), len(verdicts)) == verdicts


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("", [None, None]),
        ("It passes all.", [None, None]),
        ("[1] PASS", [True, None]),
        ("[1] PASS\n[2] FAIL\n[3] PASS", [True, False]),
        ("[1] PASS because it does not fail\n[2] It fails where others pass: FAIL", [True, False]),
        ("[1] it would fail at 3, yet it passes\n[2] Passed: nothing in it can fail it", [True, True]),
        ("[1] PASS or FAIL\n[2] PASS/FAIL", [None, None]),
        ("Test 1 asks for brevity.\n[1] FAIL\n[2] no idea\n\n[1] PASS\n[2] FAIL", [True, False]),
        ("[1] PASS\n\n[1] hm", [True, None]),
        ("[1] It fails to pass.\n[2] It cannot fail.", [False, True]),
        ("PASS\n\nFAIL", [True, False]),
        ("PASS\nFAIL\nPASS", [None, None]),
        ("[1] This is a passing thought about failure.", [None, None]),
    ],
)
def test_parsing(reply: str, expected: list[bool | None]) -> None:
    assert parse_verdicts(reply, 2) == expected


def test_a_single_test_needs_no_number() -> None:
    assert parse_verdicts("It says four.\nPASS", 1) == [True]


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("pass fail " * 10_000, "not " * 30_000, "[1] pass\n" * 10_000, " " * 100_000, "n't" * 30_000):
        parse_verdicts(text, 3)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("prompt", ["", "{question} {candidate}", "{candidate} {tests}", "{question} {tests}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        EvaluateTests(model="m", prompt=prompt)


def test_own_prompts_are_used_and_texts_are_shown_literally() -> None:
    model = ScriptedModel("PASS")
    technique = EvaluateTests(model="m", prompt="{count}|{question}|{candidate}|{tests}")
    rehearse(technique, model, candidates=_candidates("{tests}"), unit_tests=["{count}"], task=Task.of("{candidate}?"))
    assert model.requests[0].messages[-1].content == "1|{candidate}?|{tests}|[1] {count}"


def test_prompt() -> None:
    model = ScriptedModel("[1] PASS")
    rehearse(EvaluateTests(model="m"), model, candidates=_candidates("four"), unit_tests=TESTS)
    check_snapshot("test", model.requests[0].messages)
