from __future__ import annotations

import random
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State
from archon.testing import ScriptedModel, rehearse
from techniques import Tournament
from tests.techniques.snapshot import check_snapshot
from tests.techniques.test_rank import candidates_of, values_in, values_of

Method = Literal["swiss", "all_pairs", "knockout", "pivot"]
METHODS: tuple[Method, ...] = get_args(Method)
VALUES = st.integers(2, 9).flatmap(lambda count: st.permutations(range(count)))


def perfect_judge(request: Request, index: int) -> str:
    first, second = values_in(request)
    return "So it is.\n" + ("[1]" if first > second else "[2]")


def play(technique: Tournament, model: ScriptedModel, values: list[int]) -> State:
    rehearsal = rehearse(technique, model, candidates=candidates_of(values))
    assert rehearsal.result.error is None
    return rehearsal.state


def scores_of(state: State) -> list[float]:
    return [candidate.score for candidate in state.candidates if candidate.score is not None]


@settings(max_examples=40, deadline=None)
@given(VALUES, st.sampled_from(METHODS), st.integers(1, 3))
def test_a_perfect_judge_finds_the_best_by_every_method(values: list[int], method: Method, pivots: int) -> None:
    model = ScriptedModel(perfect_judge)
    technique = Tournament(model="m", method=method, pivots=pivots, keep=9)
    state = play(technique, model, values)
    found, scores = values_of(state), scores_of(state)
    assert sorted(found) == sorted(values)
    assert found[0] == max(values)
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == len(found)
    assert scores[0] > scores[1]
    if method == "all_pairs":
        assert found == sorted(values, reverse=True)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.sampled_from(METHODS), st.none() | st.integers(1, 20))
def test_every_comparison_is_asked_in_both_orders(values: list[int], method: Method, most: int | None) -> None:
    model = ScriptedModel(perfect_judge)
    technique = Tournament(model="m", method=method, comparisons=most)
    play(technique, model, values)
    asked = [tuple(values_in(request)) for request in model.requests]
    assert set(asked) == {(second, first) for first, second in asked}
    assert len(set(asked)) == len(asked) == len(set(model.draws()))
    count = len(values)
    every = count * (count - 1) // 2
    exact = {"swiss": min(every, most or 3 * count), "all_pairs": every, "knockout": count - 1}
    if method in exact:
        assert len(asked) == 2 * min(exact[method], most or every)
    assert len(asked) <= technique.plan(count).most_samples


@settings(max_examples=30, deadline=None)
@given(VALUES, st.sampled_from(METHODS), st.sampled_from(["[1]", "[2]", "[tie]"]))
def test_a_judge_who_likes_a_place_makes_ties_and_keeps_the_order(values: list[int], method: Method, said: str) -> None:
    state = play(Tournament(model="m", method=method, keep=9), ScriptedModel(said), values)
    assert values_of(state) == values
    assert scores_of(state) == [0.5] * len(values)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.sampled_from(METHODS), st.integers(0, 2**16))
def test_any_replies_give_a_permutation(values: list[int], method: Method, seed: int) -> None:
    noise = random.Random(seed)

    def judge(request: Request, index: int) -> str | ModelError:
        said = noise.choice(["[1]", "[2]", "[tie]", "?", "!"])
        return PermanentError("broken", reason="forbidden") if said == "!" else said

    rehearsal = rehearse(
        Tournament(model="m", method=method, keep=9), ScriptedModel(judge), candidates=candidates_of(values)
    )
    assert sorted(values_of(rehearsal.state)) == sorted(values)


def test_keep_cuts_after_ordering() -> None:
    state = play(Tournament(model="m", keep=2), ScriptedModel(perfect_judge), [1, 3, 2])
    assert values_of(state) == [3, 2]


def test_one_candidate_costs_nothing() -> None:
    model = ScriptedModel("[1]")
    assert values_of(play(Tournament(model="m"), model, [7])) == [7]
    assert model.requests == []


def test_everything_else_about_a_candidate_is_kept() -> None:
    given_ones = [Candidate("value 1", "1", ("nice",), 9.0, True), Candidate("value 2", "2", (), None, False)]
    state = rehearse(Tournament(model="m"), ScriptedModel("[tie]"), candidates=given_ones).state
    assert state.candidates == (
        Candidate("value 1", "1", ("nice",), 0.5, True),
        Candidate("value 2", "2", (), 0.5, False),
    )


