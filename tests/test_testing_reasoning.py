"""The simulated reasoner obeys its own law."""

from __future__ import annotations

import math
import statistics

import pytest

from archon.concurrency import run_sync
from archon.stepwise import Partial
from archon.testing_reasoning import MARGIN, Reasoner, health


def walk(reasoner: Reasoner) -> Partial:
    partial = Partial()
    while partial.open:
        (partial,) = run_sync(reasoner.extend(partial, 1))
    return partial


def logit(reward: float) -> float:
    return math.log(reward / (1 - reward))


def test_answers_are_right_as_often_as_the_value_says() -> None:
    reasoner = Reasoner(5, right=0.7, fatal=0.5, mend=0.4)
    expected = reasoner.value(Partial())
    answers = [walk(reasoner) for _ in range(2000)]
    share = statistics.fmean(reasoner.correct(answer) for answer in answers)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(answers))
    assert all(answer.complete and len(answer.steps) == 5 for answer in answers)
    assert all(reasoner.value(answer) == reasoner.correct(answer) for answer in answers)
    assert 0.7**5 < expected < 1, "some errors are mended"


def test_nothing_comes_back_from_what_is_lost() -> None:
    reasoner = Reasoner(6, right=0.5, fatal=1.0, mend=1.0)
    for _ in range(200):
        answer = walk(reasoner)
        states = [health(Partial(answer.steps[:n])) for n in range(1, 7)]
        assert states == sorted(states, key=("sound", "lost").index)


def test_the_same_seeds_give_the_same_and_a_text_keeps_its_reward() -> None:
    first, second = Reasoner(seed=3, draws=5), Reasoner(seed=3, draws=5)
    answer = walk(first)
    assert walk(second) == answer
    assert first.reward(answer) == first.reward(answer) == second.reward(answer)
    assert walk(Reasoner(seed=3, draws=6)) != answer
    assert Reasoner(seed=4).reward(answer) != first.reward(answer)


@pytest.mark.parametrize(("noise", "persistence"), [(0.5, 0.0), (2.0, 0.8)])
def test_the_noise_is_as_strong_and_as_lasting_as_asked_for(noise: float, persistence: float) -> None:
    before, after = [], []
    reasoner = Reasoner(2, right=1.0, noise=noise, persistence=persistence, seed=1)
    for _ in range(3000):
        answer = walk(reasoner)
        before.append(logit(reasoner.reward(Partial(answer.steps[:1]))) - MARGIN)
        after.append(logit(reasoner.reward(answer)) - MARGIN)
    assert statistics.stdev(after) == pytest.approx(noise, rel=0.07)
    assert statistics.fmean(after) == pytest.approx(0, abs=4 * noise / math.sqrt(3000))
    assert statistics.correlation(before, after) == pytest.approx(persistence, abs=0.08)


def test_without_noise_the_reward_knows() -> None:
    reasoner = Reasoner(noise=0.0, right=0.5)
    for _ in range(50):
        answer = walk(reasoner)
        assert (reasoner.reward(answer) > 0.5) is reasoner.correct(answer)
