"""A* over the steps of an answer; :mod:`tests.techniques.stepwise.test_frontier` tries the search itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ConfigError, ModelError, TransientError
from archon.models.base import Request
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.a_star import AStar, Cost, a_star, price, waiting
from techniques.stepwise.search import Exhausted, Limit, Search
from tests.techniques.stepwise.test_step_best_of_n import stepping


class TestAStar(TechniqueConformance):
    technique = AStar(model="m", k=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestAStarByLogarithm(TechniqueConformance):
    technique = AStar(model="m", k=3, cost="-log r", weight=0.5, max_steps=5, limit=Limit(), reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestAStarAgain(TechniqueConformance):
    technique = AStar(model="m", k=1, weight=16.0, again=1.0, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


COSTS: st.SearchStrategy[Cost] = st.sampled_from(["1-r", "-log r"])


@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from([0.0, 0.3]), COSTS)
def test_without_an_estimate_the_cheapest_answer_there_is_is_found(
    seed: int, depth: int, stops: float, cost: Cost
) -> None:
    tree = ToyTree(depth, 3, seed=seed, stops=stops)
    search = Search(Everything(tree), tree)
    (answer,) = run_sync(a_star(search, waiting(search, 0), k=3, cost=cost))

    def total(partial: Partial) -> float:
        return sum(price(score, cost) for score in partial.scores)

    assert total(answer) == min(total(each) for each, _ in tree.answers())


@given(st.integers(0, 999), st.integers(1, 4), st.floats(0, 4), st.sampled_from([0.0, 0.3]), COSTS)
def test_the_lowest_cost_and_estimate_among_all_that_waits_is_taken(
    seed: int, depth: int, weight: float, stops: float, cost: Cost
) -> None:
    tree = ToyTree(depth, 2, seed=seed, stops=stops)
    search = Search(Everything(tree), tree)
    frontier = waiting(search, weight)
    (answer,) = run_sync(a_star(search, frontier, k=2, cost=cost))
    first, *others = list(frontier)
    assert first.state == answer
    assert first.estimate == weight * (1 - (answer.score or 0))
    assert all(other.total >= first.total for other in others)


def test_equal_steps_count_once() -> None:
    tree = ToyTree(1, 2)
    search = Search(Everything(tree), tree)
    frontier = waiting(search, 1.0)
    run_sync(a_star(search, frontier, k=6, cost="1-r"))
    assert len(frontier) == 2


class Numbered:
    """The n-th step drawn after a beginning is the number n, up to ``most`` different ones; two make an answer."""

    longest = None

    def __init__(self, most: int) -> None:
        self.most = most
        self.draws: dict[str, int] = {}

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        first = self.draws.get(partial.text, 0)
        self.draws[partial.text] = first + n
        steps = [str(min(first + i, self.most - 1)) for i in range(n)]
        return [partial.then(step, end="stop" if partial.steps else "") for step in steps]


class Only:
    """Rewards what begins as one answer does, and nothing else."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def score(self, partials: Sequence[Partial]) -> list[float]:
        return [0.9 if self.answer.startswith(partial.text) else 0.1 for partial in partials]


def drawn_until(answer: str, *, k: int, again: float | None) -> tuple[list[str], dict[str, int]]:
    """What A* finds where only one answer is good, and how much it drew after which beginnings."""
    numbered = Numbered(most=8)
    search = Search(numbered, Only(answer))
    found = run_sync(a_star(search, waiting(search, 16.0), k=k, cost="1-r", again=again))
    return [partial.text for partial in found], numbered.draws


def test_a_beginning_that_waits_again_is_drawn_from_until_something_good_comes_of_it() -> None:
    # "3", reached by the fourth draw, waits at 0.1 + 16 x 0.1 = 1.7, 2.7 ... 5.7, and the root at 4 and 5 in between.
    assert drawn_until("34", k=1, again=1.0) == (["34"], {"": 6, "3": 5})
    assert drawn_until("34", k=3, again=1.0) == (["34"], {"": 9, "3": 6})
    # Without it, what the first draws did not bring is never seen.
    assert drawn_until("34", k=3, again=None)[0] == ["00"]


def test_the_dearer_it_is_to_wait_again_the_sooner_another_beginning_is_tried() -> None:
    _, patient = drawn_until("74", k=1, again=1.0)
    _, impatient = drawn_until("74", k=1, again=8.0)
    assert patient == {"": 8, "7": 5}
    assert "0" in impatient


