"""How the benchmark of the searches compares them: on curves whose ratio is known, and on a reward without a fault."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.benchmarks.stepwise import WAYS, Measured, measure, price, ratio


def test_a_price_is_read_off_between_the_sizes() -> None:
    assert price([0.2, 0.6], [10, 30], 0.4) == pytest.approx(20)
    assert price([0.6, 0.2, 0.8], [30, 10, 70], 0.8) == pytest.approx(70)
    assert price([0.5], [10], 0.4) == 10
    assert price([0.2, 0.1, 0.6], [10, 20, 30], 0.4) == pytest.approx(20), "what is worse and dearer does not count"
    assert math.isinf(price([0.2, 0.6], [10, 30], 0.7))


def test_half_the_cost_everywhere_is_a_ratio_of_a_half() -> None:
    def curve(scale: float) -> list[Measured]:
        right = np.tile([0.0, 1.0, 1.0], 20)
        return [
            Measured(n, right * share, np.full(60, scale * n), np.ones(60), np.ones(60))
            for n, share in ((1, 0.3), (2, 0.6), (4, 0.9))
        ]

    found = ratio(curve(1.0), curve(2.0), "tokens")
    assert found["ratio"] == pytest.approx(0.5)
    assert found["low"] == pytest.approx(0.5)
    assert found["high"] == pytest.approx(0.5)


async def test_searches_are_right_where_the_reward_never_errs() -> None:
    for name, size in {"beam search, m = 4": 32, "particle filter": 32}.items():
        measured = await measure(WAYS[name], size, 0.0, 3)
        assert measured.right.mean() == 1.0, name
    answers = await measure(WAYS["best of n"], 4, 0.0, 3)
    assert set(answers.passes) == {4.0}
