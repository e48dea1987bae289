"""Held-out problems: what they say, how often, and what nobody gets to claim."""

from __future__ import annotations

import json
import multiprocessing
import statistics
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.errors import GuardError
from search.guard import Asked, Guard, Ladder, Thresholdout
from search.log import Log
from search.sealed import Sealed


def scores(right: int, of: int = 100) -> dict[str, float]:
    """The first ``right`` of so many problems are solved."""
    return {f"p{i:03}": float(i < right) for i in range(of)}


def climb(mechanism: Ladder, vectors: Sequence[Sequence[float]]) -> list[float]:
    best: float | None = None
    best_scores: Sequence[float] | None = None
    released = []
    for vector in vectors:
        said = mechanism.answer(Asked(vector, best, best_scores))
        if said.improved:
            best, best_scores = said.value, vector
        released.append(said.value)
    return released


def test_a_ladder_of_fixed_steps() -> None:
    asked = [list(scores(right).values()) for right in (60, 61, 64, 63, 70)]
    assert climb(Ladder(eta=0.03), asked) == pytest.approx([0.60, 0.60, 0.63, 0.63, 0.69])


def test_a_ladder_without_a_step_takes_the_standard_error_of_the_paired_difference() -> None:
    first = [1.0] * 50 + [0.0] * 50
    # Four more solved: the difference is 0.04 with a standard error of 0.0197; all others agree.
    better = [1.0] * 54 + [0.0] * 46
    # Ten more solved and six lost: the same difference, with a standard error of 0.0402.
    noisy = [0.0] * 6 + [1.0] * 54 + [0.0] * 40
    assert statistics.stdev(a - b for a, b in zip(noisy, first, strict=True)) == pytest.approx(0.4, abs=0.01)
    assert climb(Ladder(), [first, better]) == [0.5, 0.54]
    noisy[60] = 0.0
    assert climb(Ladder(), [first, noisy]) == [0.5, 0.5]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=12, max_size=12), min_size=1, max_size=12))
def test_a_ladder_never_goes_down_and_says_nothing_new_without_an_improvement(vectors: list[list[float]]) -> None:
    released = climb(Ladder(), vectors)
    assert released == sorted(released)
    assert released[-1] <= max(sum(vector) / 12 for vector in vectors) + 1e-9


def test_thresholdout_repeats_the_searchs_value_while_the_two_agree() -> None:
    exact = Thresholdout(threshold=0.1, noise=0.0)
    near = exact.answer(Asked(list(scores(60).values()), searched=0.65))
    assert (near.value, near.charged) == (0.65, False)
    far = exact.answer(Asked(list(scores(60).values()), searched=0.75))
    assert (far.value, far.charged) == (0.60, True)
    with pytest.raises(GuardError, match="give the accuracy"):
        exact.answer(Asked([1.0, 0.0]))


def test_the_noise_is_seeded_and_of_the_scale_it_says() -> None:
    noisy = Thresholdout(threshold=-10.0, noise=0.02)
    half = list(scores(50).values())

    def values(seed: int) -> list[float]:
        return [noisy.answer(Asked(half, searched=0.5, number=n, seed=seed)).value for n in range(2000)]

    assert values(1) == values(1) != values(2)
    # A Laplace variable is its scale away from its mean, on average.
    assert statistics.fmean(abs(value - 0.5) for value in values(3)) == pytest.approx(0.02, rel=0.1)


def test_the_budget_outlives_the_process_and_is_never_exceeded(tmp_path: Path) -> None:
    Guard(tmp_path, queries=3).ask("base", scores(50))
    guard = Guard(tmp_path, queries=3)
    assert guard.ask("better", scores(60)).improved
    assert guard.left == 1
    again = guard.ask("better", scores(10))
    assert (again.value, again.left) == (0.6, 1), "the same candidate is free, and its answer stays"
    worse = guard.ask("worse", scores(59))
    assert (worse.value, worse.improved, worse.best, worse.left) == (0.6, False, "better", 0)
    with pytest.raises(GuardError, match=r"all 3 queries are spent; the best candidate is better"):
        Guard(tmp_path, queries=3).ask("more", scores(90))
    assert guard.ask("worse", scores(59)).value == 0.6


