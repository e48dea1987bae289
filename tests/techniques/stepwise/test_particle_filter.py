"""Particle filtering against enumerated targets, and on a scripted model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.models.base import Completion, Request
from archon.state import Failure
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.particle_filter import ParticleFilter, Population, particle_filter
from techniques.stepwise.posterior import Potential, log_potential, propagate
from techniques.stepwise.resampling import Scheme
from techniques.stepwise.search import Limit, Search
from tests.techniques.stepwise.sampling import (
    ODDS,
    POTENTIALS,
    REWARD,
    TELESCOPING,
    by_text,
    distance,
    log_value,
    mean_and_error,
    search_on,
    slope,
    target_of,
)
from tests.techniques.stepwise.test_step_best_of_n import as_expected, stepping

SETTINGS: list[tuple[Scheme, float]] = [
    ("multinomial", 1.0),
    ("systematic", 0.5),
    ("stratified", 0.5),
    ("residual", 0.5),
]


def filtered(tree: ToyTree, n: int, times: int, potential: Any, **settings: Any) -> list[Population]:
    """Independent filters on one tree."""

    async def run() -> list[Population]:
        return [await particle_filter(search_on(tree, seed), n, potential, **settings) for seed in range(times)]

    return run_sync(run())


def error_of(tree: ToyTree, n: int, times: int, potential: Any, **settings: Any) -> float:
    """The mean distance of a filter from its target."""
    target, _ = target_of(tree, potential)
    runs = filtered(tree, n, times, potential, **settings)
    return math.fsum(distance(target, by_text(run.paths, run.weights)) for run in runs) / times


def assert_evidence_is_unbiased(tree: ToyTree, runs: Sequence[Population], potential: Any) -> None:
    _, constant = target_of(tree, potential)
    mean, error = mean_and_error([math.exp(run.log_evidence) for run in runs])
    assert abs(mean - constant) < 4 * error, f"z = {(mean - constant) / error}"
    mean_log, error_log = mean_and_error([run.log_evidence for run in runs])
    assert mean_log <= math.log(constant) + 2 * error_log


@pytest.mark.slow
@pytest.mark.parametrize("stops", [0.0, 0.3])
@pytest.mark.parametrize(("scheme", "threshold"), SETTINGS)
def test_the_error_falls_with_the_square_root_of_the_particles(scheme: Scheme, threshold: float, stops: float) -> None:
    tree = ToyTree(depth=3, stops=stops, seed=15)
    points = [
        (n, error_of(tree, n, times, TELESCOPING, scheme=scheme, threshold=threshold))
        for n, times in ((16, 300), (64, 120), (256, 60), (1024, 16))
    ]
    assert slope(points) == pytest.approx(-0.5, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("stops", [0.0, 0.3])
@pytest.mark.parametrize("potential", sorted(POTENTIALS))
@pytest.mark.parametrize(("scheme", "threshold"), SETTINGS)
def test_the_evidence_is_unbiased(scheme: Scheme, threshold: float, potential: str, stops: float) -> None:
    tree = ToyTree(depth=3, stops=stops, seed=12)
    runs = filtered(tree, 8, 1500, POTENTIALS[potential], scheme=scheme, threshold=threshold)
    assert_evidence_is_unbiased(tree, runs, POTENTIALS[potential])


@pytest.mark.parametrize(("scheme", "threshold"), SETTINGS)
def test_the_error_falls_and_the_evidence_is_unbiased(scheme: Scheme, threshold: float) -> None:
    tree = ToyTree(depth=3, stops=0.3, seed=12)
    assert {len(answer.steps) for answer, _ in tree.answers()} == {1, 3}
    few = filtered(tree, 4, 300, ODDS, scheme=scheme, threshold=threshold)
    assert_evidence_is_unbiased(tree, few, ODDS)
    target, _ = target_of(tree, ODDS)
    error = math.fsum(distance(target, by_text(run.paths, run.weights)) for run in few) / len(few)
    assert error_of(tree, 64, 20, ODDS, scheme=scheme, threshold=threshold) < 0.4 * error


@pytest.mark.parametrize("scheme", ["multinomial", "systematic", "stratified", "residual"])
def test_a_constant_potential_leaves_the_prior(scheme: Scheme) -> None:
    tree = ToyTree(depth=3, seed=2)
    prior = {answer.text: probability for answer, probability in tree.answers()}
    for constant in (1.0, 0.4):
        (run,) = filtered(tree, 1000, 1, lambda partial, c=constant: math.log(c), scheme=scheme)
        assert run.log_evidence == pytest.approx(3 * math.log(constant), abs=1e-9)
        assert run.weights == pytest.approx([1 / 1000] * 1000)
        assert distance(prior, by_text(run.paths, run.weights)) < 0.12


def test_constant_rewards_of_a_half_have_odds_of_one() -> None:
    tree = ToyTree(depth=4, rewards=(0.5, 0.5), stops=0.4)
    (run,) = filtered(tree, 16, 1, ODDS)
    assert run.log_evidence == pytest.approx(0.0, abs=1e-12)


@given(st.integers(0, 50), st.sampled_from([0.0, 0.4]), st.floats(0.2, 5), st.floats(0.2, 5))
def test_telescoping_leaves_the_last_reward_alone(seed: int, stops: float, tau: float, final_tau: float) -> None:
    tree = ToyTree(depth=4, stops=stops, seed=seed)
    for answer, _ in tree.answers():
        last = math.log(answer.scores[-1])
        length = len(answer.steps)
        assert log_value(answer, TELESCOPING) == pytest.approx(last)
        assert log_value(answer, log_potential("telescoping", tau)) == pytest.approx(last / tau)
        annealed = log_potential("telescoping", tau, final_tau, 4)
        assert log_value(answer, annealed) == pytest.approx(last / (tau + (length - 1) / 3 * (final_tau - tau)))


@pytest.mark.parametrize("potential", ["reward", "odds", "telescoping"])
def test_rewards_are_clipped_alike(potential: Potential) -> None:
    value = log_potential(potential)
    for reward, clipped in ((0.0, 1e-6), (-3.0, 1e-6), (1.0, 1 - 1e-6), (2.0, 1 - 1e-6)):
        first = Partial().then("a").with_score(reward)
        assert value(first) == value(Partial().then("a").with_score(clipped))
        assert value(first.then("b").with_score(0.5)) == value(
            Partial().then("a").with_score(clipped).then("b").with_score(0.5)
        )


def test_the_temperature_divides_what_rewards_say() -> None:
    partial = Partial().then("a").with_score(0.8)
    assert log_potential("reward", 2.0)(partial) == pytest.approx(math.log(0.8) / 2)
    assert log_potential("odds", 0.5)(partial) == pytest.approx(2 * math.log(4))
    second = partial.then("b").with_score(0.8)
    assert log_potential("odds", 1.0, 3.0, 3)(second) == pytest.approx(math.log(4) / 2)


def test_a_finished_particle_is_not_weighted_again() -> None:
    class Uneven:
        """``a`` is an answer already, ``b`` needs three more steps; all have the same reward."""

        longest = 1

        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            if partial.steps:
                return [partial.then("b", end="stop" if len(partial.steps) == 3 else "")] * n
            return [partial.then("a", end="stop") if i % 2 else partial.then("b") for i in range(n)]

        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [0.9 if partial.complete else 0.5 for partial in partials]

    world = Uneven()
    population = run_sync(particle_filter(Search(world, world), 4, ODDS, threshold=0.0))
    assert [path[-1].text for path in population.paths] == ["bbbb", "a", "bbbb", "a"]
    assert population.weights == pytest.approx([0.25] * 4)
    assert math.exp(population.log_evidence) == pytest.approx(9)


def test_equal_beginnings_are_asked_for_together() -> None:
    asked: list[tuple[str, int]] = []

    class Watched(ToyTree):
        async def extend(self, partial: Partial, n: int) -> list[Partial]:
            asked.append((partial.text, n))
            return await super().extend(partial, n)

    tree = Watched(depth=4, branching=2)
    run_sync(particle_filter(search_on(tree), 32, REWARD))
    assert asked[0] == ("", 32)
    assert len({text for text, _ in asked}) == len(asked)
    assert sum(n for _, n in asked) == 4 * 32


class Failing(ToyTree):
    """Loses every third draw, and never scores what ends with 11."""

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:  # type: ignore[override]
        drawn = await super().extend(partial, n)
        return [TransientError("no reply", reason="server") if i % 3 == 2 else child for i, child in enumerate(drawn)]

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:  # type: ignore[override]
        return [
            Failure("x", "parse", "unreadable") if partial.text.endswith("11") else self.reward[partial.text]
            for partial in partials
        ]


def test_particles_that_fail_are_dropped_and_recorded() -> None:
    search = search_on(Failing(depth=3))
    population = run_sync(particle_filter(search, 12, ODDS, threshold=1.0))
    assert 0 < len(population.paths) < 12
    assert math.fsum(population.weights) == pytest.approx(1)
    assert not any(path[-1].text.endswith("11") for path in population.paths)
    kinds = Counter(failure.kind for failure in search.failures)
    assert kinds["call"] >= 4 and kinds["parse"] >= 1


def test_failures_that_do_not_depend_on_the_answer_do_not_bias_the_filter() -> None:
    class Unreliable(Failing):
        score = ToyTree.score  # type: ignore[assignment]

    tree = Unreliable(depth=3, stops=0.3, seed=12)
    runs = filtered(tree, 12, 300, ODDS)
    target, _ = target_of(tree, ODDS)
    pooled: Counter[str] = Counter()
    for run in runs:
        for text, weight in by_text(run.paths, run.weights).items():
            pooled[text] += weight * math.exp(run.log_evidence)  # type: ignore[assignment]
    assert distance(target, pooled) < 0.02


def test_the_search_ends_when_all_particles_fail() -> None:
    class Broken(ToyTree):
        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:  # type: ignore[override]
            if not partial.steps:
                return [*await super().extend(partial, n)]
            return [TransientError("no reply", reason="server")] * n

    search = search_on(Broken(depth=3))
    assert run_sync(particle_filter(search, 4, ODDS)) == Population()
    assert len(search.beginnings()) == 4


def test_propagating_nothing_open_asks_nothing() -> None:
    search = search_on(ToyTree())
    done = Partial().then("x", end="stop")
    assert run_sync(propagate(search, [done, done])) == [done, done]
    assert search.spent.calls == 0


class TestParticleFilter(TechniqueConformance):
    technique = ParticleFilter(model="m", n=3, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


class TestParticleFilterSampling(TechniqueConformance):
    technique = ParticleFilter(
        model="m",
        n=4,
        max_steps=5,
        reward=Judge(model="m"),
        potential="telescoping",
        tau=2.0,
        final_tau=0.5,
        scheme="residual",
        threshold=1.0,
        select="sample",
    )
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


def test_all_final_particles_are_left_best_first() -> None:
    technique = ParticleFilter(model="m", n=6, reward=Judge(model="m"))
    rehearsal = rehearse(technique, ScriptedModel(stepping))
    scores = [candidate.score for candidate in rehearsal.state.candidates]
    assert len(scores) == 6
    assert scores == sorted(scores, key=lambda score: -(score or 0.0))
    assert len(set(scores)) > 1


def test_a_sample_holds_complete_answers_as_often_as_their_weights_say() -> None:
    def script(request: Request, index: int) -> str | Completion:
        prompt = request.messages[-1]
        if prompt.role == "user" and "rate" in prompt.content.lower():
            return "Rating: [9]" if "good" in prompt.content else "Rating: [2]"
        if prompt.role == "assistant":
            return ""
        return ("good", "bad")[index % 2]

    # The odds of 9 and of 2 on a scale of 10 make good answers far more likely than they are drawn.
    technique = ParticleFilter(model="m", n=32, reward=Judge(model="m"), select="sample", threshold=0.0)
    texts = [candidate.text for candidate in rehearse(technique, ScriptedModel(script)).state.candidates]
    assert len(texts) == 32
    assert texts.count("good") > 28


def test_a_limit_keeps_the_best_answer_found() -> None:
    technique = ParticleFilter(model="m", n=4, reward=Judge(model="m"), limit=Limit(calls=10))
    rehearsal = rehearse(technique, ScriptedModel(stepping))
    assert rehearsal.state.candidates
    assert "budget" in {failure.kind for failure in rehearsal.state.failures}
