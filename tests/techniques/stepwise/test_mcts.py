"""Monte Carlo tree search: the arithmetic by hand, laws on trees that are known, and the technique on a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.models.base import Request
from archon.state import Failure
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.mcts import MCTS, Steps, Take, mcts
from techniques.stepwise.search import Exhausted, Limit, Search
from techniques.stepwise.tree_search import Node, Selection, simulate
from tests.techniques.stepwise.test_step_best_of_n import stepping


def grown(
    tree: ToyTree,
    iterations: int,
    selection: Selection,
    *,
    branching: int | None = None,
    widening: float = 0.0,
    rollouts: int = 0,
) -> tuple[Node[Partial], list[Node[Partial]]]:
    """The tree after so many iterations and the node that each of them valued."""
    search = Search(Everything(tree), tree)
    steps = Steps(search, branching or tree.branching, widening, rollouts)
    root = Node(search.root)

    async def run() -> list[Node[Partial]]:
        visited = [await simulate(root, steps, selection) for _ in range(iterations)]
        return [node for node in visited if node is not None]

    return root, run_sync(run())


def everything(node: Node[Partial]) -> Iterator[Node[Partial]]:
    yield node
    for child in node.children:
        yield from everything(child)


def bandit(*rewards: float) -> ToyTree:
    """A tree of one step, whose answers are equally likely and have these rewards."""
    tree = ToyTree(depth=1, branching=len(rewards))
    tree.probabilities[""] = [1 / len(rewards)] * len(rewards)
    tree.reward.update({str(step): reward for step, reward in enumerate(rewards)})
    return tree


def test_uct_by_hand() -> None:
    # After one visit each of arms worth 0.9, 0.5 and 0.1, with c = 1:
    # N=3: √(ln 3/1) = 1.048 for all, so arm 0.
    # N=4: 0.9 + √(ln 4/2) = 1.733, 0.5 + √(ln 4/1) = 1.677, so arm 0 again.
    # N=5: 0.9 + √(ln 5/3) = 1.632, 0.5 + √(ln 5) = 1.769, 0.1 + 1.269 = 1.369: arm 1.
    # N=6: 0.9 + √(ln 6/3) = 1.673, 0.5 + √(ln 6/2) = 1.447, 0.1 + 1.339 = 1.439: arm 0.
    # N=7: 0.9 + √(ln 7/4) = 1.597, 0.5 + √(ln 7/2) = 1.486, 0.1 + √(ln 7) = 1.495: arm 0.
    # N=8: 0.9 + √(ln 8/5) = 1.545, 0.5 + √(ln 8/2) = 1.520, 0.1 + √(ln 8) = 1.542: arm 0.
    # N=9: 0.9 + √(ln 9/6) = 1.505, 0.5 + √(ln 9/2) = 1.548, 0.1 + √(ln 9) = 1.582: arm 2.
    root, visited = grown(bandit(0.9, 0.5, 0.1), 10, Selection("uct", 1.0))
    assert "".join(node.state.text for node in visited) == "0120010002"
    assert [child.visits for child in root.children] == [6, 2, 2]


def test_puct_by_hand() -> None:
    # Priors 0.6, 0.3, 0.1; all worth 0.5; c = 1. Tried once each by prior, then Q is the same for all and
    # P·√N/(1+n) decides: N=3: .52 .26 .09; N=4: .40 .30 .10; N=5: .34 .34 (just above) .11; N=6: .37 .24 .12.
    tree = bandit(0.5, 0.5, 0.5)
    tree.probabilities[""] = [0.3, 0.6, 0.1]
    _, visited = grown(tree, 5, Selection("puct", 1.0))
    assert "".join(node.state.text for node in visited) == "10211"
    root, _ = grown(tree, 400, Selection("puct", 1.0))
    assert [child.visits for child in root.children] == pytest.approx([120, 240, 40], abs=2)


@pytest.mark.parametrize("formula", ["uct", "puct"])
@given(seed=st.integers(0, 50), iterations=st.integers(1, 60), depth=st.integers(1, 4), branching=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_visits_add_up_and_every_step_is_tried_before_any_is_repeated(
    formula: str, seed: int, iterations: int, depth: int, branching: int
) -> None:
    tree = ToyTree(depth, branching, seed=seed, stops=0.2)
    selection = Selection("uct" if formula == "uct" else "puct", 1.0)
    root, visited = grown(tree, iterations, selection)
    assert len(visited) == root.visits == iterations
    assert root.visits == sum(child.visits for child in root.children)
    for node in everything(root):
        if node is not root and node.children:
            assert node.visits == 1 + sum(child.visits for child in node.children)
        if any(child.visits > 1 for child in node.children):
            assert all(child.visits for child in node.children)


@given(seed=st.integers(0, 50), iterations=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_a_nodes_value_is_the_mean_or_the_highest_of_all_found_below_it(seed: int, iterations: int) -> None:
    tree = ToyTree(3, 3, seed=seed, stops=0.2)
    root, visited = grown(tree, iterations, Selection())
    for node in everything(root):
        below = [tree.reward[other.state.text] for other in visited if other.state.text.startswith(node.state.text)]
        if below:
            assert node.visits == len(below)
            assert node.value("mean") == pytest.approx(math.fsum(below) / len(below))
            assert node.value("max") == max(below)


def test_ends_are_told_to_their_ancestors_again_and_again() -> None:
    root, visited = grown(bandit(0.25), 7, Selection())
    assert [node.state.text for node in visited] == ["0"] * 7
    assert (root.visits, root.total) == (7, 1.75)


@pytest.mark.parametrize("formula", ["uct", "puct"])
@pytest.mark.parametrize("seed", range(5))
def test_the_most_visited_answer_is_the_best_after_many_iterations(seed: int, formula: str) -> None:
    tree = ToyTree(depth=3, branching=2, seed=seed)
    # PUCT takes the longer to find the best answer the less likely it is; here all are equally likely.
    tree.probabilities = {text: [0.5, 0.5] for text in tree.probabilities}
    best = max((answer for answer, _ in tree.answers()), key=lambda answer: answer.score or 0.0)
    # Rollouts value beginnings, so that the highest values are found where the best answer is.
    search = Search(Everything(tree), tree)
    selection = Selection("uct" if formula == "uct" else "puct", 0.5, "max")
    answers = run_sync(mcts(search, iterations=1500, branching=2, selection=selection, rollouts=4))
    assert answers[0].text == best.text


def test_it_finds_what_a_greedy_search_walks_past() -> None:
    tree = ToyTree(depth=2, branching=2)
    tree.reward.update({"0": 0.6, "1": 0.4, "00": 0.2, "01": 0.3, "10": 0.1, "11": 1.0})
    found = run_sync(mcts(Search(Everything(tree), tree), iterations=200, branching=2, selection=Selection("uct", 0.5)))
    assert found[0].text == "11"
    assert {answer.text for answer in found} == {"11", "01", "00", "10"}


def test_the_highest_reward_and_the_most_visited_path_are_different_answers() -> None:
    tree = ToyTree(depth=2, branching=2)
    tree.reward.update({"0": 0.9, "1": 0.2, "00": 0.7, "01": 0.8, "10": 0.1, "11": 0.85})

    def answers(take: str) -> list[str]:
        search = Search(Everything(tree), tree)
        way: Take = "visits" if take == "visits" else "reward"
        found = run_sync(mcts(search, iterations=24, branching=2, selection=Selection("uct", 1.0), take=way))
        return [answer.text for answer in found]

    assert answers("visits")[0] == "01"
    assert answers("reward")[:2] == ["11", "01"]


def test_widening_adds_steps_as_a_beginning_is_visited() -> None:
    root, _ = grown(ToyTree(1, 64), 101, Selection(), branching=2, widening=0.5)
    # At the beginning of the 101st iteration the root has 100 visits.
    assert root.asked == sum(child.draws for child in root.children) == 2 * 10
    assert grown(ToyTree(1, 64), 101, Selection(), branching=2)[0].asked == 2


def test_equal_steps_are_one_and_their_draws_its_prior() -> None:
    class Twice:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            return [partial.then("ab"[i // 3], end="stop") for i in range(n)]

    class Same:
        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [0.5] * len(partials)

    search = Search(Twice(), Same())
    root = Node(search.root)
    run_sync(simulate(root, Steps(search, 4, 0.0, 0), Selection()))
    assert [(child.state.text, child.prior) for child in root.children] == [("a", 0.75), ("b", 0.25)]


def test_a_path_that_breaks_off_is_written_on() -> None:
    tree = ToyTree(depth=6, branching=2)
    search = Search(Everything(tree), tree)
    (answer,) = run_sync(mcts(search, iterations=3, branching=2))
    assert answer.complete
    assert answer.score == tree.reward[answer.text]


def test_rollouts_value_a_beginning_by_where_it_leads() -> None:
    tree = ToyTree(depth=2, branching=2)
    tree.reward.update({"0": 0.0, "1": 1.0, "00": 0.8, "01": 0.8, "10": 0.1, "11": 0.1})
    root, _ = grown(tree, 2, Selection(), rollouts=3)
    assert [child.value("mean") for child in root.children] == pytest.approx([0.8, 0.1])


def test_what_cannot_be_had_is_closed_and_the_rest_goes_on() -> None:
    class Broken:
        """Nothing follows `a`, and `b` has no reward."""

        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
            if partial.text == "a":
                return [TransientError("no reply", reason="server")] * n
            return [partial.then("abc"[i % 3], end="stop" if partial.steps else "") for i in range(n)]

        async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
            return [Failure("x", "parse", "unreadable") if p.text == "b" else 0.5 for p in partials]

    search = Search(Broken(), Broken())
    answers = run_sync(mcts(search, iterations=20, branching=3))
    assert {answer.text for answer in answers} == {"ca", "cb", "cc"}
    assert [failure.kind for failure in search.failures] == ["parse", "call", "call", "call"]


def test_a_search_without_any_step_ends_at_once() -> None:
    class Dead:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
            return [TransientError("no reply", reason="server")] * n

    search = Search(Dead(), ToyTree())
    assert run_sync(mcts(search, iterations=50, branching=2)) == []
    assert search.spent.calls == 2


def test_it_keeps_to_its_limit() -> None:
    tree = ToyTree(depth=4, branching=2)
    search = Search(Everything(tree), tree, limit=Limit(calls=21))
    with pytest.raises(Exhausted):
        run_sync(mcts(search, iterations=1000, branching=2))
    assert search.spent.calls == 20


class TestMCTS(TechniqueConformance):
    technique = MCTS(model="m", iterations=9, branching=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestMCTSWithRollouts(TechniqueConformance):
    technique = MCTS(
        model="m",
        iterations=6,
        branching=1,
        widening=0.5,
        formula="puct",
        backup="max",
        rollouts=2,
        take="reward",
        keep=3,
        max_steps=4,
        reward=Judge(model="m"),
    )
    script = staticmethod(stepping)
    candidates = ()


def test_the_model_is_asked_no_more_than_is_said() -> None:
    technique = MCTS(model="m", iterations=7, branching=3, reward=Judge(model="j"), delimiter="\n", max_steps=6)
    model = ScriptedModel(stepping)
    judge = ScriptedModel(lambda request, index: f"Rating: [{1 + request.messages[-1].content.count('step 2')}]")
    rehearsal = rehearse(technique, {"m": model, "j": judge})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text.startswith("step 2\n")
    assert len(model.draws()) <= 7 * 3 + 6
    assert len(judge.draws()) <= 8


def test_several_answers_are_left_best_first() -> None:
    def judge(request: Request, index: int) -> str:
        return f"Rating: [{1 + request.messages[-1].content.count('step 1')}]"

    technique = MCTS(model="m", iterations=40, branching=2, keep=3, take="reward", max_steps=4, reward=Judge(model="j"))
    candidates = rehearse(technique, {"m": ScriptedModel(stepping), "j": ScriptedModel(judge)}).state.candidates
    scores = [candidate.score or 0.0 for candidate in candidates]
    assert len(candidates) == len({candidate.text for candidate in candidates}) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_limit_ends_it_with_as_many_answers_as_are_kept() -> None:
    technique = MCTS(
        model="m", iterations=99, branching=2, max_steps=4, limit=Limit(calls=40), reward=Judge(model="m"), rollouts=1
    )
    state = rehearse(technique, ScriptedModel(stepping)).state
    assert len(state.candidates) == 1
    assert state.candidates[0].score is not None
    assert [failure.kind for failure in state.failures] == ["budget"]
