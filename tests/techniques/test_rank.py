from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import PermanentError
from archon.state import Candidate, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Rank
from techniques.rank import parse_ranking
from tests.techniques.snapshot import check_snapshot

CANDIDATES = (
    Candidate("four", "a", critiques=("fine",), score=0.5),
    Candidate("five", "b", critiques=("wrong",), verdict=False),
    Candidate("{candidates} {", "c"),
)
REPLIES = (
    st.text()
    | st.text(alphabet="[]0123456789> ≻\n٣")
    | st.lists(
        st.sampled_from(["[1]", "[2]", "[3]", ">", " ", "[0]", "[-1]", "[99]", "2", "because", "[" + "9" * 5000 + "]"])
    ).map("".join)
)


def test_costs_one_completion_and_keeps_the_best() -> None:
    rehearsal = rehearse(Rank(model="m", keep=2), ScriptedModel("[3] > [1] > [2]"), candidates=CANDIDATES)
    assert len(rehearsal.model.draws()) == 1
    assert rehearsal.state.candidates == (CANDIDATES[2], CANDIDATES[0])
    assert not rehearsal.state.failures


def test_one_candidate_costs_nothing() -> None:
    rehearsal = rehearse(Rank(model="m"), ScriptedModel("[1]"), candidates=CANDIDATES[:1])
    assert rehearsal.model.requests == []
    assert rehearsal.state.candidates == CANDIDATES[:1]


def test_keep_above_the_number_of_candidates_keeps_all() -> None:
    state = rehearse(Rank(model="m", keep=9), ScriptedModel("[2]"), candidates=CANDIDATES).state
    assert state.candidates == (CANDIDATES[1], CANDIDATES[0], CANDIDATES[2])


def test_an_unreadable_ranking_is_recorded_and_keeps_the_order() -> None:
    state = rehearse(Rank(model="m", keep=2), ScriptedModel("They are all nice."), candidates=CANDIDATES).state
    assert state.candidates == CANDIDATES[:2]
    assert [(failure.layer, failure.kind) for failure in state.failures] == [("1.rank", "parse")]


def test_a_failing_judge_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    model = ScriptedModel(lambda request, index: error)
    assert rehearse(Rank(model="m"), model, candidates=CANDIDATES).result.error is error


@given(REPLIES, st.integers(1, 12))
def test_parsing_gives_a_permutation_or_none(reply: str, count: int) -> None:
    ranking = parse_ranking(reply, count)
    assert ranking is None or sorted(ranking) == list(range(count))


@given(
    st.integers(2, 12).flatmap(lambda count: st.permutations(range(count))), st.sampled_from([" > ", ">", "≻", ", "])
)
def test_a_proper_ranking_is_read_as_it_stands(order: list[int], separator: str) -> None:
    reply = separator.join(f"[{index + 1}]" for index in order)
    assert parse_ranking(reply, len(order)) == order


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("[2] > [1] > [3]", [1, 0, 2]),
        ("2 > 1 > 3", [1, 0, 2]),
        ("[ 3 ] > [ 1 ]", [2, 0, 1]),
        ("[3] > [3] > [9] > [0] > [2]", [2, 1, 0]),
        ("First [1] > [2] > [3], but then: [2] > [3] > [1]", [1, 2, 0]),
        ("[3] > [2] > [1], because 5 > 2 and 100 > 50", [2, 1, 0]),
        ("100 > 50, so [2] beats [1]", [1, 0, 2]),
        ("The best is [2].", [1, 0, 2]),
        ("1", None),
        ("", None),
        ("[4] > [0]", None),
    ],
)
def test_parsing(reply: str, expected: list[int] | None) -> None:
    assert parse_ranking(reply, 3) == expected


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("1" + " " * 100_000, "[" + " " * 100_000, "1" * 100_000, "[1] > " * 10_000, "1 ]" * 30_000):
        parse_ranking(text, 3)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("prompt", ["", "Rank {candidates}", "Rank {question}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Rank(model="m", prompt=prompt)


def test_own_prompts_are_used_and_candidates_are_shown_literally() -> None:
    model = ScriptedModel("[1]")
    rehearse(Rank(model="m", prompt="{question}|{candidates}"), model, candidates=CANDIDATES[1:], task=Task.of("Q?"))
    assert model.requests[0].messages[-1].content == "Q?|[1]\nfive\n\nRemarks on [1]:\nwrong\n\n[2]\n{candidates} {"


def test_prompt() -> None:
    model = ScriptedModel("[1]")
    rehearse(Rank(model="m"), model, candidates=CANDIDATES)
    check_snapshot("rank", model.requests[0].messages)
