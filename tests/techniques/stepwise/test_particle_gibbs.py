"""Particle Gibbs: conditional filters leave the target as it is, and their references come to it."""

from __future__ import annotations

import random

import pytest

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.particle_filter import particle_filter
from techniques.stepwise.particle_gibbs import ParticleGibbs, Sweep, particle_gibbs
from techniques.stepwise.posterior import LogPotential, Path
from tests.techniques.stepwise.sampling import (
    ODDS,
    POTENTIALS,
    Distribution,
    by_text,
    distance,
    drawn_from,
    fits,
    path_of,
    search_on,
    target_of,
)
from tests.techniques.stepwise.test_step_best_of_n import stepping


def mixed() -> ToyTree:
    """A tree with answers of two and of three steps, whose target is far from the model's distribution."""
    tree = ToyTree(depth=3, stops=0.3, seed=15)
    assert {len(answer.steps) for answer, _ in tree.answers()} == {2, 3}
    return tree


def after_one_sweep(tree: ToyTree, n: int, times: int, potential: LogPotential) -> tuple[list[str], Distribution]:
    """References after one sweep from references that are draws from the target, and the target."""
    target, _ = target_of(tree, potential)
    rng = random.Random(0)

    async def run() -> list[str]:
        texts = []
        for seed in range(times):
            reference = drawn_from(tree, target, rng)
            (sweep,) = await particle_gibbs(search_on(tree, seed), n, 1, potential, reference)
            texts.append(sweep.reference[-1].text)
        return texts

    return run_sync(run()), target


def error_by_iteration(tree: ToyTree, n: int, iterations: int, times: int) -> list[float]:
    """How far the references of independent chains are from the target, iteration by iteration."""
    target, _ = target_of(tree, ODDS)

    async def run() -> list[list[Sweep]]:
        return [await particle_gibbs(search_on(tree, seed), n, iterations, ODDS) for seed in range(times)]

    chains = run_sync(run())
    references = [[chain[iteration].reference for chain in chains] for iteration in range(iterations)]
    return [distance(target, by_text(paths, [1.0] * times)) for paths in references]


def test_a_sweep_leaves_the_target_as_it_is() -> None:
    texts, target = after_one_sweep(mixed(), 3, 1000, ODDS)
    assert fits(texts, target)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("seed", [12, 15])
@pytest.mark.parametrize("potential", sorted(POTENTIALS))
def test_a_sweep_leaves_every_target_as_it_is(potential: str, seed: int, n: int) -> None:
    texts, target = after_one_sweep(ToyTree(depth=3, stops=0.3, seed=seed), n, 6000, POTENTIALS[potential])
    assert fits(texts, target)


def test_references_come_to_the_target() -> None:
    errors = error_by_iteration(mixed(), 4, 4, 300)
    assert errors[0] > 0.15
    assert errors[-1] < 0.5 * errors[0]


@pytest.mark.slow
def test_the_error_falls_with_the_iterations() -> None:
    errors = error_by_iteration(mixed(), 4, 8, 1500)
    assert errors[0] > errors[1] > errors[3]
    assert errors[-1] < 0.05


def test_a_single_particle_is_the_reference() -> None:
    tree = mixed()
    for answer, _ in tree.answers():
        reference = path_of(answer)
        search = search_on(tree)
        sweeps = run_sync(particle_gibbs(search, 1, 3, ODDS, reference))
        assert [sweep.reference for sweep in sweeps] == [reference] * 3
        assert search.spent.calls == 0


def test_others_descend_from_the_reference_at_their_own_length() -> None:
    tree = ToyTree(depth=4, branching=3, rewards=(0.4, 0.6), seed=1)
    target, _ = target_of(tree, ODDS)
    reference = drawn_from(tree, target, random.Random(5))
    shared: set[int] = set()
    for seed in range(30):
        population = run_sync(
            particle_filter(search_on(tree, seed), 6, ODDS, scheme="multinomial", reference=reference)
        )
        assert population.paths[0] == reference
        for path in population.paths[1:]:
            assert [len(partial.steps) for partial in path] == [0, 1, 2, 3, 4]
            shared.add(sum(ours is theirs for ours, theirs in zip(path, reference, strict=True)))
    assert shared == {0, 1, 2, 3}


def test_the_reference_is_the_answer_when_all_others_fail() -> None:
    class Broken(ToyTree):
        async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:  # type: ignore[override]
            return [TransientError("no reply", reason="server")] * n

    tree = Broken(depth=3)
    reference: Path = path_of(next(tree.answers())[0])
    search = search_on(tree)
    (sweep,) = run_sync(particle_gibbs(search, 4, 1, ODDS, reference))
    assert sweep.reference == reference
    assert search.failures
    assert run_sync(particle_gibbs(search_on(tree), 4, 2, ODDS)) == []


class TestParticleGibbs(TechniqueConformance):
    technique = ParticleGibbs(model="m", n=3, iterations=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    candidates = ()


class TestParticleGibbsSampling(TechniqueConformance):
    technique = ParticleGibbs(
        model="m", n=2, iterations=3, max_steps=5, reward=Judge(model="m"), potential="reward", select="sample"
    )
    script = staticmethod(stepping)
    candidates = ()


def test_it_leaves_every_answer_once_or_one_reference_per_iteration() -> None:
    best = ParticleGibbs(model="m", n=4, iterations=3, reward=Judge(model="m"))
    candidates = rehearse(best, ScriptedModel(stepping)).state.candidates
    assert len({candidate.origin for candidate in candidates}) == len(candidates) > 4
    scores = [candidate.score or 0.0 for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    sample = ParticleGibbs(model="m", n=4, iterations=3, reward=Judge(model="m"), select="sample")
    assert len(rehearse(sample, ScriptedModel(stepping)).state.candidates) == 3
