"""Scoring, best-of-N, self-consistency and weighted votes: their laws, and what they come to in numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.architecture import Architecture
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.result import Result
from archon.reward import Reward
from archon.state import Candidate, Failure, State, Task
from archon.technique import Context
from archon.testing import ScriptedModel, rehearse
from techniques import BestOfN, Score, SelfConsistency, Vote
from techniques.rewards import Judge, Python
from tests.techniques.rewards.functions import MODULE

STATED = Python(function=f"{MODULE}:stated")
SCORES = st.sampled_from([None, 0.0, 0.25, 0.5, 0.75, 1.0])
TEXTS = st.sampled_from(["is 1", "is 1.0", "is 2", "It is 4/2", "is 3", "nothing"])
VALUES = {"is 1": 1, "is 1.0": 1, "is 2": 2, "It is 4/2": 2, "is 3": 3}
POOLS = st.lists(st.tuples(TEXTS, SCORES), min_size=1, max_size=7)
Pool = list[tuple[str, float | None]]


def _reward_by_text(scores: dict[str, float | None]) -> Reward:
    class Known(Reward):
        async def measure(self, state: State, context: Context) -> list[float | Failure]:
            missing = Failure(context.layer, "parse", "not known")
            given = [scores[candidate.text] for candidate in state.candidates]
            return [missing if score is None else score for score in given]

    return Known()


def _best_of_n(pool: Pool, **settings: Any) -> State:
    """Best-of-N over these texts and scores; a number behind each text makes the texts different."""
    texts = [f"{text}{' ' * i}" for i, (text, _) in enumerate(pool)]
    reward = _reward_by_text(dict(zip(texts, (score for _, score in pool), strict=True)))
    technique = BestOfN.model_construct(model="m", n=len(pool), reward=reward, **settings)
    rehearsal = rehearse(technique, ScriptedModel(texts), answer="math")
    assert rehearsal.result.error is None, rehearsal.result.error
    return rehearsal.state


@settings(max_examples=60, deadline=None)
@given(POOLS)
def test_best_of_n_is_the_argmax(pool: Pool) -> None:
    state = _best_of_n(pool)
    scores = [-math.inf if score is None else score for _, score in pool]
    best = scores.index(max(scores))
    (winner,) = state.candidates
    assert winner.origin == f"1.best_of_n/m#{best}"
    assert winner.score == pool[best][1]
    assert len(state.failures) == sum(score is None for _, score in pool)


def _weights(pool: Pool) -> dict[int, Fraction]:
    weights: dict[int, Fraction] = {}
    for text, score in pool:
        if text in VALUES and score is not None:
            weights[VALUES[text]] = weights.get(VALUES[text], Fraction(0)) + Fraction(score)
    return weights


@settings(max_examples=60, deadline=None)
@given(POOLS, st.integers(0, 3))
def test_a_weighted_vote_is_its_definition(pool: Pool, seed: int) -> None:
    candidates = [Candidate(text, str(i), score=score) for i, (text, score) in enumerate(pool)]
    rehearsal = rehearse(Vote(weighted=True), ScriptedModel(""), candidates=candidates, answer="math", seed=seed)
    (winner,) = rehearsal.state.candidates
    weights = _weights(pool)
    if not weights:
        assert winner == candidates[0]
        assert [failure.kind for failure in rehearsal.state.failures] == ["parse"]
        return
    assert weights[VALUES[winner.text]] == max(weights.values())
    group = [score for text, score in pool if VALUES.get(text) == VALUES[winner.text] and score is not None]
    assert winner.score == max(group)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.booleans(), st.integers(0, 3))
def test_no_vote_depends_on_the_order(data: st.DataObject, weighted: bool, seed: int) -> None:
    pool = data.draw(POOLS)
    if not _weights(pool):
        return
    candidates = [Candidate(text, score=score and score + 0.1) for text, score in pool]
    shuffled = data.draw(st.permutations(candidates))
    outcomes = [
        rehearse(Vote(weighted=weighted), ScriptedModel(""), candidates=some, answer="math", seed=seed).state.candidates
        for some in (candidates, shuffled)
    ]
    assert outcomes[0] == outcomes[1]


@settings(max_examples=40, deadline=None)
@given(POOLS)
def test_weighted_best_of_n_elects_the_heaviest_answer(pool: Pool) -> None:
    (winner,) = _best_of_n(pool, weighted=True).candidates
    weights = _weights(pool)
    if weights:
        assert weights[VALUES[winner.text.strip()]] == max(weights.values())
    else:
        scores = [-math.inf if score is None else score for _, score in pool]
        assert winner.origin == f"1.best_of_n/m#{scores.index(max(scores))}"


def test_heavy_votes_beat_many() -> None:
    pool: Pool = [("is 1", 0.25), ("is 2", 0.75), ("is 1", 0.25)]
    candidates = [Candidate(text, score=score) for text, score in pool]
    for weighted, text, score in [(False, "is 1", 2 / 3), (True, "is 2", 0.75)]:
        rehearsal = rehearse(Vote(weighted=weighted), ScriptedModel(""), candidates=candidates, answer="math")
        (winner,) = rehearsal.state.candidates
        assert winner.text == text
        assert winner.score == pytest.approx(score)


def test_scores_replace_earlier_ones_and_gaps_are_recorded() -> None:
    candidates = [Candidate("a |0.5", "x", ("good",), 0.9, True), Candidate("b |nan", "y", score=0.9)]
    state = rehearse(Score(reward=STATED), ScriptedModel(""), candidates=candidates).state
    assert state.candidates == (Candidate("a |0.5", "x", ("good",), 0.5, True), Candidate("b |nan", "y"))
    assert [(failure.layer, failure.kind) for failure in state.failures] == [("1.score", "parse")]


def test_a_judge_that_fails_leaves_the_first_draw_and_says_so() -> None:
    judge = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"))
    solver = ScriptedModel(["one", "two"])
    technique = BestOfN(model="m", n=2, reward=Judge(model="j"))
    rehearsal = rehearse(technique, {"m": solver, "j": judge})
    assert [candidate.text for candidate in rehearsal.state.candidates] == ["one"]
    assert [failure.kind for failure in rehearsal.state.failures] == ["call", "call"]


def test_draws_that_fail_are_recorded_and_the_rest_compete() -> None:
    def solver(request: Request, index: int) -> str | ModelError:
        return PermanentError("broken", reason="forbidden") if index == 0 else f"text |0.{index}"

    state = rehearse(BestOfN(model="m", n=3, reward=STATED), ScriptedModel(solver)).state
    assert [candidate.text for candidate in state.candidates] == ["text |0.2"]
    assert [failure.kind for failure in state.failures] == ["call"]


def test_self_consistency_is_generating_and_voting() -> None:
    solver = ScriptedModel(["is 1", "is 2", "is 2.0"])
    (winner,) = rehearse(SelfConsistency(model="m", n=3), solver, answer="math").state.candidates
    assert winner.text == "is 2"
    assert winner.score == pytest.approx(2 / 3)


def _run(layer: dict[str, Any], script: Any, questions: int) -> list[Result]:
    architecture = Architecture.model_validate(
        {"name": "a", "models": {"m": "openai/m"}, "layers": [layer], "answer": "math"}
    )

    async def run() -> list[Result]:
        async with Engine(architecture, models={"m": ScriptedModel(script)}) as engine:
            return [result async for _, result in engine.run_all(Task.of(f"Q{i}") for i in range(questions))]

    return run_sync(run())


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_the_best_of_n_uniform_rewards_is_n_out_of_n_plus_1(n: int) -> None:
    """The mean of the greatest of n independent uniform numbers, within four standard errors."""

    def uniform(request: Request, index: int) -> str:
        return f"text |{Request(request.messages, indices=(index,)).wire_seed() / 2**31}"

    reward = {"python": {"function": STATED.function}}
    results = _run({"best_of_n": {"model": "m", "n": n, "reward": reward}}, uniform, 400)
    best = [result.candidates[0].score or 0.0 for result in results]
    assert abs(fmean(best) - n / (n + 1)) < 4 * pstdev(best) / math.sqrt(len(best))


def _plurality(shares: Sequence[float], n: int) -> float:
    """The probability that the first of several answers wins a vote of n, ties being broken at random."""
    total = 0.0
    for drawn in product(range(len(shares)), repeat=n):
        votes = Counter(drawn)
        winners = [answer for answer, count in votes.items() if count == max(votes.values())]
        total += math.prod(shares[answer] for answer in drawn) * ((0 in winners) / len(winners))
    return total


@pytest.mark.parametrize("n", [1, 3, 5])
def test_self_consistency_is_a_plurality_of_multinomial_draws(n: int) -> None:
    """How often the likeliest of three answers wins, within four standard errors."""
    shares = (0.5, 0.3, 0.2)

    def answer(request: Request, index: int) -> str:
        u = Request(request.messages, indices=(index,)).wire_seed() / 2**31
        return "is 1" if u < 0.5 else "is 2" if u < 0.8 else "is 3"

    results = _run({"self_consistency": {"model": "m", "n": n}}, answer, 600)
    won = fmean(result.text == "is 1" for result in results)
    expected = _plurality(shares, n)
    assert abs(won - expected) < 4 * math.sqrt(expected * (1 - expected) / len(results))
