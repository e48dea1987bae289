"""Continuations of texts to their ends."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Failure, Task
from archon.testing import ScriptedModel
from archon.testing_rewards import score
from techniques.rewards import Judge, Python, Rollout
from techniques.rewards.rollout import majority_shares
from tests.techniques.rewards.functions import MODULE


def _rollout(ends: dict[str, list[str]], **settings: object) -> list[float | Failure]:
    """Score texts that the model continues in these ways."""

    def script(request: Request, index: int) -> str | ModelError:
        end = ends[request.messages[-1].content][index]
        return PermanentError("broken", reason="forbidden") if end == "broken" else end

    n = max(map(len, ends.values()))
    reward = Rollout.model_validate({"model": "m", "n": n, **settings})
    return score(reward, ScriptedModel(script), [Candidate(text) for text in ends], answer="math")[0]


def test_the_share_that_comes_to_the_commonest_answer() -> None:
    ends = {
        "Two and two ": ["is 4", "is 4.0", "makes 4", "is 5"],
        "Two times ": ["is 4", "is 6", "is 8", "is 4"],
        "Two to the ": ["is 1", "is 7", "is 9", "nothing"],
    }
    assert _rollout(ends) == [0.75, 0.5, 0.0]


def test_where_two_answers_are_the_commonest_their_shares_are_averaged() -> None:
    ends = {"a ": ["is 1", "is 1"], "b ": ["is 2", "is 2"], "c ": ["is 3", "is 1"], "d ": ["is 2", "is 7"]}
    assert _rollout(ends) == [0.5, 0.5, 0.25, 0.25]


def test_failed_calls_are_missing_and_nothing_else_is() -> None:
    first, second, third = _rollout({"a": ["is 4", "broken"], "b": ["is 4", "who knows"], "c": ["broken", "broken"]})
    assert (first, second) == (1.0, 0.5)
    assert isinstance(third, Failure)
    assert third.kind == "call"


def test_without_any_answer_there_is_no_majority() -> None:
    scores = _rollout({"a ": ["who", "knows"], "b ": ["not", "me"]})
    assert [given.reason for given in scores if isinstance(given, Failure)] == ["no continuation holds an answer"] * 2


def test_the_text_is_continued_not_quoted() -> None:
    model = ScriptedModel(" 4")
    task = Task.of("What is 2 + 2?", system="Be brief.")
    score(Rollout(model="m", n=1), model, [Candidate("It is"), Candidate("")], task=task, answer="math")
    begun, fresh = sorted(model.requests, key=lambda request: -len(request.messages))
    assert [(message.role, message.content) for message in begun.messages] == [
        ("system", "Be brief."),
        ("user", "What is 2 + 2?"),
        ("assistant", "It is"),
    ]
    assert fresh.messages == task.messages


def test_a_verifier_judges_the_completed_texts() -> None:
    ends = {"a|": ["0.5", "0.25"], "b|": ["1", "nan"], "c|": ["nan", "broken"], "d|": ["broken", "broken"]}
    first, second, third, fourth = _rollout(ends, reward={"python": {"function": f"{MODULE}:stated"}})
    assert (first, second) == (0.375, 1.0)
    assert isinstance(third, Failure)
    assert third.kind == "parse"
    assert isinstance(fourth, Failure)
    assert fourth.kind == "call"


def test_what_a_judging_model_reads_is_longer_than_can_be_planned() -> None:
    assert Rollout(model="m", reward=Judge(model="j")).plan(3) is None
    plan = Rollout(model="m", reward=Python(function="a:b")).plan(3)
    assert plan is not None
    assert [(ask.requests, ask.draws) for ask in plan] == [(3, 4)]


@given(st.lists(st.lists(st.integers(0, 3) | st.none(), max_size=4), min_size=1, max_size=5))
def test_shares_equal_their_definition(answers: list[list[int | None]]) -> None:
    flat = list(chain.from_iterable(answers))
    groups = [[i for i, answer in enumerate(flat) if answer == a] for a in {a for a in flat if a is not None}]
    shares = majority_shares(groups, [len(own) for own in answers])
    if not groups:
        assert shares == [None] * len(answers)
        return
    most = max(flat.count(a) for a in flat if a is not None)
    commonest = [a for a in set(flat) if a is not None and flat.count(a) == most]
    for own, share in zip(answers, shares, strict=True):
        expected = [own.count(a) / len(own) for a in commonest] if own else []
        assert share == (pytest.approx(sum(expected) / len(expected)) if own else None)
