"""Records as arrays."""

from __future__ import annotations

import time

import numpy as np
import pytest

from evals.economics.cost_of_pass import of_task, pooled
from evals.economics.frontier import frontier
from evals.statistics.accuracy import accuracy_over_repeats
from evals.table import SECONDS, TOKENS, Table, Unit, common, dollars, tabulate
from tests.evals.rows import cost, record

DAY = "2026-10-05"

ROWS = [
    record("2", 1, 0, attributed=cost(0.2, 20), seconds=2.0, group="g"),
    record("1", 0, 0, attributed=cost(0.1, 10), seconds=1.0),
    record("2", 0, 1, attributed=cost(0.4, 40), seconds=4.0, group="g"),
    record("1", None, 1),
    record("3", None, 0),
    record("1", 0, 2, attributed=cost(0.3, 30), status="failed", text=None, answer=None),
    record("2", 1, 0, architecture="b", attributed=cost(0.0, 5, unpriced=1)),
]


def test_runs_are_sorted_by_problem_and_what_is_missing_is_counted() -> None:
    table = tabulate(ROWS, price_date=DAY)["a"]
    assert table.problems == ("2", "1")
    assert table.groups == ("g", "1")
    assert [scores.tolist() for scores in table.by_problem()] == [[1, 0], [0, 0]]
    assert table.mean_scores.tolist() == [0.5, 0]
    assert table.mean_costs(dollars(DAY)) == pytest.approx([0.3, 0.2])
    assert table.mean_costs(TOKENS) == pytest.approx([30, 20])
    assert table.cost(SECONDS).tolist() == [2, 4, 1, 0]
    assert (table.ungraded, table.failed, table.n, table.runs) == (2, 1, 2, 4)


def test_costs_need_a_date_and_a_price() -> None:
    with pytest.raises(ValueError, match="the day of their prices"):
        Unit("USD")
    tables = tabulate(ROWS, price_date=DAY)
    with pytest.raises(ValueError, match="1 of 1 runs is not known"):
        tables["b"].cost(dollars(DAY))
    with pytest.raises(ValueError, match=r"no cost in joules was recorded; there is: tokens, seconds, USD"):
        tables["a"].cost(Unit("joules"))
    joules = Unit("joules")
    assert tabulate(ROWS, more={joules: lambda r: 10 * r.seconds})["a"].mean_costs(joules) == pytest.approx([30, 5])


def test_common_problems_in_one_order() -> None:
    shared = common(tabulate(ROWS))
    assert [table.problems for table in shared.values()] == [("2",), ("2",)]
    assert shared["a"].scores.tolist() == [1, 0]
    one, other = Table.of("x", [[1]], problems=["1"]), Table.of("y", [[1]], problems=["2"])
    with pytest.raises(ValueError, match="no problem has a graded run of each of x, y"):
        common({"x": one, "y": other})
    with pytest.raises(ValueError, match="no graded run of problem 7"):
        one.only(["7"])


def test_many_records_take_little_time() -> None:
    rng = np.random.default_rng(0)
    scores, costs = (rng.random(20_000) < 0.6).astype(float), rng.random(20_000)
    rows = [
        record(str(i // 8), score, i % 8, attributed=cost(price), seconds=price)
        for i, (score, price) in enumerate(zip(scores.tolist(), costs.tolist(), strict=True))
    ]
    # Processor time, so that a busy machine does not fail it.
    started = time.process_time()
    table = tabulate(rows, price_date=DAY)["a"]
    measured = accuracy_over_repeats(table.by_problem(), table.groups)
    whole = pooled(table, SECONDS)
    of_task(table, SECONDS, draws=100)
    least = frontier({"a": table}, SECONDS, expert=100.0, draws=100)
    took = time.process_time() - started
    assert measured.n == table.n == 2_500
    assert whole.value == pytest.approx(costs.mean() / scores.mean())
    assert least.low <= least.value <= least.high
    assert took < 5
