"""Judges: what they are shown, what is read off their replies, and what that makes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.state import Message
from evals.graders import Problem, Tools, parse_grader
from evals.graders.judge import judge_prompt
from evals.graders.pairwise import pairwise_prompt
from evals.graders.verdicts import conversation, parse_rating, parse_verdict
from tests.evals.graders.grading import SANDBOX, Scripted, grade, problem
from tests.techniques.snapshot import check_snapshot

WORDS = st.text(alphabet="abc [1] tie.\n")


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("It is good.\n\nRating: [7]", 7),
        ("Rating: [[8]]", 8),
        ("**Rating:** 9/10", 9),
        ("Score: 6.5", 6.5),
        ("Rating: [3]\nNo, on reflection:\nRating: [4]", 4),
        ("I give it 5 out of 10.", 5),
        ("8", 8),
        ("Rating: 10", 10),
        ("Rating: 11", None),
        ("Rating: 0", None),
        ("A rating of 1-10 is asked for.", None),
        ("It has 3 mistakes.", None),
        ("", None),
    ],
)
def test_ratings_are_read(reply: str, rating: float | None) -> None:
    assert parse_rating(reply) == rating


@pytest.mark.parametrize(
    ("reply", "points"),
    [
        ("The first errs.\n[2]", 0),
        ("Because of that: [1]", 1),
        ("Neither.\n[Tie]", 0.5),
        ("[[1]]", 1),
        ("Verdict: 2", 0),
        ("The better response is [1].", 1),
        ("[1] is right, [2] is wrong.\n\n[1]", 1),
        ("[1] is right, [2] is wrong.", None),
        ("[2]\nThat is all.", 0),
        ("I cannot say.", None),
        ("", None),
    ],
)
def test_verdicts_are_read(reply: str, points: float | None) -> None:
    assert parse_verdict(reply) == points


@given(st.text() | WORDS)
def test_whatever_a_judge_says_is_a_rating_or_none(reply: str) -> None:
    rating, points = parse_rating(reply), parse_verdict(reply)
    assert rating is None or 1 <= rating <= 10
    assert points in (None, 0.0, 0.5, 1.0)


@given(WORDS, st.integers(1, 10), st.sampled_from([("[1]", 1.0), ("[2]", 0.0), ("[tie]", 0.5)]))
def test_what_is_said_as_asked_is_read(words: str, rating: int, verdict: tuple[str, float]) -> None:
    assert parse_rating(f"{words}\n\nRating: [{rating}]") == rating
    assert parse_verdict(f"{words}\n{verdict[0]}") == verdict[1]


def test_a_rating_is_scaled_and_several_are_averaged() -> None:
    assert grade("judge", problem(), "x", Scripted("Rating: [1]")).score == 0
    assert grade("judge", problem(), "x", Scripted("Rating: [10]")).score == 1
    several = grade({"judge": {"samples": 3}}, problem(), "x", Scripted("Rating: [4]", "hm", "Rating: [7]"))
    assert several.score == pytest.approx(0.5)
    assert several.detail["rating"] == 5.5


def test_an_unreadable_reply_is_no_zero() -> None:
    rated = grade("judge", problem(), "x", Scripted("Well."))
    assert (rated.score, "no rating" in rated.reason) == (None, True)
    for replies in (("[1]", "Well."), ("Well.", "[2]")):
        compared = grade("pairwise", problem(baseline="y"), "x", Scripted(*replies))
        assert (compared.score, "no verdict" in compared.reason) == (None, True)


@pytest.mark.parametrize(
    ("forwards", "backwards", "score"),
    [
        ("[1]", "[2]", 1.0),
        ("[2]", "[1]", 0.0),
        ("[1]", "[1]", 0.5),
        ("[2]", "[2]", 0.5),
        ("[tie]", "[tie]", 0.5),
        ("[1]", "[tie]", 0.75),
        ("[tie]", "[1]", 0.25),
    ],
)
def test_both_orders_count(forwards: str, backwards: str, score: float) -> None:
    judge = Scripted(forwards, backwards)
    compared = grade("pairwise", problem(baseline="theirs"), "ours", judge)
    assert compared.score == score
    assert (compared.detail["length"], compared.detail["baseline_length"]) == (4, 6)
    first, second = (messages[0].content for messages in judge.asked)
    assert first.index("ours") < first.index("theirs")
    assert second.index("theirs") < second.index("ours")


def test_a_judge_that_fails_is_an_exception() -> None:
    class Broken:
        async def __call__(self, messages: Any, *, n: int = 1) -> list[str]:
            raise RuntimeError("no reply")

    for kind in ("judge", "pairwise"):
        with pytest.raises(RuntimeError, match="no reply"):
            run_sync(parse_grader(kind).grade(problem(baseline="y"), "x", Tools(SANDBOX, Broken())))


def test_a_dialogue_is_shown_whole_and_literally() -> None:
    turns = (Message("user", "One?"), Message("assistant", "{response} 1."), Message("user", "Two?"))
    assert conversation(turns) == "User:\nOne?\n\nAssistant:\n{response} 1.\n\nUser:\nTwo?"
    assert judge_prompt(Problem("p", turns), "X").count("{response}") == 1


def test_a_turn_of_a_dialogue_is_judged_by_its_own_reference() -> None:
    turns = (Message("user", "One?"), Message("assistant", "1."), Message("user", "Two?"))
    answers = {"reference": ["first", "second"]}
    assert "second" in judge_prompt(Problem("p", turns, fields=answers), "X")
    assert "first" in judge_prompt(Problem("p", turns[:1], fields=answers), "X")
    assert "known to be right" not in judge_prompt(Problem("p", turns, fields={"reference": ["first"]}), "X")


def test_prompts() -> None:
    asked = problem("What is 2 + 2?", "4")
    check_snapshot("grader_judge", [Message("user", judge_prompt(asked, "It is 4."))])
    check_snapshot("grader_pairwise", [Message("user", pairwise_prompt(asked, "It is 4.", "It is 5."))])
    assert "known to be right" not in judge_prompt(problem(), "x") + pairwise_prompt(problem(), "x", "y")
