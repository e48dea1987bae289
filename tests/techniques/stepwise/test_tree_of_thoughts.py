"""Trees of thoughts, computed by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.testing import TechniqueConformance
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.search import Search
from techniques.stepwise.step_beam import step_beam
from techniques.stepwise.tree_of_thoughts import TreeOfThoughts, depth_first
from tests.techniques.stepwise.test_step_best_of_n import stepping


class TestTreeOfThoughts(TechniqueConformance):
    technique = TreeOfThoughts(model="m", k=2, threshold=0.0, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestTreeOfThoughtsByLevel(TechniqueConformance):
    technique = TreeOfThoughts(model="m", method="bfs", k=2, breadth=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


def known() -> ToyTree:
    tree = ToyTree(depth=2, branching=3)
    tree.reward = {"0": 0.5, "1": 0.9, "2": 0.3}
    tree.reward |= {"00": 0.7, "01": 0.2, "02": 0.4, "10": 0.1, "11": 0.6, "12": 0.45, "20": 1.0, "21": 1.0, "22": 1.0}
    return tree


def explore(threshold: float, paths: int) -> tuple[list[str], list[tuple[str, str]], int]:
    """The answers, what became of beginnings in the order in which that was settled, and the draws."""
    told: list[dict[str, Any]] = []
    tree = known()
    search = Search(Everything(tree), tree, record=lambda _, data: told.extend(data.get("marks", ())))
    answers = run_sync(depth_first(search, k=3, threshold=threshold, paths=paths))
    marks = [(search.partials[mark["node"]].text, mark["mark"]) for mark in told if "mark" in mark]
    return [answer.text for answer in answers], marks, search.spent.calls


def test_depth_first_follows_the_best_thought_and_goes_back() -> None:
    answers, marks, calls = explore(threshold=0.4, paths=3)
    assert answers == ["00", "11", "12"]
    assert marks == [
        ("", "expanded"),
        ("2", "pruned"),
        ("1", "expanded"),
        ("10", "pruned"),
        ("0", "expanded"),
        ("01", "pruned"),
    ]
    assert calls == 9


def test_it_stops_with_enough_paths() -> None:
    answers, marks, calls = explore(threshold=0.4, paths=2)
    assert answers == ["11", "12"]
    assert ("0", "expanded") not in marks
    assert calls == 6


def test_without_pruning_everything_is_visited() -> None:
    answers, _, calls = explore(threshold=0.0, paths=99)
    assert len(answers) == 9
    assert answers[:3] == ["20", "21", "22"]
    assert calls == 12


def test_where_all_is_pruned_there_is_nothing() -> None:
    assert explore(threshold=0.95, paths=1) == (
        [],
        [("", "expanded"), ("1", "pruned"), ("0", "pruned"), ("2", "pruned")],
        3,
    )


def test_level_by_level_the_best_of_a_level_are_kept() -> None:
    tree = known()
    search = Search(Everything(tree), tree)
    pool = run_sync(step_beam(search, beams=2, samples=3, first=3))
    assert [partial.text for partial in pool] == ["00", "11"]
    assert search.spent.calls == 3 + 6


@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from([0.0, 0.3]), st.floats(0, 1), st.integers(1, 5))
def test_no_answer_has_a_thought_below_the_threshold(
    seed: int, depth: int, stops: float, threshold: float, paths: int
) -> None:
    tree = ToyTree(depth, 3, seed=seed, stops=stops)
    search = Search(Everything(tree), tree)
    answers = run_sync(depth_first(search, k=3, threshold=threshold, paths=paths))
    fit = [answer for answer, _ in tree.answers() if min(answer.scores) >= threshold]
    assert len(answers) == min(paths, len(fit))
    assert {answer.text for answer in answers} <= {answer.text for answer in fit}