def test_what_fails_or_cannot_be_read_counts_for_neither_and_is_recorded() -> None:
    def judge(request: Request, index: int) -> str | ModelError:
        if values_in(request) == [1, 2]:
            return PermanentError("broken", reason="forbidden")
        return "Hm." if values_in(request) == [3, 1] else perfect_judge(request, index)

    state = play(Tournament(model="m", method="all_pairs"), ScriptedModel(judge), [1, 2, 3])
    assert values_of(state) == [3, 1, 2]
    assert {(failure.layer, failure.kind, failure.reason) for failure in state.failures} == {
        ("1.tournament", "parse", "no preference in 'Hm.'"),
        ("1.tournament", "call", "broken"),
    }


def test_without_any_verdict_the_order_and_the_scores_stay() -> None:
    given_ones = [Candidate("value 1", "1", score=0.1), Candidate("value 2", "2", score=0.9)]
    state = rehearse(Tournament(model="m"), ScriptedModel("They are nice."), candidates=given_ones).state
    assert state.candidates == tuple(given_ones)
    assert [failure.kind for failure in state.failures] == ["parse", "parse"]


def test_a_failing_judge_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    model = ScriptedModel(lambda request, index: error)
    assert rehearse(Tournament(model="m"), model, candidates=candidates_of([1, 2])).result.error is error


def test_methods_share_the_samples_of_a_comparison() -> None:
    swiss, knockout = ScriptedModel(perfect_judge), ScriptedModel(perfect_judge)
    play(Tournament(model="m"), swiss, [3, 1, 4, 2, 5])
    play(Tournament(model="m", method="knockout"), knockout, [3, 1, 4, 2, 5])
    assert set(knockout.draws()) < set(swiss.draws())


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_that_ends_midway_leaves_the_order_so_far(method: Method) -> None:
    model = ScriptedModel(perfect_judge)
    technique = Tournament(model="m", method=method)
    rehearsal = rehearse(technique, model, candidates=candidates_of([1, 4, 3, 2]), budget={"calls": 5})
    assert rehearsal.result.status == "budget"
    assert len(model.draws()) <= 5
    (failure,) = rehearsal.state.failures
    assert failure.kind == "budget"
    assert "rests on 2 comparisons" in failure.reason
    assert sorted(values_of(rehearsal.state)) == [1, 2, 3, 4]
    assert values_of(rehearsal.state)[0] != 1
    assert all(candidate.score is not None for candidate in rehearsal.state.candidates)


def test_a_budget_that_one_comparison_exceeds_ends_the_tournament() -> None:
    """Later rounds would fit, but would rest on a round that was not played."""
    texts = ["x" * 3000, "y" * 3000, "short", "shorter"]
    model = ScriptedModel("[1]")
    technique = Tournament(model="m", method="knockout", max_tokens=20)
    candidates = [Candidate(text, text) for text in texts]
    rehearsal = rehearse(technique, model, candidates=candidates, budget={"tokens": 6000})
    assert [candidate.text for candidate in rehearsal.state.candidates] == texts
    assert len(model.requests) == 2
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]


def test_a_budget_for_no_comparison_keeps_the_order() -> None:
    technique = Tournament(model="m", max_tokens=20)
    candidates = candidates_of([1, 2, 3])
    rehearsal = rehearse(technique, ScriptedModel(perfect_judge), candidates=candidates, budget={"tokens": 1})
    assert values_of(rehearsal.state) == [1, 2, 3]
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]


@pytest.mark.parametrize("fields", [{"method": "league"}, {"comparisons": 0}, {"prompt": "{question}"}])
def test_settings_are_checked(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Tournament.model_validate({"model": "m", **fields})


def test_prompt() -> None:
    model = ScriptedModel("[1]")
    candidates = (Candidate("four", "a", critiques=("fine",)), Candidate("{candidates} {", "b"))
    rehearse(Tournament(model="m"), model, candidates=candidates)
    check_snapshot("tournament", model.requests[0].messages)
