"""What the winner is compared with on the sealed problems."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from archon.architecture import Architecture
from archon.cli.search_tables import cheaper
from search.choice import Verdict, choose, singles
from search.evaluator import Outcome
from search.history import Entry, History
from search.spec import StudySpec

ALONE, TOGETHER = 2.0, 1.25
"""Seconds of a sample that is drawn by itself, and of one that shares its prompt with others."""


class Batching:
    """An evaluator on an endpoint where samples that are drawn together share their prompt, and none is drawn twice."""

    problems = 4

    def __init__(self, judge: float = 0.5) -> None:
        self._judge = judge
        self._drawn: list[float] = []
        self.asked: list[str] = []

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        self.asked.append(architecture.name)
        (generate,), *rest = architecture.layers
        n = getattr(generate, "n")  # noqa: B009
        new = n - len(self._drawn)
        self._drawn += [ALONE if new == 1 else TOGETHER] * new
        scoring = [layer for layer in rest if layer[0].kind != "vote"]
        seconds = sum(self._drawn[:n]) + len(scoring) * n * self._judge
        right = 1.0 if n > 1 else 0.5
        return [Outcome(right, None, seconds, 100 * n, n, seconds, n) for _ in positions]


def architecture(name: str, *layers: object) -> Architecture:
    return Architecture.model_validate({"name": name, "models": {"m": "openai/m"}, "layers": layers})


SCORED = (
    {"generate": {"model": "m", "n": 4}},
    {"score": {"reward": {"judge": {"model": "m"}}, "keep": 1}},
)


def chosen(tmp_path: Path, winner: Architecture, sealed: Batching) -> Verdict:
    history = History(StudySpec(cost="seconds"))
    outcomes = [Outcome(1.0, None, 9.0, 400, 8, 9.0, 8)] * 4
    history.add(Entry(0, {}, winner, outcomes, whole=True))
    return asyncio.run(choose(history, None, sealed, tmp_path, baselines=singles([winner])))


def test_a_single_model_is_not_judged_by_samples_that_were_drawn_together(tmp_path: Path) -> None:
    sealed = Batching()
    winner, single, _ = chosen(tmp_path, architecture("w", *SCORED), sealed).sealed
    assert sealed.asked[:2] == ["single-m", "w"]
    assert single.figures["cost"]["mean"] == pytest.approx(ALONE)
    assert winner.figures["cost"]["mean"] == pytest.approx(ALONE + 3 * TOGETHER + 4 * 0.5)


@pytest.mark.parametrize("judge", [0.1, 0.5, 1.0, 3.0])
def test_the_majority_costs_what_the_winner_costs(tmp_path: Path, judge: float) -> None:
    winner, *_, majority = chosen(tmp_path, architecture("w", *SCORED), Batching(judge)).sealed
    assert abs(majority.figures["cost"]["mean"] - winner.figures["cost"]["mean"]) <= TOGETHER / 2 + 1e-9
    assert majority.difference is not None


def test_where_the_cost_buys_one_sample_there_is_no_majority(tmp_path: Path) -> None:
    scored = architecture("w", {"generate": {"model": "m", "n": 1}}, {"score": {"reward": {"judge": {"model": "m"}}}})
    assert [m.name for m in chosen(tmp_path / "a", scored, Batching(judge=0.01)).sealed] == ["w", "single-m"]
    single = architecture("w", {"generate": {"model": "m", "n": 1}})
    assert [m.name for m in chosen(tmp_path / "b", single, Batching()).sealed] == ["w"]


def test_with_cost_of_pass_the_guard_speaks_of_the_winner_alone(tmp_path: Path) -> None:
    history = History(StudySpec(objective="cost_of_pass", cost="seconds"))
    cheap, dear = architecture("cheap", {"generate": {"model": "m", "n": 1}}), architecture("dear", *SCORED)
    for trial, (tried, score, seconds) in enumerate([(cheap, 0.5, 1.0), (dear, 1.0, 9.0)]):
        history.add(Entry(trial, {}, tried, [Outcome(score, None, seconds, 400, 8, seconds, 8)] * 4, whole=True))
    verdict = asyncio.run(choose(history, Batching(), None, tmp_path))
    assert verdict.winner.architecture is cheap
    assert verdict.claim is not None
    assert verdict.claim.guarded == pytest.approx(0.5)
    assert str(verdict.claim).startswith("cheap is right in 50.0 % of 4 guarded problems after 1 query; on the ")


def test_where_no_sealed_answer_could_be_graded_that_is_what_comes_of_it(tmp_path: Path) -> None:
    class Ungraded(Batching):
        async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
            return [replace(outcome, score=None) for outcome in await super().evaluate(architecture, positions)]

    measured = chosen(tmp_path, architecture("w", *SCORED), Ungraded()).sealed
    assert {m.figures["accuracy"] for m in measured} == {None}
    assert {m.difference for m in measured} == {None}


@pytest.mark.parametrize(
    ("better", "cost", "said"),
    [
        (False, 2.0, ["plain takes 2.00 s an answer against 8.00 s, 25 % of it."]),
        (False, 9.0, []),
        (False, None, []),
        (True, 2.0, []),
    ],
)
def test_what_is_as_good_for_all_that_is_known_is_said_with_its_cost(
    better: bool, cost: float | None, said: list[str]
) -> None:
    winner = {"name": "w", "cost": {"unit": "seconds", "mean": 8.0}}
    guard = {"better": better, "baseline": "plain", "baseline_cost": cost}
    assert cheaper({"winner": winner, "guard": guard}) == said
