"""Plans: designs are orthogonal, grids are complete, the greedy baseline climbs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.history import Entry, History
from search.proposing import Factorial, Greedy, Grid, hadamard, levels, main_effects, plackett_burman
from search.spec import StudySpec
from tests.search.toys import outcomes, toy


@pytest.mark.parametrize("size", [1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 44, 48])
def test_hadamard_matrices_are_orthogonal(size: int) -> None:
    matrix = hadamard(size)
    assert matrix is not None
    assert np.array_equal(matrix @ matrix.T, size * np.eye(size))
    assert (matrix[:, 0] == 1).all()
    assert set(matrix.ravel()) <= {-1, 1}


def test_there_is_none_of_other_sizes() -> None:
    assert all(hadamard(size) is None for size in (3, 5, 6, 7, 10, 14, 18))


@given(st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_a_design_is_balanced_orthogonal_and_free_of_two_way_interactions(factors: int) -> None:
    design = plackett_burman(factors)
    runs = len(design)
    assert design.shape[1] == factors
    assert runs >= 2 * (factors + 1)
    assert (design.sum(axis=0) == 0).all()
    assert np.array_equal(design.T @ design, runs * np.eye(factors))
    pairs = design[:, :1] * design[:, -1:] if factors > 1 else np.zeros((runs, 1))
    assert (pairs.T @ design == 0).all(), "the mirror image cancels what two factors do together"


def test_main_effects_come_back_from_a_design() -> None:
    rng, design = np.random.default_rng(0), plackett_burman(5)
    truth = np.array([0.3, -0.2, 0.0, 0.1, 0.0])
    answers = 0.5 + design @ (truth / 2) + 0.001 * rng.standard_normal(len(design))
    runs = {f"x{i}": [(int(v), float(y)) for v, y in zip(design[:, i], answers, strict=True)] for i in range(5)}
    found = main_effects(runs)
    # Values sort as text, in which -1 comes before 1.
    assert [found[f"x{i}"]["effect"] for i in range(5)] == pytest.approx(truth, abs=0.005)


def test_a_grid_proposes_every_setting_once_and_stops() -> None:
    space, history = toy(), History(StudySpec())
    grid = Grid(space, seed=3)
    proposed = [dict(params) for params in iter(lambda: grid(history), None)]
    key = [tuple(sorted(params.items())) for params in proposed]
    assert sorted(key) == sorted(tuple(sorted(params.items())) for params in space.enumerate())
    assert key != [tuple(sorted(params.items())) for params in space.enumerate()], "in random order"


def test_an_effect_of_a_level_that_was_tried_once_has_no_error() -> None:
    assert main_effects({"n": [(1, 0.0), (4, 1.0), (4, 0.5)]}) == {"n": {"effect": 0.75, "standard_error": None}}


def test_a_factorial_plan_uses_the_ends_of_every_setting() -> None:
    space = toy()
    plan, history = Factorial(space, seed=0), History(StudySpec())
    proposed = list(iter(lambda: plan(history), None))
    assert len(proposed) == len(plan.design)
    ends = {p.name: {levels(p)[0], levels(p)[-1]} for p in space.parameters}
    assert all(value in ends[name] for params in proposed for name, value in params.items())


def test_the_greedy_baseline_ends_at_the_best_where_settings_do_not_interact() -> None:
    space, spec = toy(), StudySpec(sampler="greedy")
    worth = {1: 0.0, 2: 0.2, 4: 0.4, "weak": 0.0, "strong": 0.3, "vote": 0.1}
    greedy, history = Greedy(space, seed=5), History(spec)
    for number, params in enumerate(iter(lambda: greedy(history), None)):
        accuracy = sum(worth.get(value, 0.0) for name, value in params.items() if "rank" not in name)
        history.add(Entry(number, params, space.build(params), outcomes([accuracy] * 10), whole=True))
    best = history.best
    assert best is not None
    assert best.accuracy == pytest.approx(max(e.accuracy for e in history.entries.values()))
    assert best.params["layers.0.generate.n"] == 4
    assert best.params["layers.0.generate.model"] == "strong"
