"""The pool that an answer was chosen from, read off the ends of layers."""

from __future__ import annotations

from typing import Any

from archon.trace import Event
from evals.layers import Drawn, Layers


def left(path: str, *candidates: tuple[str, str] | tuple[str, str, float], failures: list[str] | None = None) -> Event:
    data: list[dict[str, Any]] = []
    for text, origin, *score in candidates:
        data.append({"text": text, "origin": origin} | ({"score": score[0]} if score else {}))
    return Event("layer", "q", path, {"candidates": data, "failures": failures or []})


def pool(*events: Event) -> list[Drawn]:
    layers = Layers()
    for event in (*events, Event("layer", "other", "0.generate", {"candidates": [], "failures": []})):
        layers(event)
    found = layers.take("q")
    assert layers.take("q") == [], "what was taken is forgotten"
    return found


def test_techniques_side_by_side_stand_in_document_order() -> None:
    found = pool(
        left("0.generate[1]", ("c", "1")),
        left("0.generate[0]", ("a", "0"), ("b", "0")),
        left("1.fuse", ("d", "2")),
    )
    assert [d.text for d in found] == ["a", "b", "c"]


def test_the_first_of_the_largest_layers_counts() -> None:
    found = pool(
        left("0.generate", ("a", "0")), left("1.debate", ("b", "1"), ("c", "1")), left("2.x", ("d", ""), ("e", ""))
    )
    assert [d.text for d in found] == ["b", "c"]


def test_the_first_score_is_the_reward_by_origin_then_by_text() -> None:
    found = pool(
        left("0.generate", ("a", "#0"), ("a", "#1"), ("b", "#2")),
        left("1.score", ("b", "#2", 0.9), ("a", "#1", 0.2), ("a", "#0", 0.1)),
        left("2.vote", ("a", "#1", 0.67)),
        left("3.fuse", ("b", "3")),
    )
    assert found == [Drawn("a", 0.1), Drawn("a", 0.2), Drawn("b", 0.9)]
    found = pool(left("0.generate", ("a", "#0"), ("b", "#1")), left("1.fuse", ("a", "other", 0.3), ("c", "new", 0.4)))
    assert found == [Drawn("a", 0.3), Drawn("b", None)]


def test_the_winner_of_a_vote_says_nothing_of_the_others() -> None:
    found = pool(left("0.generate", ("a", "#0"), ("b", "#1")), left("1.vote", ("a", "#0", 0.67)))
    assert found == [Drawn("a", None), Drawn("b", None)]


def test_a_ranking_without_scores_is_a_reward_unless_it_failed() -> None:
    drawn = left("0.generate", ("a", "#0"), ("b", "#1"), ("c", "#2"), ("d", "#3"))
    ranked = ("c", "#2"), ("a", "#0")
    assert [d.reward for d in pool(drawn, left("1.rank", *ranked))] == [-1.0, -2.0, 0.0, -2.0]
    assert {d.reward for d in pool(drawn, left("1.rank", *ranked, failures=["parse: no ranking"]))} == {None}


def test_no_layer_no_pool() -> None:
    assert pool() == []
