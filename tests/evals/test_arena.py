"""Ratings and win rates against closed forms, worked numbers and simulated judges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.arena import Battle, battles_of, length_controlled, ratings, win_rate
from evals.records import Record

BATTLES = st.lists(
    st.builds(
        Battle,
        st.just("a"),
        st.sampled_from(["b", "c"]),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.sampled_from(["q1", "q2", "q3", ""]),
        st.floats(-1000, 1000),
    ),
    min_size=1,
    max_size=20,
)


def fights(first: str, second: str, wins: int, ties: int, losses: int) -> list[Battle]:
    return [Battle(first, second, score) for score in [1.0] * wins + [0.5] * ties + [0.0] * losses]


def test_two_models_differ_by_the_log_of_their_odds() -> None:
    rated = ratings(fights("a", "b", 14, 4, 6), prior=1e-9, draws=50)
    odds = (14 + 2) / (6 + 2)
    assert rated["a"].value - rated["b"].value == pytest.approx(400 * math.log10(odds), abs=1e-4)
    assert rated["a"].value + rated["b"].value == pytest.approx(2000)
    assert list(rated) == ["a", "b"]
    assert rated["a"].low < rated["a"].value < rated["a"].high
    assert rated["a"].n == 24, "battles without a question stand alone"


def test_ratings_solve_the_equations_of_maximum_likelihood() -> None:
    battles = fights("a", "b", 7, 1, 2) + fights("b", "c", 5, 0, 3) + fights("c", "a", 2, 2, 6)
    rated = {name: one.value for name, one in ratings(battles, prior=1e-9, draws=2).items()}
    for name in "abc":
        won = sum(b.score if b.first == name else 1 - b.score for b in battles if name in (b.first, b.second))
        expected = 0.0
        for battle in battles:
            if name in (battle.first, battle.second):
                other = battle.second if battle.first == name else battle.first
                expected += 1 / (1 + 10 ** ((rated[other] - rated[name]) / 400))
        assert expected == pytest.approx(won, abs=1e-5)


def test_the_strengths_of_a_simulation_are_within_their_intervals() -> None:
    rng = np.random.default_rng(3)
    truth = {"a": 1150.0, "b": 1050.0, "c": 950.0, "d": 850.0}
    battles = []
    for index in range(1200):
        x, y = rng.choice(list(truth), 2, replace=False)
        chance = 1 / (1 + 10 ** ((truth[y] - truth[x]) / 400))
        battles.append(Battle(str(x), str(y), float(rng.random() < chance), f"q{index}"))
    rated = ratings(battles, draws=200)
    assert list(rated) == list(truth)
    assert all(rated[name].low <= value <= rated[name].high for name, value in truth.items())
    assert all(rated[name].high - rated[name].low < 100 for name in truth)


def test_a_model_that_never_lost_is_rated_and_the_seed_decides_the_interval() -> None:
    battles = fights("a", "b", 5, 0, 0)
    assert ratings(battles, draws=20) == ratings(battles, draws=20)
    assert 1000 < ratings(battles, draws=20)["a"].value < 3000


@settings(max_examples=15, deadline=None)
@given(BATTLES)
def test_laws_of_ratings_and_rates(battles: list[Battle]) -> None:
    rated = ratings(battles, draws=3)
    turned = [Battle(b.second, b.first, 1 - b.score, b.question, -b.excess) for b in battles]
    for name, again in ratings(turned, draws=3).items():
        assert again.value == pytest.approx(rated[name].value, abs=1e-3), "who is named first does not matter"
    mean = win_rate(battles, "a").value
    assert 0 <= mean <= 1
    assert win_rate(turned, "a").value == pytest.approx(mean)
    for estimate in length_controlled(battles, "a", draws=3).values():
        assert 0 <= estimate.low <= estimate.high <= 1


def test_the_error_of_a_win_rate_is_clustered_by_question() -> None:
    questions = {"q1": [1, 1, 0, 1], "q2": [0, 0, 1], "q3": [1, 1, 1]}
    battles = [Battle("a", "b", s, name) for name, scores in questions.items() for s in scores]
    rate = win_rate(battles, "a")
    assert (rate.n, rate.clusters) == (10, 3)
    assert rate.value == pytest.approx(0.7)
    assert rate.standard_error == pytest.approx(0.1435270009, abs=1e-9)
    assert win_rate(battles, "b").value == pytest.approx(0.3)
    assert win_rate(battles[:4], "a").clusters == 1
    alone = win_rate([replace(battle, question="") for battle in battles], "a")
    assert alone.standard_error == pytest.approx(0.1527525232, abs=1e-9)


def judged(rng: np.random.Generator, name: str, strength: float, bias: float, longer: float) -> list[Battle]:
    """Battles with a baseline, before a judge who likes long answers as much as ``bias``."""
    excess = rng.normal(longer, 300, 2000)
    chance = 1 / (1 + np.exp(-(strength + bias * np.tanh(excess / excess.std()))))
    won = rng.random(2000) < chance
    return [Battle(name, "base", float(w), f"q{i}", float(e)) for i, (w, e) in enumerate(zip(won, excess, strict=True))]


def test_length_alone_wins_nothing_and_strength_does() -> None:
    rng = np.random.default_rng(1)
    battles = judged(rng, "wordy", 0.0, 1.5, 250) + judged(rng, "better", 1.0, 1.5, -250)
    assert win_rate(battles, "wordy").value > 0.6 > win_rate(battles, "better").value
    rates = length_controlled(battles, "base", draws=20)
    assert rates["wordy"].value == pytest.approx(0.5, abs=0.06)
    assert rates["better"].value == pytest.approx(1 / (1 + math.exp(-1)), abs=0.06)
    assert rates["better"].low < rates["better"].value < rates["better"].high
    assert list(rates) == ["better", "wordy"]


def test_without_differences_in_length_the_rate_is_the_plain_one() -> None:
    battles = [Battle("a", "base", score, f"q{i}") for i, score in enumerate([1, 1, 0, 1, 0.5, 0, 1, 1])]
    assert length_controlled(battles, "base", draws=5)["a"].value == pytest.approx(
        win_rate(battles, "a").value, abs=1e-3
    )


def test_two_rates_of_one_pair_sum_to_one_and_an_equal_is_at_one_half() -> None:
    battles = judged(np.random.default_rng(2), "a", 0.7, 1.0, 100)
    there, back = (length_controlled(battles, name, draws=2) for name in ("base", "a"))
    assert there["a"].value + back["base"].value == pytest.approx(1, abs=1e-9)
    same = [Battle("a", "base", 0.5, f"q{i}") for i in range(5)]
    assert length_controlled(same, "base", draws=2)["a"].value == pytest.approx(0.5)


def test_difficulty_comes_from_other_models_alone() -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 2, 300)
    battles = []
    for name, strength in [("a", 0.5), ("b", 0.0), ("c", -0.5)]:
        won = rng.random(300) < 1 / (1 + np.exp(-(strength - hard)))
        battles += [Battle(name, "base", float(w), f"q{i}") for i, w in enumerate(won)]
    rates = length_controlled(battles, "base", draws=20)
    for name in "abc":
        assert rates[name].value == pytest.approx(win_rate(battles, name).value, abs=0.01)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="between two models"):
        Battle("a", "a", 1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Battle("a", "b", 2)
    with pytest.raises(ValueError, match="no battles"):
        ratings([])
    with pytest.raises(ValueError, match="no battle of 'c'"):
        length_controlled(fights("a", "b", 1, 0, 0), "c")


def test_records_of_comparisons_are_battles() -> None:
    lengths = {"length": 120, "baseline_length": 100}
    scored = Record("bench", "fuse", "p1", 0, "g1", "done", "Why?", None, "x", None, 0.75, "", lengths)
    failed = replace(scored, problem="p2", group="p2", status="failed", score=0.0, detail={})
    crashed = replace(scored, problem="p3", score=None)
    assert battles_of([scored, failed, crashed], "gpt") == [
        Battle("fuse", "gpt", 0.75, "g1", 20.0),
        Battle("fuse", "gpt", 0.0, "p2", 0.0),
    ]
