"""Searches that go on with several beginnings at once, against trees of which everything is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.aggregate import Aggregate, without_repeats, worth
from techniques.stepwise.beam_search import BeamSearch, beam_search, shares
from techniques.stepwise.dvts import Dvts, dvts
from techniques.stepwise.search import Search
from techniques.stepwise.step_beam import StepBeam, step_beam
from techniques.stepwise.step_best_of_n import step_best_of_n
from tests.techniques.stepwise.test_step_best_of_n import as_expected, stepping

AGGREGATES: st.SearchStrategy[Aggregate] = st.sampled_from(["last", "min", "mean", "product"])


class Noting:
    """A proposal that notes what it was asked for, call by call."""

    longest = 1

    def __init__(self, proposal: ToyTree | Everything) -> None:
        self._proposal = proposal
        self.asked: list[tuple[str, int]] = []

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        self.asked.append((partial.text, n))
        return await self._proposal.extend(partial, n)

    def by_level(self) -> list[int]:
        levels: dict[int, int] = {}
        for text, n in self.asked:
            levels[len(text)] = levels.get(len(text), 0) + n
        return [levels[depth] for depth in sorted(levels)]


def trap() -> ToyTree:
    """A tree in which the best first step leads nowhere good."""
    tree = ToyTree(depth=2, branching=2)
    tree.reward = {"0": 0.8, "1": 0.7, "00": 0.1, "01": 0.2, "10": 0.3, "11": 0.9}
    return tree


class TestBeamSearch(TechniqueConformance):
    technique = BeamSearch(model="m", n=4, m=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


class TestStepBeam(TechniqueConformance):
    technique = StepBeam(model="m", beams=2, samples=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


class TestDvts(TechniqueConformance):
    technique = Dvts(model="m", n=4, m=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


class TestDvtsLookingAhead(TechniqueConformance):
    technique = Dvts(model="m", n=4, m=2, lookahead=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


@given(st.integers(0, 999), st.integers(1, 4), st.integers(2, 3), st.sampled_from([0.0, 0.3]), AGGREGATES)
def test_beams_for_everything_find_the_best_answer(
    seed: int, depth: int, branching: int, stops: float, how: Aggregate
) -> None:
    tree = ToyTree(depth, branching, seed=seed, stops=stops)
    best = max(worth(answer, how) or 0 for answer, _ in tree.answers())
    search = Search(Everything(tree), tree, aggregate=how)
    answers = run_sync(beam_search(search, n=branching**depth * branching, m=branching))
    assert len(answers) == len(list(tree.answers()))
    assert worth(answers[0], how) == best
    search = Search(Everything(tree), tree, aggregate=how)
    pool = run_sync(step_beam(search, beams=branching**depth, samples=branching, first=branching))
    assert worth(pool[0], how) == best


@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.0, 0.3]))
def test_one_beam_is_the_greedy_search(seed: int, depth: int, n: int, stops: float) -> None:
    def fresh() -> Search:
        tree = ToyTree(depth, 3, seed=seed, stops=stops)
        return Search(tree, tree)

    greedy = run_sync(step_best_of_n(search := fresh(), n))
    for one in (
        beam_search(beam := fresh(), n=n, m=n),
        step_beam(single := fresh(), beams=1, samples=n, first=n),
        dvts(tree := fresh(), n=n, m=n),
    ):
        assert run_sync(one) == greedy
    assert beam.spent == single.spent == tree.spent == search.spent


def test_every_level_draws_all_of_n() -> None:
    tree = ToyTree(depth=4, branching=3)
    noting = Noting(tree)
    run_sync(beam_search(Search(noting, tree), n=16, m=2, distinct=False))
    assert noting.by_level() == [16, 16, 16, 16]
    assert noting.asked[0] == ("", 16)
    assert [n for _, n in noting.asked[1:]] == [2] * 24
    noting = Noting(tree)
    run_sync(step_beam(Search(noting, tree), beams=2, samples=3, first=6))
    assert noting.by_level() == [6, 6, 6, 6]
    noting = Noting(tree)
    run_sync(dvts(Search(noting, tree), n=6, m=2))
    assert noting.by_level() == [6, 6, 6, 6]


def test_a_second_beam_escapes_a_trap() -> None:
    (caught,) = run_sync(beam_search(Search(Everything(trap()), trap()), n=2, m=2))
    assert caught.text == "01"
    free = run_sync(beam_search(Search(Everything(trap()), trap()), n=4, m=2))
    assert [answer.text for answer in free] == ["11", "10"]
    for beams, best in ((1, "01"), (2, "11")):
        search = Search(Everything(trap()), trap())
        assert run_sync(step_beam(search, beams=beams, samples=2, first=2))[0].text == best


class Early:
    """Ends with the first step where that is 0, and with the second elsewhere."""

    longest = 1

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        return [partial.then(str(i % 3), end="stop" if partial.steps or i % 3 == 0 else "", tokens=1) for i in range(n)]


class Rewards:
    """The rewards of a few beginnings, 0 for the others."""

    def __init__(self, **rewards: float) -> None:
        self._rewards = {name[1:]: reward for name, reward in rewards.items()}

    async def score(self, partials: Sequence[Partial]) -> list[float]:
        return [self._rewards.get(partial.text, 0.0) for partial in partials]


def test_a_complete_beam_holds_its_place() -> None:
    search = Search(Early(), Rewards(_0=0.6, _1=0.5, _10=0.9, _11=0.8))
    answers = run_sync(beam_search(search, n=6, m=3))
    assert [answer.text for answer in answers] == ["10", "0"]
    assert search.spent.calls == 6 + 3


def test_in_step_beam_search_a_complete_answer_has_to_hold_its_own() -> None:
    search = Search(Early(), Rewards(_0=0.6, _1=0.5, _10=0.9, _11=0.8))
    pool = run_sync(step_beam(search, beams=2, samples=3, first=6))
    assert [partial.text for partial in pool] == ["10", "11"]
    search = Search(Early(), Rewards(_0=0.6, _1=0.5, _10=0.4, _11=0.3))
    pool = run_sync(step_beam(search, beams=2, samples=3, first=6))
    assert [partial.text for partial in pool] == ["0", "10"]


def test_equal_texts_take_one_place_or_several() -> None:
    rewards = Rewards(_1=0.9, _2=0.5, _11=0.9, _21=0.8)
    noting = Noting(Early())  # type: ignore[arg-type]
    run_sync(beam_search(Search(noting, rewards), n=6, m=3))
    assert noting.asked[1:] == [("1", 3), ("2", 3)]
    noting = Noting(Early())  # type: ignore[arg-type]
    answers = run_sync(beam_search(Search(noting, rewards), n=6, m=3, distinct=False))
    assert noting.asked[1:] == [("1", 3), ("1", 3)]
    assert [answer.text for answer in answers] == ["11", "11"]


def test_the_earlier_of_equals_is_kept() -> None:
    search = Search(Early(), Rewards(_1=0.5, _2=0.5))
    (answer,) = run_sync(beam_search(search, n=3, m=3))
    assert answer.text == "10"


def test_draws_are_spread_over_the_beams_there_are() -> None:
    beams = [Partial().then(text) for text in "abc"]
    assert [n for _, n in shares(beams, 8)] == [3, 3, 2]


def test_an_answer_and_a_beginning_with_its_text_are_not_the_same() -> None:
    beginning, answer = Partial().then("a"), Partial().then("a", end="stop")
    assert without_repeats([beginning, answer, beginning]) == [beginning, answer]


class Broken:
    """Fails after the first step."""

    longest = None

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        if partial.steps:
            return [TransientError("no reply", reason="server")] * n
        return [partial.then(str(i)) for i in range(n)]


def test_beginnings_are_left_where_all_next_steps_fail() -> None:
    rewards = Rewards(_0=0.1, _1=0.3, _2=0.2)
    for left in (
        beam_search(Search(Broken(), rewards), n=4, m=2),
        step_beam(Search(Broken(), rewards), beams=2, samples=2, first=4),
    ):
        assert [partial.text for partial in run_sync(left)] == ["1", "2"]
    subtrees = run_sync(dvts(Search(Broken(), rewards), n=4, m=2))
    assert [partial.text for partial in subtrees] == ["1", "1"]


@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.3]))
def test_subtrees_never_exchange_prefixes(seed: int, trees: int, m: int, stops: float) -> None:
    class Named(ToyTree):
        """Signs the first step with a number of its own, so that every subtree is known by its texts."""

        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            plain = Partial(tuple(step[-1] for step in partial.steps))
            drawn = await super().extend(plain, n)
            numbers = range(len(firsts), len(firsts) + n)
            if not partial.steps:
                firsts.extend(numbers)
            signed = (
                [f"{number}:{child.steps[-1]}" for number, child in zip(numbers, drawn, strict=True)]
                if not partial.steps
                else [child.steps[-1] for child in drawn]
            )
            return [
                partial.then(step, end=child.end, tokens=1, logprob=child.logprob)
                for step, child in zip(signed, drawn, strict=True)
            ]

        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [self.reward["".join(step[-1] for step in partial.steps)] for partial in partials]

    firsts: list[int] = []
    tree = Named(4, 2, seed=seed, stops=stops)
    leaves = run_sync(dvts(Search(tree, tree), n=trees * m, m=m))
    families = [int(leaf.text.partition(":")[0]) // m for leaf in leaves]
    assert sorted(families) == list(range(trees))


def test_looking_ahead_escapes_a_trap_and_keeps_only_the_step() -> None:
    tree = trap()
    tree.reward |= {"00": 0.2, "01": 0.1, "10": 0.9, "11": 0.3}
    search = Search(Everything(tree), tree, ahead=Everything(tree))
    (leaf,) = run_sync(dvts(search, n=2, m=2, lookahead=1))
    assert leaf.text == "10"
    assert leaf.scores == (0.9, 0.9)
    # Two steps, a look at one more after each, and two more that end the answer, of which one was scored before.
    assert (search.spent.calls, search.spent.passes) == (6, 3)
    (blind,) = run_sync(dvts(Search(Everything(tree), tree), n=2, m=2))
    assert blind.text == "00"


def test_it_looks_ahead_at_temperature_0() -> None:
    technique = Dvts(model="m", n=2, m=2, lookahead=1, temperature=0.9, max_steps=5, reward=Judge(model="j"))
    model = ScriptedModel(stepping)
    rehearse(technique, {"m": model, "j": ScriptedModel(stepping)})
    assert {request.sampling.temperature for request in model.requests} == {0.0, 0.9}


@pytest.mark.parametrize("kind", [BeamSearch, Dvts])
def test_n_has_to_be_a_multiple_of_m(kind: type[BeamSearch | Dvts]) -> None:
    with pytest.raises(ValidationError, match="multiple of m"):
        kind(model="m", n=6, m=4, reward=Judge(model="m"))
