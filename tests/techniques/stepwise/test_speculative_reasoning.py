"""Drafts, ratings and second attempts: on trees of which everything is known, and on scripted models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import PermanentError
from archon.models.base import Request
from archon.state import Failure
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.stepwise.search import Exhausted, Limit, Search
from techniques.stepwise.speculative_reasoning import (
    SpeculativeReasoning,
    parse_rating,
    speculative_reasoning,
)
from tests.techniques.snapshot import check_snapshot


class Last:
    """Writes the last of all next steps of a tree."""

    longest = 1

    def __init__(self, tree: ToyTree) -> None:
        self._tree = tree

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        return [self._tree.then(partial, self._tree.branching - 1)] * n


def marks(told: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    return [mark["mark"] for _, data in told for mark in data.get("marks", ()) if "mark" in mark]


@given(st.integers(0, 50), st.integers(0, 9))
def test_every_step_is_the_drafters_if_it_is_good_enough_and_the_large_models_otherwise(
    seed: int, threshold: int
) -> None:
    tree = ToyTree(depth=4, branching=3, seed=seed)
    told: list[tuple[str, Mapping[str, Any]]] = []
    search = Search(Everything(tree), tree, record=lambda kind, data: told.append((kind, data)))
    (answer,) = run_sync(speculative_reasoning(search, Last(tree), threshold))
    text, expected = "", []
    for _ in range(4):
        good = tree.reward[text + "2"] >= threshold / 9
        text += "2" if good else "0"
        expected += ["accepted"] if good else ["rejected", "redone"]
    assert answer.text == text
    assert answer.complete
    assert marks(told) == expected
    assert search.spent.passes == 4
    assert search.spent.calls == 4 + expected.count("redone")


def test_a_bound_leaves_what_was_kept_and_never_a_rejected_draft() -> None:
    tree = ToyTree(depth=4, branching=3, rewards=(0.1, 0.2))
    search = Search(Everything(tree), tree, limit=Limit(calls=5))
    (answer,) = run_sync(speculative_reasoning(search, Last(tree), 7))
    assert answer.text == "00"
    assert [failure.kind for failure in search.failures] == ["budget"]
    assert search.spent.calls == 5
    with pytest.raises(Exhausted):
        run_sync(speculative_reasoning(Search(Everything(tree), tree, limit=Limit(calls=1)), Last(tree), 7))


def test_a_step_without_a_rating_is_redone() -> None:
    tree = ToyTree(depth=2)

    class Silent:
        async def score(self, partials: Sequence[Partial]) -> list[Failure]:
            return [Failure("0.x", "parse", "no rating")] * len(partials)

    search = Search(Everything(tree), Silent())
    (answer,) = run_sync(speculative_reasoning(search, Last(tree), 0))
    assert answer.text == "00"
    assert len(search.failures) == 2


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("7", 7),
        (" 0", 0),
        ("Rating: 8.", 8),
        ("9/9", 9),
        ("10", None),
        ("3.5", None),
        ("-", None),
        ("", None),
    ],
)
def test_the_rating_is_a_digit_by_itself(reply: str, rating: int | None) -> None:
    assert parse_rating(reply) == rating


@given(st.text())
def test_any_reply_has_a_rating_within_the_scale_or_none(reply: str) -> None:
    assert parse_rating(reply) in (None, *range(10))


def large(request: Request, index: int) -> str:
    """Approves of steps about cats, and of an end after three steps."""
    prompt = request.messages[-1]
    if prompt.role == "user" and "Rate the next step" in prompt.content:
        step = prompt.content.rpartition("Next step:")[2]
        return "9" if "cat" in step or "ends here" in step else "3"
    return "the large model says cat"


def small(request: Request, index: int) -> str:
    """Writes about cats and dogs in turn, and nothing after three steps."""
    prompt = request.messages[-1]
    done = prompt.content.count("\n\n") if prompt.role == "assistant" else 0
    return ("a cat", "a dog", "a cat again", "")[done]


def test_one_model_drafts_and_the_other_rates_and_redoes() -> None:
    technique = SpeculativeReasoning(model="large", drafter="small")
    models = {"large": ScriptedModel(large), "small": ScriptedModel(small)}
    rehearsal = rehearse(technique, models)
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "a cat\n\nthe large model says cat\n\na cat again"
    assert candidate.score == 1.0
    assert not rehearsal.state.failures
    ratings = [r for r in models["large"].requests if r.sampling.max_tokens == 1]
    assert len(ratings) == 4
    assert {r.sampling.temperature for r in ratings} == {0.0}
    assert len(models["large"].requests) == 5
    assert len(models["small"].requests) == 4
    check_snapshot("speculative_reasoning", ratings[1].messages)


def test_a_drafter_that_fails_leaves_the_work_to_the_large_model() -> None:
    def broken(request: Request, index: int) -> PermanentError:
        return PermanentError("no", reason="forbidden")

    technique = SpeculativeReasoning(model="large", drafter="small", max_steps=2)
    rehearsal = rehearse(technique, {"large": ScriptedModel(large), "small": ScriptedModel(broken)})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "the large model says cat\n\nthe large model says cat"
    assert candidate.score is None
    assert [failure.kind for failure in rehearsal.state.failures] == ["call", "call"]


class TestSpeculativeReasoning(TechniqueConformance):
    technique = SpeculativeReasoning(model="large", drafter="small", max_steps=4)
    script = staticmethod(lambda request, index: large(request, index) if "Rate" in str(request) else f"cat {index}")
    candidates = ()
