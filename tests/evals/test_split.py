"""Search, guard and sealed: the laws of hash-assigned splits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import ConfigError
from archon.state import Message
from evals.graders.base import Problem
from evals.split import SPLITS, HashSplit, unit_hash

texts = st.text(min_size=1, max_size=12)
weights = st.floats(0, 10).map(lambda weight: round(weight, 3))


def problem(text: str, *, name: str = "", group: str = "") -> Problem:
    return Problem(name or text, (Message("user", f"Please answer.\n{text}"),), fields={"question": text}, group=group)


@settings(max_examples=40)
@given(st.lists(texts, unique_by=lambda t: " ".join(t.casefold().split())), texts, st.randoms())
def test_the_splits_are_disjoint_and_whole_whatever_the_order(asked: list[str], salt: str, random: object) -> None:
    splits = HashSplit(salt)
    problems = [problem(text) for text in asked]
    divided = splits.divide(problems)
    assert sorted(p.id for part in divided.values() for p in part) == sorted(asked)
    shuffled = list(problems)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = splits.divide(shuffled)
    for split in SPLITS:
        assert {p.id for p in again[split]} == {p.id for p in divided[split]}
        # A limit takes some of the problems; those that are left keep their split.
        assert splits.divide(problems[: len(problems) // 2])[split] == [
            p for p in divided[split] if p in problems[: len(problems) // 2]
        ]


@settings(max_examples=40)
@given(texts, texts, texts)
def test_what_says_the_same_is_never_on_both_sides(text: str, one: str, other: str) -> None:
    splits = HashSplit("s")
    assert splits.of(problem(text, name=one)) == splits.of(problem(f"  {text}\n", name=other))


@settings(max_examples=40)
@given(texts, texts, texts)
def test_groups_stay_together(group: str, one: str, other: str) -> None:
    splits = HashSplit("s")
    assert splits.of(problem(one, group=group)) == splits.of(problem(other, group=group))


@settings(max_examples=60)
@given(texts, weights, weights, weights)
def test_a_weight_of_zero_gets_nothing(text: str, search: float, guard: float, sealed: float) -> None:
    if not search + guard + sealed:
        return
    splits = HashSplit("s", search, guard, sealed)
    assert splits.share(splits.of(problem(text))) > 0
    assert sum(splits.share(split) for split in SPLITS) == pytest.approx(1)


@settings(max_examples=40)
@given(texts, st.floats(0.01, 0.5), st.floats(0.01, 0.4))
def test_a_larger_search_split_keeps_all_it_had(text: str, search: float, more: float) -> None:
    small, large = (HashSplit("s", share, 1 - share, 0) for share in (search, search + more))
    assert small.of(problem(text)) != "search" or large.of(problem(text)) == "search"


def test_shares_are_kept_on_average_and_salts_are_independent() -> None:
    problems = [problem(f"question {i}") for i in range(4000)]
    divided = HashSplit("a", 0.5, 0.3, 0.2).divide(problems)
    # Four standard errors of a share at n = 4000 are at most 0.032.
    for split, share in zip(SPLITS, (0.5, 0.3, 0.2), strict=True):
        assert abs(len(divided[split]) / 4000 - share) < 0.032
    other = HashSplit("b", 0.5, 0.3, 0.2)
    both = sum(other.of(p) == "search" for p in divided["search"])
    assert abs(both / len(divided["search"]) - 0.5) < 0.045


def test_the_assignment_never_changes() -> None:
    # Sealed problems must stay sealed in all versions to come.
    assert unit_hash("gsm8k", "how many eggs are in 7 boxes?") == 0.7765752193912925
    assert [HashSplit("gsm8k").of(problem(f"question {i}")) for i in range(6)] == [
        "search",
        "search",
        "search",
        "guard",
        "sealed",
        "guard",
    ]


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_weights_that_mean_nothing(weights: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="weights of the splits"):
        HashSplit("s", *weights)
