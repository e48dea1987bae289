"""The pure parts of ranking: the Bradley-Terry model, schedules, windows, verdicts."""

from __future__ import annotations

import itertools
import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.bradley_terry import Pair, agreed_order, best_first, shares_of, strengths, win_shares
from techniques.ranking.listwise import shown_orders, windows
from techniques.ranking.pairwise import parse_preference, settle
from techniques.ranking.schedules import Schedule, advance, all_pairs, knockout, pivot, rounds, swiss

REPLIES = (
    st.text()
    | st.text(alphabet="[]12tie> \n*.")
    | st.lists(
        st.sampled_from(["[1]", "[2]", "[tie]", "[ TIE ]", "\n", " is better than ", "beats", "Verdict: ", "1", "[3]"])
    ).map("".join)
)


def chance(one: float, other: float) -> float:
    return 1 / (1 + math.exp(other - one))


@st.composite
def some_wins(draw: st.DrawFn, most: int = 8) -> tuple[int, dict[Pair, float]]:
    count = draw(st.integers(1, most))
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    points = st.sampled_from([0.25, 0.5, 1.0, 2.0, 1000.0])
    return count, draw(st.dictionaries(st.sampled_from(pairs), points)) if pairs else {}


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=7))
def test_known_strengths_are_recovered(known: list[float]) -> None:
    pairs = itertools.permutations(range(len(known)), 2)
    wins = {(i, j): 1e4 * chance(known[i], known[j]) for i, j in pairs}
    found = strengths(len(known), wins, prior=1e-6)
    for strength, really in zip(found, known, strict=True):
        assert strength - found[0] == pytest.approx(really - known[0], abs=1e-5)


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_two_items_agree_with_the_closed_form(won: float, lost: float) -> None:
    first, second = strengths(2, {(0, 1): won, (1, 0): lost}, prior=1e-9)
    assert first - second == pytest.approx(math.log(won / lost), abs=1e-5)


def test_one_win_with_the_prior_agrees_with_the_closed_form() -> None:
    first, second = strengths(2, {(0, 1): 1.0}, prior=1.0)
    assert first == pytest.approx(-second)
    assert chance(second, first) == pytest.approx(chance(first, 0) - 0.5)


@given(some_wins(), st.sampled_from([0.001, 0.5, 10.0]))
def test_it_is_the_fixed_point_of_minorisation(case: tuple[int, dict[Pair, float]], prior: float) -> None:
    count, wins = case
    gamma = [math.exp(strength) for strength in strengths(count, wins, prior)]
    for i in range(count):
        met = {j: wins.get((i, j), 0) + wins.get((j, i), 0) for j in range(count) if j != i}
        won = sum(points for pair, points in wins.items() if pair[0] == i) + prior / 2
        again = won / (sum(n / (gamma[i] + gamma[j]) for j, n in met.items()) + prior / (gamma[i] + 1))
        assert gamma[i] == pytest.approx(again, rel=1e-5)


def test_wins_of_very_different_weight_do_not_lead_astray() -> None:
    """Whole Newton steps run away here, to where all chances are 0 or 1."""
    wins = {(0, 5): 1.5, (6, 0): 0.75, (3, 4): 1e3, (3, 6): 10.0, (8, 2): 1.0, (3, 1): 10.0, (1, 4): 0.25}
    found = strengths(9, {**wins, (7, 2): 0.25, (5, 7): 1e3}, prior=1e-3)
    assert [round(strength, 3) for strength in found] == [
        *(3.474, 3.142, -23.482),
        *(19.998, -3.156, -3.453),
        *(10.093, -17.269, 0.0),
    ]


@given(some_wins(), st.floats(0.01, 100))
def test_the_scale_of_wins_and_prior_changes_nothing(case: tuple[int, dict[Pair, float]], scale: float) -> None:
    count, wins = case
    scaled = strengths(count, {pair: scale * points for pair, points in wins.items()}, prior=0.3 * scale)
    assert scaled == pytest.approx(strengths(count, wins, prior=0.3), abs=1e-5)


@given(some_wins(), st.integers(0, 2**16))
def test_items_may_come_in_any_order(case: tuple[int, dict[Pair, float]], seed: int) -> None:
    count, wins = case
    moved = random.Random(seed).sample(range(count), count)
    again = strengths(count, {(moved[i], moved[j]): points for (i, j), points in wins.items()})
    assert [again[moved[i]] for i in range(count)] == pytest.approx(strengths(count, wins), abs=1e-6)


@given(st.integers(1, 40), st.floats(0.01, 5))
def test_the_undefeated_stay_finite(count: int, prior: float) -> None:
    found = strengths(count, {(i, j): 1.0 for i in range(count) for j in range(i + 1, count)}, prior)
    assert all(map(math.isfinite, found))
    assert found == sorted(found, reverse=True)
    assert sum(found) == pytest.approx(0, abs=1e-4 * count)


