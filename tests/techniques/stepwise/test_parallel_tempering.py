"""Parallel tempering: moves and swaps leave the chains' targets as they are, and the first chain comes to its own."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.parallel_tempering import (
    ParallelTempering,
    ladder,
    parallel_tempering,
    rewrite_probability,
    swap_probability,
)
from techniques.stepwise.posterior import LogPotential, Path
from tests.techniques.stepwise.sampling import (
    ODDS,
    POTENTIALS,
    Distribution,
    by_text,
    distance,
    drawn_from,
    fits,
    log_value,
    search_on,
    target_of,
)
from tests.techniques.stepwise.test_step_best_of_n import stepping

BETAS = (1.0, 0.5, 0.0)


def mixed() -> ToyTree:
    """A tree with answers of two and of three steps, whose target is far from the model's distribution."""
    tree = ToyTree(depth=3, stops=0.3, seed=15)
    assert {len(answer.steps) for answer, _ in tree.answers()} == {2, 3}
    return tree


def test_the_ladder_goes_from_the_target_to_the_model() -> None:
    assert ladder(1) == (1.0,)
    assert ladder(2) == (1.0, 0.0)
    assert ladder(3) == (1.0, 0.5, 0.0)


@given(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1), st.sampled_from(sorted(POTENTIALS)))
def test_swaps_preserve_the_product_of_the_targets(seed: int, beta: float, other: float, potential: str) -> None:
    tree = ToyTree(depth=3, stops=0.3, seed=seed)
    value = {answer.text: log_value(answer, POTENTIALS[potential]) for answer, _ in tree.answers()}
    ours, _ = target_of(tree, POTENTIALS[potential], beta)
    theirs, _ = target_of(tree, POTENTIALS[potential], other)
    for x, y in itertools.product(value, value):
        there = ours[x] * theirs[y] * swap_probability(beta, other, value[x], value[y])
        back = ours[y] * theirs[x] * swap_probability(beta, other, value[y], value[x])
        assert there == pytest.approx(back, rel=1e-9, abs=1e-15)


@given(st.integers(0, 30), st.floats(0, 1), st.sampled_from(sorted(POTENTIALS)))
def test_rewriting_an_end_is_in_detailed_balance_whatever_the_lengths(seed: int, beta: float, potential: str) -> None:
    tree = ToyTree(depth=4, stops=0.3, seed=seed)
    answers = dict(tree.answers())
    target, _ = target_of(tree, POTENTIALS[potential], beta)

    def beginning(text: str) -> float:
        return math.fsum(p for answer, p in answers.items() if answer.text.startswith(text))

    def rewritten(x: Partial, y: Partial) -> float:
        """How likely a chain at x writes and accepts y."""
        accept = rewrite_probability(
            beta,
            log_value(x, POTENTIALS[potential]),
            log_value(y, POTENTIALS[potential]),
            len(x.steps),
            len(y.steps),
        )
        cuts = [cut for cut in range(len(x.steps)) if x.steps[:cut] == y.steps[:cut]]
        return math.fsum(answers[y] / beginning(x.text[:cut]) / len(x.steps) * accept for cut in cuts)

    for x, y in itertools.combinations(answers, 2):
        assert target[x.text] * rewritten(x, y) == pytest.approx(target[y.text] * rewritten(y, x), rel=1e-9, abs=1e-15)


def after_rounds(
    tree: ToyTree, rounds: int, times: int, potential: LogPotential
) -> tuple[list[list[Path]], list[Distribution]]:
    """States after some rounds from states that are draws from their targets, and the targets."""
    targets = [target_of(tree, potential, beta)[0] for beta in BETAS]
    rng = random.Random(0)

    async def run() -> list[list[Path]]:
        ends = []
        for seed in range(times):
            starts = [drawn_from(tree, target, rng) for target in targets]
            history = await parallel_tempering(search_on(tree, seed), BETAS, rounds, potential, starts=starts)
            ends.append(history[-1])
        return ends

    return run_sync(run()), targets


