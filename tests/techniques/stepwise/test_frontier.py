"""A* on trees of which everything is known, with the textbook's promises."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from techniques.stepwise.frontier import Frontier, Reached, cheapest


class Tree:
    """A full tree with whole edge costs, whose leaves are goals unless ``dead``."""

    def __init__(self, depth: int, branching: int, seed: int, most: int = 9, dead: float = 0.3) -> None:
        rng = random.Random(seed)
        self.children: dict[str, list[tuple[str, float]]] = {}
        self.goals: set[str] = set()
        self.left: dict[str, float] = {}
        self._build("", depth, branching, rng, most, dead)

    def _build(self, node: str, depth: int, branching: int, rng: random.Random, most: int, dead: float) -> None:
        self.children[node] = []
        if not depth:
            # The first leaf is always a goal, so that there is one.
            goal = not self.goals or rng.random() >= dead
            self.goals |= {node} if goal else set()
            self.left[node] = 0 if goal else float("inf")
            return
        for step in range(branching):
            child = f"{node}{step}"
            self._build(child, depth - 1, branching, rng, most, dead)
            self.children[node].append((child, rng.randint(1, most)))
        self.left[node] = min(cost + self.left[child] for child, cost in self.children[node])

    @property
    def best(self) -> float:
        """The cost of the cheapest goal."""
        return self.left[""]

    def search(self, heuristic: Callable[[str], float]) -> tuple[Reached[str] | None, list[Reached[str]]]:
        """What A* finds and what it expands."""
        frontier = Frontier("", heuristic)
        expanded: list[Reached[str]] = []

        async def expand(node: str) -> list[tuple[str, float]]:
            expanded.append(frontier.first)
            return self.children[node]

        return run_sync(cheapest(frontier, expand=expand, goal=self.goals.__contains__)), expanded

    def part(self, fraction: float) -> Callable[[str], float]:
        """A consistent heuristic, since edge costs are whole: a fraction of what is left, rounded down."""
        return lambda node: self.left[node] * fraction // 1 if self.left[node] < float("inf") else self.left[node]


DEPTH = 5
TREES = st.builds(Tree, st.just(DEPTH), st.just(3), st.integers(0, 9999), st.integers(1, 9))


def nothing(node: str) -> float:
    return 0


@given(TREES, st.integers(0, 999))
def test_a_heuristic_that_never_overestimates_finds_the_cheapest_goal(tree: Tree, seed: int) -> None:
    rng = random.Random(seed)
    guess = {node: rng.random() * left if left < float("inf") else 0.0 for node, left in tree.left.items()}
    found, expanded = tree.search(guess.__getitem__)
    assert found is not None
    assert found.cost == tree.best
    assert found.depth == len(found.state)
    assert all(reached.total <= tree.best for reached in expanded)


@given(TREES, st.floats(0, 1), st.floats(0, 1))
def test_a_greater_consistent_heuristic_expands_no_more(tree: Tree, one: float, other: float) -> None:
    _, by_cost = tree.search(nothing)
    _, weakly = tree.search(tree.part(min(one, other)))
    _, strongly = tree.search(tree.part(max(one, other)))

    def cheaper(expanded: list[Reached[str]]) -> set[str]:
        return {reached.state for reached in expanded if reached.total < tree.best}

    # What costs exactly as much as the cheapest goal may be expanded or not, by the order of equals.
    assert cheaper(strongly) <= cheaper(weakly) <= cheaper(by_cost)
    assert len(cheaper(strongly)) <= len(weakly)
    assert len(cheaper(weakly)) <= len(by_cost)


@given(TREES)
def test_what_is_left_exactly_leads_straight_to_the_goal(tree: Tree) -> None:
    _, expanded = tree.search(tree.part(1))
    assert len(expanded) == DEPTH
    _, by_cost = tree.search(nothing)
    assert len(by_cost) >= DEPTH


@given(TREES)
def test_uniform_cost_search_expands_all_that_is_cheaper_than_the_goal(tree: Tree) -> None:
    found, expanded = tree.search(nothing)
    assert found is not None
    assert found.cost == tree.best
    costs = [reached.cost for reached in expanded]
    assert costs == sorted(costs)
    costs_of = {"": 0.0}
    for node, children in tree.children.items():
        costs_of |= {child: costs_of[node] + cost for child, cost in children} if node in costs_of else {}
    assert {reached.state for reached in expanded} >= {node for node, cost in costs_of.items() if cost < tree.best}


def test_a_heuristic_that_overestimates_can_miss_the_cheapest_goal() -> None:
    tree = Tree(1, 2, 0, dead=0.0)
    tree.children[""] = [("0", 1), ("1", 3)]
    found, _ = tree.search({"": 0.0, "0": 5.0, "1": 0.0}.__getitem__)
    assert found is not None
    assert (found.state, found.cost) == ("1", 3)
    found, _ = tree.search({"": 0.0, "0": 0.0, "1": 0.0}.__getitem__)
    assert found is not None
    assert (found.state, found.cost) == ("0", 1)


def test_a_goal_is_taken_when_its_turn_comes_and_not_when_it_is_reached() -> None:
    tree = Tree(2, 2, 0, dead=0.0)
    tree.children = {"": [("a", 9), ("b", 1)], "b": [("c", 1)]}
    tree.goals = {"a", "c"}
    found, expanded = tree.search(nothing)
    assert found is not None
    assert (found.state, found.cost) == ("c", 2)
    assert [reached.state for reached in expanded] == ["", "b"]


def test_of_equals_the_deeper_goes_first_and_then_the_earlier() -> None:
    frontier = Frontier("", nothing)
    frontier.replace_first([("a", 0), ("b", 0)])
    frontier.replace_first([("c", 0), ("d", 1)])
    assert [reached.state for reached in frontier] == ["c", "b", "d"]


def test_what_waits_again_is_expanded_when_its_surcharge_lets_it() -> None:
    frontier = Frontier("", nothing)
    frontier.replace_first([("a", 2)], again=1.5)
    assert [(reached.state, reached.total) for reached in frontier] == [("", 1.5), ("a", 2)]
    frontier.replace_first([("b", 4)], again=1.5)
    assert [(reached.state, reached.total) for reached in frontier] == [("a", 2), ("", 3), ("b", 4)]
    frontier.replace_first([])
    frontier.replace_first([])
    assert [reached.state for reached in frontier] == ["b"]


def test_without_a_goal_everything_is_expanded_and_nothing_found() -> None:
    tree = Tree(2, 2, 0)
    tree.goals = set()
    found, expanded = tree.search(nothing)
    assert found is None
    assert len(expanded) == 7


def test_what_is_being_expanded_still_waits_if_that_fails() -> None:
    frontier = Frontier("", nothing)

    async def expand(node: str) -> list[tuple[str, float]]:
        if node:
            raise ValueError("no more")
        return [("a", 1), ("b", 2)]

    with pytest.raises(ValueError, match="no more"):
        run_sync(cheapest(frontier, expand=expand, goal=lambda node: False))
    assert [reached.state for reached in frontier] == ["a", "b"]