@given(st.integers(1, 12), st.data())
def test_wins_without_contradiction_are_never_contradicted(count: int, data: st.DataObject) -> None:
    pairs = list(itertools.combinations(range(count), 2))
    met = data.draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    scores = shares_of(count, dict.fromkeys(met, 1.0))
    assert all(scores[better] > scores[worse] for better, worse in met)


@given(st.integers(2, 9), st.data())
def test_ties_alone_make_all_equal(count: int, data: st.DataObject) -> None:
    met = data.draw(st.sets(st.sampled_from(list(itertools.combinations(range(count), 2)))))
    assert shares_of(count, dict.fromkeys(met, 0.5)) == [0.5] * count


@given(some_wins())
def test_win_shares_are_probabilities_that_average_one_half(case: tuple[int, dict[Pair, float]]) -> None:
    shares = win_shares(strengths(*case))
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) / len(shares) == pytest.approx(0.5)


def test_best_first_keeps_equal_ones_in_their_order() -> None:
    assert best_first([0.1, 0.5, 0.1, 0.5]) == [1, 3, 0, 2]


RANKINGS = st.integers(1, 7).flatmap(
    lambda count: st.tuples(st.just(count), st.lists(st.permutations(range(count)), min_size=1, max_size=5))
)


@given(RANKINGS)
def test_whole_rankings_agree_on_the_mean_rank(case: tuple[int, list[list[int]]]) -> None:
    count, rankings = case
    total = [sum(ranking.index(item) for ranking in rankings) for item in range(count)]
    assert agreed_order(count, rankings) == sorted(range(count), key=lambda item: total[item])


@given(RANKINGS, st.integers(0, 7))
def test_parts_of_rankings_agree_on_a_permutation(case: tuple[int, list[list[int]]], length: int) -> None:
    count, rankings = case
    assert sorted(agreed_order(count, [ranking[:length] for ranking in rankings])) == list(range(count))


def play(schedule: Schedule, points: dict[Pair, float] | float | None) -> list[list[Pair]]:
    """All rounds, where the first of a pair wins these points; ``None`` makes every comparison fail."""
    played: list[list[Pair]] = []
    pairs = advance(schedule)
    while pairs:
        played.append(pairs)
        known = {} if points is None else {p: points if isinstance(points, float) else points[p] for p in pairs}
        pairs = advance(schedule, known)
    return played


def outcomes_of(count: int, seed: int) -> dict[Pair, float]:
    noise = random.Random(seed)
    return {pair: noise.choice([0.0, 0.25, 0.5, 0.75, 1.0]) for pair in itertools.combinations(range(count), 2)}


SEEDED = st.tuples(st.integers(1, 17), st.integers(0, 2**16) | st.none())


@given(SEEDED, st.integers(1, 6))
def test_no_schedule_compares_a_pair_twice(case: tuple[int, int | None], pivots: int) -> None:
    count, seed = case
    points = None if seed is None else outcomes_of(count, seed)
    for schedule in (all_pairs(count), knockout(count), pivot(count, pivots), swiss(count)):
        pairs = [pair for played in play(schedule, points) for pair in played]
        assert len(set(pairs)) == len(pairs)
        assert all(0 <= first < second < count for first, second in pairs)


@given(SEEDED, st.integers(1, 6))
def test_schedules_have_the_comparisons_they_promise(case: tuple[int, int | None], pivots: int) -> None:
    count, seed = case
    points = None if seed is None else outcomes_of(count, seed)
    every = count * (count - 1) // 2
    k = min(pivots, count)
    assert [len(played) for played in play(all_pairs(count), points)] == ([every] if every else [])
    elimination = play(knockout(count), points)
    assert sum(map(len, elimination)) == count - 1
    assert len(elimination) == math.ceil(math.log2(count))
    assert sum(map(len, play(pivot(count, pivots), points))) <= count - 1 + k * (count - k) + k * (k - 1) // 2
    assert sum(map(len, play(swiss(count), points))) == every
    assert rounds(knockout(count)) == [len(played) for played in elimination]


@given(st.integers(2, 20), st.integers(0, 200))
def test_all_pairs_may_be_cut_anywhere(count: int, length: int) -> None:
    (pairs,) = play(all_pairs(count), 1.0)
    compared = [sum(item in pair for pair in pairs[:length]) for item in range(count)]
    assert max(compared) - min(compared) <= 1 + count % 2


def test_of_two_equal_ones_the_earlier_goes_on() -> None:
    assert play(knockout(5), 0.5) == [[(0, 1), (2, 3)], [(0, 4)], [(0, 2)]]


