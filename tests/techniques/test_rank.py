from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, State, Task
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


SHOWN = re.compile(r"^\[(\d+)\]\nvalue (\d+)$", re.MULTILINE)


def values_in(request: Request) -> list[int]:
    """The hidden values of the candidates in a prompt, in its order."""
    return [int(value) for _, value in SHOWN.findall(request.messages[-1].content)]


def perfect_judge(request: Request, index: int) -> str:
    values = values_in(request)
    return " > ".join(f"[{values.index(value) + 1}]" for value in sorted(values, reverse=True))


def echoing_judge(request: Request, index: int) -> str:
    return " > ".join(f"[{place + 1}]" for place in range(len(values_in(request))))


def candidates_of(values: Sequence[int]) -> list[Candidate]:
    return [Candidate(f"value {value}", str(value)) for value in values]


def values_of(state: State) -> list[int]:
    return [int(candidate.origin) for candidate in state.candidates]


VALUES = st.integers(2, 9).flatmap(lambda count: st.permutations(range(count)))


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(1, 4), st.integers(0, 2**16))
def test_a_perfect_judge_gives_the_true_order_in_any_number_of_passes(
    values: list[int], passes: int, seed: int
) -> None:
    model = ScriptedModel(perfect_judge)
    state = rehearse(Rank(model="m", keep=9, passes=passes), model, candidates=candidates_of(values), seed=seed).state
    assert values_of(state) == sorted(values, reverse=True)
    assert len(set(model.draws())) == len(model.draws()) == passes


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(2, 5), st.data(), st.integers(1, 6), st.integers(0, 2**16))
def test_windows_find_the_best_and_never_contradict_a_perfect_judge(
    values: list[int], window: int, data: st.DataObject, passes: int, seed: int
) -> None:
    step = data.draw(st.integers(1, window - 1))
    model = ScriptedModel(perfect_judge)
    technique = Rank(model="m", keep=9, passes=passes, window=window, step=step)
    found = values_of(rehearse(technique, model, candidates=candidates_of(values), seed=seed).state)
    assert sorted(found) == sorted(values)
    truth = sorted(values, reverse=True)
    assert found[: window - step] == truth[: window - step]
    prompts = [values_in(request) for request in model.requests]
    assert max(map(len, prompts)) <= window
    assert {value for prompt in prompts for value in prompt} == set(values)
    assert len(prompts) == technique.plan(len(values)).samples
    if passes > 1:
        for better, worse in itertools.pairwise(truth):
            if any({better, worse} <= set(prompt) for prompt in prompts):
                assert found.index(better) < found.index(worse)


def test_enough_passes_over_windows_give_the_true_order() -> None:
    values = random.Random(3).sample(range(12), 12)
    technique = Rank(model="m", keep=12, passes=16, window=5, step=2)
    state = rehearse(technique, ScriptedModel(perfect_judge), candidates=candidates_of(values)).state
    assert values_of(state) == sorted(values, reverse=True)


@settings(max_examples=30, deadline=None)
@given(VALUES, st.integers(1, 3), st.integers(0, 2**16))
def test_a_judge_that_likes_places_changes_nothing_in_an_even_number_of_passes(
    values: list[int], half: int, seed: int
) -> None:
    model = ScriptedModel(echoing_judge)
    technique = Rank(model="m", keep=9, passes=2 * half)
    assert values_of(rehearse(technique, model, candidates=candidates_of(values), seed=seed).state) == values


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(1, 4), st.integers(2, 9) | st.none(), st.integers(0, 2**16))
def test_any_replies_give_a_permutation(values: list[int], passes: int, window: int | None, seed: int) -> None:
    noise = random.Random(seed)
    model = ScriptedModel(lambda request, index: "".join(noise.choices(["[1]", "[2]", "[7]", " > ", "x"], k=6)))
    technique = Rank(model="m", keep=9, passes=passes, window=window)
    state = rehearse(technique, model, candidates=candidates_of(values), seed=seed).state
    assert sorted(values_of(state)) == sorted(values)


def test_more_passes_add_to_the_sample_of_one() -> None:
    one, three = ScriptedModel(perfect_judge), ScriptedModel(perfect_judge)
    rehearse(Rank(model="m"), one, candidates=candidates_of([2, 3, 1]))
    rehearse(Rank(model="m", passes=3), three, candidates=candidates_of([2, 3, 1]))
    assert set(one.draws()) < set(three.draws())


def test_a_window_as_long_as_the_list_changes_nothing() -> None:
    whole, windowed = ScriptedModel("[3] > [1]"), ScriptedModel("[3] > [1]")
    rehearse(Rank(model="m"), whole, candidates=CANDIDATES)
    rehearse(Rank(model="m", window=3, step=1), windowed, candidates=CANDIDATES)
    assert whole.draws() == windowed.draws()


def test_passes_that_fail_are_recorded_and_the_others_decide() -> None:
    def judge(request: Request, index: int) -> str | ModelError:
        if values_in(request) == [2, 3, 1]:
            return PermanentError("broken", reason="forbidden")
        return "?" if values_in(request) == [1, 3, 2] else perfect_judge(request, index)

    technique = Rank(model="m", passes=4)
    state = rehearse(technique, ScriptedModel(judge), candidates=candidates_of([2, 3, 1]), seed=1).state
    assert values_of(state) == [3, 2, 1]
    assert {(failure.layer, failure.kind) for failure in state.failures} == {("1.rank", "call"), ("1.rank", "parse")}


def test_a_budget_that_ends_within_the_windows_leaves_the_order_so_far() -> None:
    technique = Rank(model="m", window=2, step=1)
    rehearsal = rehearse(
        technique, ScriptedModel(perfect_judge), candidates=candidates_of([1, 2, 3, 4, 5]), budget={"calls": 2}
    )
    assert values_of(rehearsal.state) == [1, 2, 5, 3, 4]
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]
    assert rehearsal.result.status == "budget"


def test_a_budget_for_no_judgement_keeps_the_order() -> None:
    technique = Rank(model="m", passes=2, max_tokens=20)
    candidates = candidates_of([1, 2, 3])
    rehearsal = rehearse(technique, ScriptedModel(perfect_judge), candidates=candidates, budget={"tokens": 1})
    assert values_of(rehearsal.state) == [1, 2, 3]
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]


@pytest.mark.parametrize("fields", [{"step": 2}, {"window": 3, "step": 3}])
def test_windows_must_overlap(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="step must be smaller than window"):
        Rank.model_validate({"model": "m", **fields})
