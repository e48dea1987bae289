"""Comparisons of pairs in both orders."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Failure
from archon.testing import ScriptedModel
from archon.testing_rewards import score
from techniques.rewards import Pairwise
from techniques.rewards.pairwise import parse_choice, win_shares
from tests.techniques.snapshot import check_snapshot

OUTCOMES = st.sampled_from([0.0, 0.5, 1.0])


def _candidates(*texts: str) -> list[Candidate]:
    return [Candidate(text, f"0.generate/m#{index}") for index, text in enumerate(texts)]


def _pair(request: Request) -> tuple[str, str]:
    shown = request.messages[-1].content
    first, second = shown.partition("[1]\n")[2], shown.partition("[2]\n")[2]
    return first.split("\n")[0], second.split("\n")[0]


@pytest.mark.parametrize("favoured", ["[1]", "[2]", "[tie]"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_judge_that_prefers_a_place_gives_everyone_the_same(favoured: str, count: int) -> None:
    model = ScriptedModel(favoured)
    scores, _ = score(Pairwise(model="m"), model, _candidates(*"abcde"[:count]))
    assert scores == [0.5] * count
    assert len(model.draws()) == count * (count - 1)


@given(st.integers(1, 6), st.data())
def test_any_preference_for_a_place_cancels(count: int, data: st.DataObject) -> None:
    bias = data.draw(OUTCOMES)
    strength = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))

    def outcome(i: int, j: int, bias: float) -> float:
        return bias if strength[i] == strength[j] else float(strength[i] > strength[j])

    orders = list(permutations(range(count), 2))
    biased = win_shares({(i, j): outcome(i, j, bias) for i, j in orders}, count)
    assert biased == win_shares({(i, j): outcome(i, j, 0.5) for i, j in orders}, count)


@given(st.integers(2, 5), st.data())
def test_shares_are_the_mean_over_whole_pairs(count: int, data: st.DataObject) -> None:
    orders = list(permutations(range(count), 2))
    won = data.draw(st.dictionaries(st.sampled_from(orders), OUTCOMES))
    for i, share in enumerate(win_shares(won, count)):
        wins = [game for j in range(count) if {(i, j), (j, i)} <= won.keys() for game in (won[i, j], 1 - won[j, i])]
        assert share == (pytest.approx(sum(wins) / len(wins)) if wins else None)


def test_the_better_response_wins_in_either_place() -> None:
    def judge(request: Request, index: int) -> str:
        first, second = _pair(request)
        return "[1]" if first > second else "[2]"

    assert score(Pairwise(model="m"), ScriptedModel(judge), _candidates("b", "c", "a"))[0] == [0.5, 1.0, 0.0]


def test_a_pair_without_one_order_does_not_count() -> None:
    def judge(request: Request, index: int) -> str | ModelError:
        first, second = _pair(request)
        if "x" in (first, second):
            return PermanentError("broken", reason="forbidden") if first == "x" else "[1]"
        return "[1]" if first > second else "[2]"

    lost, b, a = score(Pairwise(model="m"), ScriptedModel(judge), _candidates("x", "b", "a"))[0]
    assert (b, a) == (1.0, 0.0)
    assert isinstance(lost, Failure)
    assert lost.kind == "call"


@pytest.mark.parametrize(
    ("reply", "won"),
    [
        ("[1]", 1.0),
        ("[2].", 0.0),
        ("[Tie]", 0.5),
        ("2", 0.0),
        ("Response 1", 1.0),
        ("[1] is longer, [2] is right.\n\n[2]", 0.0),
        ("I prefer [1] because it is right.\nThat is all.", 1.0),
        ("[1] or [2]", None),
        ("the second", None),
        ("12", None),
        ("", None),
    ],
)
def test_choices(reply: str, won: float | None) -> None:
    assert parse_choice(reply) == won


@given(st.text() | st.lists(st.sampled_from(["[1]", "[2]", "[tie]", "1", "2", "\n", " ", "["])).map("".join))
def test_a_choice_is_a_win_a_loss_a_tie_or_missing(reply: str) -> None:
    assert parse_choice(reply) in (1.0, 0.0, 0.5, None)


def test_prompt() -> None:
    model = ScriptedModel("[1]")
    score(Pairwise(model="m"), model, _candidates("It is 4.", "It is 5."))
    check_snapshot("reward_pairwise", model.requests[0].messages)