def test_nothing_waits_again_once_nothing_new_comes_of_it() -> None:
    class Cut(Numbered):
        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            return [replace(each, end="length") for each in await super().extend(partial, n)]

    cut = Cut(most=3)
    search = Search(cut, Only("0"))
    assert run_sync(a_star(search, waiting(search, 1.0), k=2, cost="1-r", again=0.1)) == []
    assert cut.draws == {"": 6}


def test_a_step_costs_what_its_reward_lacks() -> None:
    assert price(0.75, "1-r") == 0.25
    assert price(0.5, "-log r") == math.log(2)
    assert price(1.0, "-log r") == 0
    assert price(0.0, "-log r") == math.inf
    with pytest.raises(ConfigError, match="from 0 to 1"):
        price(1.5, "1-r")


def test_a_dead_end_is_left_for_what_else_waits() -> None:
    class Fragile:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
            if partial.text == "0":
                return [TransientError("no reply", reason="server")] * n
            return [partial.then(str(i), end="stop" if partial.steps else "") for i in range(n)]

    class Falling:
        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [1 - int(partial.steps[-1]) / 10 for partial in partials]

    search = Search(Fragile(), Falling())
    (answer,) = run_sync(a_star(search, waiting(search, 1.0), k=2, cost="1-r"))
    assert answer.text == "10"
    assert len(search.failures) == 2


def test_an_answer_that_was_cut_off_is_no_goal() -> None:
    class Cut:
        longest = None

        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            return [partial.then(str(i), end="length") for i in range(n)]

    class Equal:
        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [0.5 for _ in partials]

    search = Search(Cut(), Equal())
    assert run_sync(a_star(search, waiting(search, 1.0), k=2, cost="1-r")) == []


def test_what_waits_survives_a_limit() -> None:
    tree = ToyTree(4, 2)
    search = Search(Everything(tree), tree, limit=Limit(calls=5))
    frontier = waiting(search, 1.0)
    with pytest.raises(Exhausted):
        run_sync(a_star(search, frontier, k=2, cost="1-r"))
    # Each expansion takes one away and brings two.
    assert len(frontier) == 3


def late(request: Request, index: int) -> str:
    """Writes two steps, the better the lower their number, or ends at once with a bad answer."""
    prompt = request.messages[-1]
    if prompt.role == "user" and "rate" in prompt.content.lower():
        response = prompt.content.partition("Response:")[2].partition("Rate")[0]
        return f"Rating: [{9 - 2 * response.count('step 1')}]"
    return f"step {index}" if prompt.role == "user" or prompt.content.count("step") < 4 else ""


@pytest.mark.parametrize("limit", [Limit(calls=4), Limit(passes=5)])
def test_when_the_limit_is_used_up_the_best_beginning_is_left(limit: Limit) -> None:
    technique = AStar(model="m", k=2, limit=limit, reward=Judge(model="j"))
    rehearsal = rehearse(technique, {"m": ScriptedModel(late), "j": ScriptedModel(late)})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "step 0\n\nstep 0"
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget", "parse"]


def test_when_the_limit_is_used_up_a_complete_answer_is_preferred() -> None:
    def ends(request: Request, index: int) -> str:
        prompt = request.messages[-1]
        if prompt.role == "user" and "rate" in prompt.content.lower():
            return f"Rating: [{2 if 'bad' in prompt.content else 9}]"
        if prompt.role == "assistant" and "bad" in prompt.content:
            return ""
        return "bad" if index else "good"

    technique = AStar(model="m", k=2, cost="1-r", weight=0.0, limit=Limit(calls=22), reward=Judge(model="j"))
    rehearsal = rehearse(technique, {"m": ScriptedModel(ends), "j": ScriptedModel(ends)})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text.endswith("bad")
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]


def test_a_complete_answer_without_a_score_goes_before_a_beginning() -> None:
    technique = AStar(model="m", k=1, limit=Limit(passes=3), reward=Judge(model="j"))
    rehearsal = rehearse(technique, {"m": ScriptedModel(stepping), "j": ScriptedModel(stepping)})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "step 0\n\nstep 0\n\nstep 0"
    assert candidate.score is None
    assert [failure.kind for failure in rehearsal.state.failures] == ["budget"]