def assert_product_target(ends: list[list[Path]], targets: list[Distribution]) -> None:
    for chain, target in enumerate(targets):
        assert fits((states[chain][-1].text for states in ends), target)
    for k in range(len(targets) - 1):
        # Neighbours are independent under the product; a swap that favoured pairs would show here.
        pairs = {x + "|" + y: targets[k][x] * targets[k + 1][y] for x in targets[k] for y in targets[k + 1]}
        likely = {pair: p for pair, p in pairs.items() if p * len(ends) >= 5}
        rest = 1 - math.fsum(likely.values())
        seen = [f"{states[k][-1].text}|{states[k + 1][-1].text}" for states in ends]
        if rest * len(ends) >= 5:
            likely["rest"] = rest
        assert fits((pair if pair in likely else "rest" for pair in seen if pair in likely or "rest" in likely), likely)


def test_rounds_leave_the_product_of_the_targets_as_it_is() -> None:
    assert_product_target(*after_rounds(mixed(), 2, 700, ODDS))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [12, 15])
@pytest.mark.parametrize("potential", sorted(POTENTIALS))
def test_rounds_leave_every_product_of_targets_as_it_is(potential: str, seed: int) -> None:
    tree = ToyTree(depth=3, stops=0.3, seed=seed)
    assert_product_target(*after_rounds(tree, 2, 3000, POTENTIALS[potential]))


@pytest.mark.slow
def test_the_first_chain_comes_to_its_target() -> None:
    tree = mixed()
    target, _ = target_of(tree, ODDS)

    async def run() -> list[list[list[Path]]]:
        return [await parallel_tempering(search_on(tree, seed), BETAS, 24, ODDS) for seed in range(1500)]

    histories = run_sync(run())
    errors = [
        distance(target, by_text([history[round_][0] for history in histories], [1.0] * len(histories)))
        for round_ in range(24)
    ]
    # 1,500 exact draws would stand at about 0.015; the bias falls by an eighth in a round.
    assert errors[11] < errors[3] / 2 < errors[0]
    assert errors[-1] < 0.04


class Unreliable(ToyTree):
    """Loses the first ``lost`` draws."""

    lost = 0

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:  # type: ignore[override]
        drawn: list[Partial | ModelError] = [*await super().extend(partial, n)]
        lost, self.lost = min(n, self.lost), max(0, self.lost - n)
        return [TransientError("no reply", reason="server")] * lost + drawn[lost:]


def test_a_chain_that_cannot_start_starts_with_another_answer() -> None:
    tree = Unreliable(depth=3)
    tree.lost = 2
    search = search_on(tree)
    (states,) = run_sync(parallel_tempering(search, BETAS, 1, ODDS))
    assert len(states) == 3
    assert len(search.failures) == 2


def test_an_end_that_fails_is_not_accepted() -> None:
    tree = Unreliable(depth=2)
    tree.lost = 3
    rng = random.Random(0)
    target, _ = target_of(tree, ODDS)
    starts = [drawn_from(tree, target, rng)] * 3
    search = search_on(tree)
    assert run_sync(parallel_tempering(search, BETAS, 1, ODDS, starts=starts)) == [starts]
    assert len(search.failures) == 3


def test_nothing_is_found_where_everything_fails() -> None:
    tree = Unreliable(depth=2)
    tree.lost = 1000
    assert run_sync(parallel_tempering(search_on(tree), BETAS, 4, ODDS)) == []


class TestParallelTempering(TechniqueConformance):
    technique = ParallelTempering(model="m", chains=3, rounds=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestParallelTemperingSampling(TechniqueConformance):
    technique = ParallelTempering(
        model="m", chains=1, rounds=3, max_steps=5, reward=Judge(model="m"), potential="telescoping", select="sample"
    )
    script = staticmethod(stepping)
    candidates = ()


def test_it_leaves_the_first_chains_answers() -> None:
    best = ParallelTempering(model="m", chains=2, rounds=6, reward=Judge(model="m"))
    candidates = rehearse(best, ScriptedModel(stepping)).state.candidates
    scores = [candidate.score or 0.0 for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    assert len({candidate.origin for candidate in candidates}) == len(candidates)
    sample = ParallelTempering(model="m", chains=2, rounds=6, reward=Judge(model="m"), select="sample")
    assert len(rehearse(sample, ScriptedModel(stepping)).state.candidates) == 6