def test_the_log_has_every_query_and_nothing_of_one_problem(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    for name, right in (("a", 50), ("b", 40), ("c", 70)):
        guard.ask(name, scores(right), searched=0.5)
    text = (tmp_path / "guard.jsonl").read_text()
    header, *queries = map(json.loads, text.splitlines())
    assert [query["candidate"] for query in queries] == ["a", "b", "c"]
    assert [query["value"] for query in queries] == [0.5, 0.5, 0.7]
    assert header["queries"] == 20
    assert "p001" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": 21}, "begun with queries 20, not 21"),
        ({"seed": 1}, "begun with seed 0, not 1"),
        ({"mechanism": Ladder(eta=0.01)}, "begun with settings"),
    ],
)
def test_the_rules_do_not_change_under_way(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    Guard(tmp_path).ask("a", scores(50))
    with pytest.raises(GuardError, match=message):
        Guard(tmp_path, **change).ask("b", scores(60))


def test_other_problems_are_refused(tmp_path: Path) -> None:
    Guard(tmp_path).ask("a", scores(5, 10))
    with pytest.raises(GuardError, match="begun with other problems"):
        Guard(tmp_path).ask("b", {f"q{i}": 1.0 for i in range(10)})
    with pytest.raises(ValueError, match="not a finite number"):
        Guard(tmp_path).ask("b", {**scores(5, 10), "p000": float("nan")})


def test_a_query_that_a_crash_cut_short_counts(tmp_path: Path) -> None:
    guard = Guard(tmp_path, queries=3)
    guard.ask("a", scores(50))
    path = tmp_path / "guard.jsonl"
    path.write_bytes(path.read_bytes() + b'{"query": 1, "candi')
    assert guard.left == 1
    assert guard.ask("b", scores(70)).left == 0
    assert guard.claim().candidate == "b"


def _ask(directory: Path, process: int) -> int:
    answered = 0
    for index in range(6):
        try:
            Guard(directory, queries=10).ask(f"{process}-{index}", scores(40 + process))
        except GuardError:
            break
        answered += 1
    return answered


def test_processes_share_one_budget(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        answered = pool.starmap(_ask, [(tmp_path, 0), (tmp_path, 1)])
    assert sum(answered) == 10
    lines = [json.loads(line) for line in (tmp_path / "guard.jsonl").read_text().splitlines()]
    assert [line["query"] for line in lines[1:]] == list(range(10))


def test_a_thousand_worthless_candidates(tmp_path: Path) -> None:
    """All candidates solve half of all problems; what the search sees of the luckiest is luck."""
    naive, guarded, claimed, gains = [], [], 0, []
    for seed in range(20):
        rng = Random(seed)
        guard = Guard(tmp_path / str(seed))

        def luck(n: int = 100, rng: Random = rng) -> list[float]:
            return [float(rng.random() < 0.5) for _ in range(n)]

        def held(values: list[float]) -> dict[str, float]:
            return {f"p{i}": value for i, value in enumerate(values)}

        baseline = guard.ask("baseline", held(luck()), searched=statistics.fmean(luck()))
        best = baseline.value
        for number in range(1000):
            searched = statistics.fmean(luck())
            if searched > best:
                # Whatever takes the lead on the search's problems is shown to the guard.
                best = searched
                guard.ask(f"candidate-{number}", held(luck()), searched=searched)
        claim = guard.claim()
        naive.append(best)
        guarded.append(claim.guarded)
        gains.append(claim.guarded - baseline.value)
        claimed += claim.better
    assert statistics.fmean(naive) > 0.63, "the naive winner looks much better than a coin"
    assert statistics.fmean(guarded) < statistics.fmean(naive) - 0.06
    assert statistics.fmean(gains) < 0.08
    assert claimed <= 1, "nothing is better than the baseline, and the report does not say so"


def test_what_really_is_better_is_claimed(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    guard.ask("single", scores(50), searched=0.5)
    guard.ask("stack", scores(75), searched=0.8)
    claim = guard.claim()
    assert claim.better
    assert claim.difference == pytest.approx(0.25)
    assert str(claim).startswith("stack is better than single: +25.0 points (")
    assert "looked like 80.0 %" in str(claim)


def test_a_guard_that_was_not_asked_has_nothing_to_say(tmp_path: Path) -> None:
    with pytest.raises(GuardError, match="not asked about any candidate"):
        Guard(tmp_path).claim()


def test_sealed_problems_are_scored_once(tmp_path: Path) -> None:
    with pytest.raises(GuardError, match="not opened for winner"):
        Sealed(tmp_path).close("winner", scores(60))
    Sealed(tmp_path).open("winner")
    Sealed(tmp_path).open("winner")
    with pytest.raises(GuardError, match=r"opened for winner \(.*\), not other"):
        Sealed(tmp_path).open("other")
    assert Sealed(tmp_path).close("winner", scores(60)) == 0.6
    for refused in (lambda: Sealed(tmp_path).open("winner"), lambda: Sealed(tmp_path).close("winner", scores(99))):
        with pytest.raises(GuardError, match=r"were scored with winner \(.*\), and only once"):
            refused()


def test_a_log_gives_back_what_was_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "deep" / "log.jsonl")
    with log.turn() as turn:
        turn.append({"a": 1})
        turn.append({"b": "ü\n"})
    with log.turn() as turn:
        assert turn.lines == [{"a": 1}, {"b": "ü\n"}]
