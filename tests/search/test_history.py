"""What a study knows: the best by each objective, and the Pareto set by brute force."""

from __future__ import annotations

import math
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from search.history import Entry, History
from search.spec import StudySpec
from tests.search.toys import outcomes, toy

SPACE = toy()
SETTINGS = list(SPACE.enumerate())
BUILT = [SPACE.build(params) for params in SETTINGS]
points = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=len(SETTINGS)
)


def history(rows: list[tuple[int, int, int]], objective: Literal["accuracy", "cost_of_pass", "pareto"]) -> History:
    found = History(StudySpec(objective=objective))
    for i, (right, usd, latency) in enumerate(rows):
        scores = [1.0] * right + [0.0] * (4 - right)
        found.add(Entry(i, SETTINGS[i], BUILT[i], outcomes(scores, float(usd), float(latency)), whole=True))
    return found


@given(points)
@settings(max_examples=30)
def test_the_pareto_set_is_what_nothing_else_beats(rows: list[tuple[int, int, int]]) -> None:
    def beats(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
        return a != b and a[0] >= b[0] and a[1] <= b[1] and a[2] <= b[2]

    expected = {i for i, row in enumerate(rows) if not any(beats(other, row) for other in rows)}
    assert {entry.trial for entry in history(rows, "pareto").pareto()} == expected


@given(points)
@settings(max_examples=30)
def test_the_best_is_the_most_accurate_or_the_cheapest_right_answer(rows: list[tuple[int, int, int]]) -> None:
    best = history(rows, "accuracy").best
    assert best is not None
    assert (-best.accuracy, best.cost("usd"), best.trial) == min((-r / 4, c, i) for i, (r, c, _) in enumerate(rows))
    best = history(rows, "cost_of_pass").best
    assert best is not None
    assert best.cost_of_pass("usd") == min(4 * c / r if r else math.inf for r, c, _ in rows)


def test_who_is_above_the_ceiling_or_has_not_seen_everything_is_not_the_best() -> None:
    found = History(StudySpec(ceiling=2.0))
    found.add(Entry(0, SETTINGS[0], BUILT[0], outcomes([1.0] * 4, 3.0), whole=True))
    found.add(Entry(1, SETTINGS[1], BUILT[1], outcomes([1.0], 1.0), whole=False))
    assert found.best is None
    found.add(Entry(2, SETTINGS[2], BUILT[2], outcomes([0.0, 1.0], 1.0), whole=True))
    assert found.best is not None
    assert found.best.trial == 2


def test_one_unknown_price_makes_a_cost_unknown() -> None:
    entry = Entry(0, SETTINGS[0], BUILT[0], [*outcomes([1.0], 1.0), *outcomes([1.0], None)], whole=True)
    assert math.isnan(entry.cost("usd"))
    assert entry.cost("tokens") == 10