@given(st.integers(1, 60), st.none() | st.integers(2, 20), st.data())
def test_windows_cover_everything_and_overlap(count: int, window: int | None, data: st.DataObject) -> None:
    step = data.draw(st.none() | st.integers(1, window - 1)) if window is not None else None
    spans = windows(count, window, step)
    assert spans[0][1] == count
    assert spans[-1][0] == 0
    assert all(0 < end - start <= (window or count) for start, end in spans)
    assert all(later[0] < earlier[0] < later[1] < earlier[1] for earlier, later in itertools.pairwise(spans))
    assert {place for start, end in spans for place in range(start, end)} == set(range(count))
    stride = step or (window or count) // 2
    assert len(spans) == 1 + max(0, math.ceil((count - (window or count)) / max(1, stride)))


def test_windows_slide_as_in_the_paper() -> None:
    assert windows(8, 4, 2) == [(4, 8), (2, 6), (0, 4)]
    assert windows(25, 20, 10) == [(5, 25), (0, 15)]
    assert windows(4, 4, 2) == windows(4, None, None) == [(0, 4)]


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**16))
def test_orders_are_permutations_that_more_passes_add_to(count: int, passes: int, seed: int) -> None:
    orders = shown_orders(count, passes, random.Random(seed))
    assert len(orders) == passes
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert orders[0] == list(range(count))
    assert orders == shown_orders(count, passes + 1, random.Random(seed))[:passes]
    for order, opposite in zip(orders[::2], orders[1::2], strict=False):
        assert opposite == order[::-1]


@given(REPLIES)
def test_parsing_gives_a_verdict_or_none(reply: str) -> None:
    assert parse_preference(reply) in (None, 0.0, 0.5, 1.0)


@given(st.text(alphabet="abc [x]12.\n"), st.sampled_from(["[1]", "[2]", "[tie]", "**[1]**", "[Tie].", "[[2]]"]))
def test_a_verdict_on_a_line_of_its_own_at_the_end_is_read(reason: str, verdict: str) -> None:
    expected = 1.0 if "1" in verdict else 0.0 if "2" in verdict else 0.5
    assert parse_preference(f"{reason}\n{verdict}") == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("[1]", 1.0),
        ("[2]\n", 0.0),
        ("[ TIE ]", 0.5),
        ("2", 0.0),
        ("Verdict: 1", 1.0),
        ("**Final verdict:** Response 2.", 0.0),
        ("The better response is [2].", 0.0),
        ("[1] says five and [2] says four, which is right.\n\n[2]", 0.0),
        ("[1] is better than [2].", 1.0),
        ("[2] is the better response.", 0.0),
        ("[2] > [1]", 0.0),
        ("[1]\nBecause it is right.", 1.0),
        ("[1]\nIt is short.\n[2]\nIt is long.", None),
        ("Response [1] says 4 and response [2]", None),
        ("[1] or [2]", None),
        ("[1] is better than [2], no: [2] is better", None),
        ("They are both 2 pages long.", None),
        ("[3]", None),
        ("", None),
    ],
)
def test_parsing(reply: str, expected: float | None) -> None:
    assert parse_preference(reply) == expected


def test_parsing_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("[" * 100_000, "[1] " * 30_000, "[1]\n" * 30_000, " " * 100_000, "the " * 30_000, "*" * 100_000 + "1"):
        parse_preference(text)
    assert time.perf_counter() - started < 2


VERDICTS = st.sampled_from([None, 0.0, 0.5, 1.0])


@given(VERDICTS, VERDICTS)
def test_both_orders_count_alike_and_a_contradiction_is_a_tie(forwards: float | None, backwards: float | None) -> None:
    points = settle(forwards, backwards)
    if forwards is None or backwards is None:
        assert points is None
    elif forwards == backwards:
        assert points == 0.5
    else:
        assert points is not None
        assert settle(backwards, forwards) == 1 - points
    assert settle(1.0, 0.0) == 1
    assert settle(0.0, 1.0) == 0


@settings(max_examples=25)
@given(st.integers(2, 14), st.integers(0, 2**16), st.integers(1, 4))
def test_whoever_is_best_comes_first_in_every_schedule(count: int, seed: int, pivots: int) -> None:
    value = random.Random(seed).sample(range(count), count)
    points = {(i, j): float(value[i] > value[j]) for i, j in itertools.combinations(range(count), 2)}
    for schedule in (all_pairs(count), knockout(count), pivot(count, pivots), swiss(count)):
        played = {pair: points[pair] for pairs in play(schedule, points) for pair in pairs}
        assert best_first(shares_of(count, played))[0] == value.index(count - 1)
