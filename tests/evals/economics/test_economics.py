"""What right answers cost, against worked numbers and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.cost import Price, Usage
from evals.economics.cost_of_pass import of_problem, of_task, per_problem, pooled, posterior
from evals.economics.frontier import essentialness, expected_plug_in, frontier, progress
from evals.economics.marginal import marginal, net_benefit
from evals.economics.pareto import efficient, pareto
from evals.table import SECONDS, TOKENS, Table, dollars

USD = dollars("2026-10-05")
COSTS = (0.010, 0.012, 0.008, 0.020, 0.011, 0.009, 0.015, 0.013)
RIGHT = (1, 1, 0, 0, 1, 1, 0, 1)


def runs(name: str, price: float, passes: tuple[int, ...], of: int = 8) -> Table:
    return Table.of(name, [[1] * p + [0] * (of - p) for p in passes], {USD: [[price] * of] * len(passes)})


WORKED = {
    "L": runs("L", 0.0004, (8, 4, 0, 0)),
    "G": runs("G", 0.01, (8, 8, 2, 0)),
    "R": runs("R", 0.06, (8, 8, 8, 4)),
}


def test_cost_of_a_request_and_of_a_pass() -> None:
    price = Price(input=0.15, cached_input=0.075, output=0.60, date="2026-10-05")
    cost = price.of(Usage(prompt=1000, cached=400, completion=500, reasoning=200), 1.0)
    assert cost == pytest.approx(0.00042)
    assert of_problem([1] * 3 + [0] * 5, [cost] * 8, USD).value == pytest.approx(0.00112)


def test_the_delta_method() -> None:
    found = of_problem(RIGHT, COSTS, USD)
    assert found.value == pytest.approx(0.0196, abs=1e-12)
    assert found.standard_error == pytest.approx(0.00698995, abs=1e-8)
    assert 0 < found.low < found.value < found.high < math.inf
    assert (found.n, found.unit, found.method) == (8, USD, "delta")


def test_no_pass_leaves_a_bound_and_all_passes_leave_doubt() -> None:
    none = of_problem([0] * 8, [0.01] * 8, USD)
    assert (none.value, none.high, none.method) == (math.inf, math.inf, "bound")
    assert none.low == pytest.approx(0.01 / (1 - 0.05 ** (1 / 8)))
    every = of_problem([1] * 8, [0.01] * 8, USD)
    assert [every.low, every.value] == pytest.approx([0.01, 0.01])
    assert every.high == pytest.approx(0.01 / 0.05 ** (1 / 8))
    one = of_problem([1], [0.01], USD)
    assert [one.value, one.high] == pytest.approx([0.01, 0.2])
    with pytest.raises(ValueError, match="a cost for each score"):
        of_problem([], [], USD)


def test_the_interval_of_a_problem_covers() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        scores = rng.random(30) < 0.4
        found = of_problem(scores, 0.01 * (1 + rng.random(30)), USD)
        held += found.low <= 0.015 / 0.4 <= found.high
    assert held / 300 > 0.9


def test_a_task_is_the_mean_of_its_problems_and_infinite_where_one_is_unsolved() -> None:
    found = of_task(WORKED["R"], USD)
    assert found.value == pytest.approx((3 * 0.06 + 0.12) / 4)
    assert found.low <= found.value <= found.high < math.inf
    one_open = of_task(WORKED["G"], USD)
    assert (one_open.value, one_open.high, one_open.unsolved) == (math.inf, math.inf, 1)
    assert 0.01 <= one_open.low < math.inf
    whole = pooled(WORKED["G"], USD)
    assert whole.value == pytest.approx(0.01 / (18 / 32))
    assert (whole.n, whole.runs, whole.unsolved) == (4, 32, 1)
    assert [p.value for p in per_problem(WORKED["G"], USD).values()] == [0.01, 0.01, 0.04, math.inf]


def test_the_interval_of_a_task_covers_although_the_value_leans_upward() -> None:
    rng = np.random.default_rng(0)
    # Rates are uniform from 0.6 to 1: the mean of their inverses.
    truth = math.log(1 / 0.6) / 0.4
    values, held = [], 0
    for _ in range(60):
        scores = (rng.random((20, 8)) < rng.uniform(0.6, 1, (20, 1))).astype(float)
        found = of_task(Table.of("a", scores.tolist(), {TOKENS: [[1.0] * 8] * 20}), TOKENS, draws=100)
        values.append(found.value)
        held += found.low <= truth <= found.high
    assert np.mean(values) > truth
    assert held >= 56


@settings(max_examples=15)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_task_of_one_cost_is_the_mean_of_inverse_rates(scores: list[list[bool]]) -> None:
    table = Table.of("a", scores, {TOKENS: [[7.0] * len(s) for s in scores]})
    found = of_task(table, TOKENS, draws=40)
    expected = sum(7 * len(s) / sum(s) if any(s) else math.inf for s in scores) / len(scores)
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high
    assert found.mean_score == pytest.approx(sum(sum(s) / len(s) for s in scores) / len(scores))


def test_rates_are_drawn_from_the_jeffreys_posterior() -> None:
    cost, rate = posterior(runs("a", 0.5, (0, 3, 8)), USD, draws=4000, seed=0)
    a, b = np.array([0.5, 3.5, 8.5]), np.array([8.5, 5.5, 0.5])
    assert rate.mean(axis=0) == pytest.approx(a / (a + b), abs=0.01)
    assert rate.var(axis=0) == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=0.15)
    assert cost == pytest.approx(np.full(cost.shape, 0.5))


def test_the_worked_frontier() -> None:
    found = frontier(WORKED, USD, expert=3)
    assert [p.value for p in found.problems] == pytest.approx([0.0004, 0.0008, 0.04, 0.12])
    assert [p.who for p in found.problems] == ["L", "L", "G", "R"]
    assert found.value == pytest.approx(0.0403)
    assert found.low <= found.value <= found.high
    assert (found.n, found.unsolved, found.fewest_runs) == (4, 0, 8)
    without = essentialness(WORKED, USD, expert=3)["G"]
    assert without.value == pytest.approx(0.11037528, abs=1e-8)
    assert without.low <= without.value <= without.high


def test_the_expert_and_what_nobody_solves() -> None:
    few = {"L": WORKED["L"]}
    assert [p.who for p in frontier(few, USD, expert=0.0006).problems] == ["L", "expert", "expert", "expert"]
    alone = frontier(few, USD)
    assert (alone.value, alone.high, alone.unsolved) == (math.inf, math.inf, 2)
    assert alone.low < math.inf
    dear = frontier(few, USD, expert={"0": 1.0, "1": 1.0, "2": 5.0, "3": 7.0})
    assert dear.value == pytest.approx((0.0004 + 0.0008 + 5 + 7) / 4)
    with pytest.raises(ValueError, match="problem 3"):
        frontier(few, USD, expert={"0": 1.0, "1": 1.0, "2": 5.0})
    with pytest.raises(ValueError, match="not run on the same problems"):
        frontier({**WORKED, "S": runs("S", 1.0, (1, 1))}, USD)


def test_sets_of_architectures_and_what_only_they_solve() -> None:
    found = essentialness(WORKED, USD, {"large": ["G", "R"], "all": list(WORKED)})
    assert found["large"].value == found["all"].value == 1
    assert essentialness({"L": WORKED["L"]}, USD, {"none": []})["none"].value == 0
    with pytest.raises(ValueError, match="names X"):
        essentialness(WORKED, USD, {"s": ["X"]}, expert=3)


def test_progress_from_the_expert() -> None:
    steps = progress(WORKED, {"L": "2024-01-01", "G": "2024-06-01", "R": "2025-01-01"}, USD, expert=3)
    values = [1.5003, 0.7603, 0.0403]
    assert [s.value for s in steps] == pytest.approx(values)
    assert [s.of_start.value for s in steps] == pytest.approx([v / 3 for v in values])
    assert [s.gain.value for s in steps] == pytest.approx([1 - 1.5003 / 3, 1 - 0.7603 / 1.5003, 1 - 0.0403 / 0.7603])
    for s in steps:
        for part in (s, s.of_start, s.gain):
            assert part.low <= part.value <= part.high
    with pytest.raises(ValueError, match="release of R"):
        progress(WORKED, {"L": "2024-01-01", "G": "2024-06-01"}, USD, expert=3)


def test_the_plug_in_bias_is_large_and_the_interval_shows_it() -> None:
    assert expected_plug_in(0.01, 0.1, 8, 20) == pytest.approx(8.64688784, abs=1e-8)
    assert expected_plug_in(0.01, 0.1, 2000, 20) == pytest.approx(0.1, rel=0.01)
    unlucky = frontier({"a": runs("a", 0.01, (0,))}, USD, expert=20)
    assert (unlucky.value, unlucky.unsolved) == (20, 1)
    assert unlucky.low < 0.1 < unlucky.high
    chances = [math.comb(8, x) * 0.1**x * 0.9 ** (8 - x) for x in range(9)]
    held = 0.0
    for passes, chance in enumerate(chances):
        found = frontier({"a": runs("a", 0.01, (passes,))}, USD, expert=20)
        held += chance * (found.low <= 0.1 <= found.high)
    assert held > 0.9


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_the_efficient_are_those_that_nothing_dominates(points: list[tuple[int, int, int]]) -> None:
    def dominated(x: tuple[int, ...]) -> bool:
        return any(y != x and all(a >= b for a, b in zip(y, x, strict=True)) for y in points)

    assert efficient(points).tolist() == [not dominated(x) for x in points]


def test_the_pareto_set_with_its_probabilities() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((40, 1)) < 0.5
    better = scores | (rng.random((40, 1)) < 0.6)

    def table(name: str, right: np.ndarray, price: float, seconds: float) -> Table:
        return Table.of(name, right.astype(float), {USD: [[price]] * 40, SECONDS: [[seconds]] * 40})  # type: ignore[arg-type]

    tables = {
        "cheap": table("cheap", scores, 0.01, 1.0),
        "good": table("good", better, 0.05, 2.0),
        "waste": table("waste", scores, 0.06, 3.0),
        "twin": table("twin", scores, 0.01, 1.0),
    }
    points = {p.name: p for p in pareto(tables, [USD, SECONDS], draws=300)}
    assert [p.efficient for p in points.values()] == [True, True, False, True]
    assert points["cheap"].probability == points["twin"].probability == 1
    assert points["waste"].probability == 0
    assert points["waste"].dominated_by["cheap"] == 1
    assert points["good"].accuracy.n == 40
    assert points["good"].costs[USD].value == pytest.approx(0.05)


def test_the_price_of_a_gain() -> None:
    base = Table.of("single", [[1], [0]] * 50, {USD: [[0.01]] * 100})
    new = Table.of("vote", [[1], [0], [1], [1]] * 25, {USD: [[0.05]] * 100})
    found = marginal(new, base, USD)
    assert found.value == pytest.approx(0.04 / 0.25)
    assert 0 < found.low < found.value < found.high < math.inf
    assert (found.n, found.verdict, found.gains) == (100, "dearer and better", 1)
    assert "each further right answer costs 0.16" in found.sentence
    assert "USD (prices of 2026-10-05)" in found.sentence
    worth, likely = net_benefit(new, base, USD, worth=1.0)
    assert worth.value == pytest.approx(0.25 - 0.04)
    assert likely == 1
    back = marginal(base, new, USD)
    assert (back.value, back.verdict) == (math.inf, "worse")


def test_a_gain_that_may_be_none_has_no_upper_price() -> None:
    base = Table.of("single", [[1], [0], [1], [0], [1]], {USD: [[0.01]] * 5})
    new = Table.of("vote", [[1], [1], [1], [0], [1]], {USD: [[0.05]] * 5})
    found = marginal(new, base, USD)
    assert (found.high, found.verdict) == (math.inf, "no gain shown")
    assert found.value == pytest.approx(0.2)
    assert found.gains < 1
    assert "nothing is known to be bought" in found.sentence
    same = marginal(base, base, USD)
    assert (same.value, same.gains, same.verdict) == (math.inf, 0, "no gain shown")
