"""The simulated reasoner obeys its own law."""

from __future__ import annotations

import math
import statistics

import pytest

from archon.concurrency import run_sync
from archon.stepwise import Partial
from archon.testing_reasoning import MARGIN, Reasoner, health


def walk(reasoner: Reasoner) -> Partial:
    return walks(reasoner, 1)[0]


def walks(reasoner: Reasoner, count: int) -> list[Partial]:
    """Answers, one after the other in one event loop: to make a loop for each takes longer than to walk."""

    async def one() -> Partial:
        partial = Partial()
        while partial.open:
            (partial,) = await reasoner.extend(partial, 1)
        return partial

    async def all_of_them() -> list[Partial]:
        return [await one() for _ in range(count)]

    return run_sync(all_of_them())


def logit(reward: float) -> float:
    return math.log(reward / (1 - reward))


def test_answers_are_right_as_often_as_the_value_says() -> None:
    reasoner = Reasoner(5, right=0.7, fatal=0.5, mend=0.4)
    expected = reasoner.value(Partial())
    answers = walks(reasoner, 2000)
    share = statistics.fmean(reasoner.correct(answer) for answer in answers)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(answers))
    assert all(answer.complete and len(answer.steps) == 5 for answer in answers)
    assert all(reasoner.value(answer) == reasoner.correct(answer) for answer in answers)
    assert 0.7**5 < expected < 1, "some errors are mended"


def test_nothing_comes_back_from_what_is_lost() -> None:
    reasoner = Reasoner(6, right=0.5, fatal=1.0, mend=1.0)
    for answer in walks(reasoner, 200):
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
    for answer in walks(reasoner, 3000):
        before.append(logit(reasoner.reward(Partial(answer.steps[:1]))) - MARGIN)
        after.append(logit(reasoner.reward(answer)) - MARGIN)
    assert statistics.stdev(after) == pytest.approx(noise, rel=0.07)
    assert statistics.fmean(after) == pytest.approx(0, abs=4 * noise / math.sqrt(3000))
    assert statistics.correlation(before, after) == pytest.approx(persistence, abs=0.08)


def test_without_noise_the_reward_knows() -> None:
    reasoner = Reasoner(noise=0.0, right=0.5)
    for answer in walks(reasoner, 50):
        assert (reasoner.reward(answer) > 0.5) is reasoner.correct(answer)
