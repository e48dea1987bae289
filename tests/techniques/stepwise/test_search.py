"""What every search relies on: bounds that hold, scores that are kept, a tree that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from archon.concurrency import run_sync
from archon.errors import BudgetExhausted, ConfigError, ModelError, TransientError
from archon.state import Failure
from archon.stepwise import Partial
from archon.testing_stepwise import Everything, ToyTree
from techniques.stepwise.aggregate import best_first, worth
from techniques.stepwise.search import Exhausted, Limit, Search


def test_grow_extends_and_scores_in_order() -> None:
    tree = ToyTree(depth=2, branching=3)
    search = Search(Everything(tree), tree)
    (children,) = run_sync(search.grow([(search.root, 3)]))
    assert [child.text for child in children] == ["0", "1", "2"]
    assert [child.score for child in children] == [tree.reward[text] for text in "012"]
    first, second = run_sync(search.grow([(children[2], 2), (children[0], 1)]))
    assert [[child.text for child in family] for family in (first, second)] == [["20", "21"], ["00"]]
    assert first[0].scores == (tree.reward["2"], tree.reward["20"])
    assert all(child.complete for child in (*first, *second))
    assert search.spent.calls == search.spent.tokens == search.spent.passes == 6


@pytest.mark.parametrize("limit", [Limit(tokens=5), Limit(calls=5), Limit(passes=5)])
def test_a_bound_is_never_passed_and_what_was_found_stays(limit: Limit) -> None:
    tree = ToyTree(depth=2, branching=3)
    search = Search(Everything(tree), tree, limit=limit)

    async def use_up() -> None:
        (children,) = await search.grow([(search.root, 3)])
        await search.grow([(child, 1) for child in children])

    with pytest.raises(Exhausted, match="limit of 5"):
        run_sync(use_up())
    assert search.spent.calls <= 6
    assert all(getattr(search.spent, what) <= most for what, most in limit if most is not None)
    assert len(search.beginnings()) == 3


def test_a_beginning_is_scored_once() -> None:
    tree = ToyTree(depth=2)
    seen: list[str] = []

    class Counting:
        async def score(self, partials: Sequence[Partial]) -> list[float]:
            seen.extend(partial.text for partial in partials)
            return await tree.score(partials)

    search = Search(Everything(tree), Counting())
    run_sync(search.grow([(search.root, 4)]))
    run_sync(search.grow([(search.root, 2)]))
    assert seen == ["0", "1"]
    assert search.spent.passes == 2


def test_failed_draws_and_missing_scores_are_recorded_and_left_out() -> None:
    class Half:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
            return [partial.then(str(i)) if i % 2 else TransientError("no reply", reason="server") for i in range(n)]

    class NotAll:
        async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
            return [Failure("0.x", "parse", "unreadable") if p.text == "3" else 0.5 for p in partials]

    search = Search(Half(), NotAll(), layer="0.x")
    (children,) = run_sync(search.grow([(search.root, 4)]))
    assert [child.text for child in children] == ["1"]
    assert [failure.kind for failure in search.failures] == ["call", "call", "parse"]
    assert search.spent.calls == 4


def test_a_budget_that_is_used_up_ends_the_search() -> None:
    class Broke:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
            return [partial.then("a", end="stop"), BudgetExhausted("no money")]

    tree = ToyTree()
    search = Search(Broke(), tree)
    with pytest.raises(Exhausted, match="no money"):
        run_sync(search.grow([(search.root, 2)]))
    assert [answer.text for answer in search.answers()] == ["a"]


def test_a_limit_of_tokens_needs_bounded_steps() -> None:
    class Unbounded(ToyTree):
        longest = None  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="max_tokens"):
        Search(Unbounded(), ToyTree(), limit=Limit(tokens=10))


def test_the_tree_is_told_piece_by_piece() -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    tree = ToyTree(depth=1)
    search = Search(Everything(tree), tree, record=lambda kind, data: told.append((kind, data)))
    (children,) = run_sync(search.grow([(search.root, 2)]))
    search.mark(children[1:], "kept")
    nodes = [node for _, data in told for node in data.get("nodes", ())]
    marks = [mark for _, data in told for mark in data.get("marks", ())]
    assert [(node["node"], node["parent"], node["step"], node["end"]) for node in nodes] == [
        (1, 0, "0", "stop"),
        (2, 0, "1", "stop"),
    ]
    assert {"node": 2, "mark": "kept"} in marks
    assert {"node": 1, "score": tree.reward["0"]} in marks


def test_worth_puts_the_scores_of_beginnings_together() -> None:
    partial = Partial().then("a").with_score(0.5).then("b").with_score(0.25)
    assert [worth(partial, how) for how in ("last", "whole", "min", "mean", "product")] == [
        0.25,
        0.25,
        0.25,
        0.375,
        0.125,
    ]
    assert worth(partial.then("c"), "last") is None
    assert best_first([partial.then("c"), partial], "last") == [partial, partial.then("c")]
