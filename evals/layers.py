"""What the layers of an architecture left on the way to an answer, read off the trace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archon.trace import Event

PATH = re.compile(r"(?P<layer>\d+)\.(?P<kind>[^\[]+)(?:\[(?P<component>\d+)\])?")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One candidate of a pool.

    Attributes:
        text: As the model wrote it.
        reward: What the architecture gave it; higher is better.
    """

    text: str
    reward: float | None


@dataclass(frozen=True, slots=True)
class _Left:
    """What one technique left."""

    layer: int
    component: int
    kind: str
    candidates: Sequence[Mapping[str, Any]]
    failed: bool


class Layers:
    """An observer that remembers, for each question under way, the candidates that every layer left."""

    def __init__(self) -> None:
        self._left: dict[str, list[_Left]] = {}

    def __call__(self, event: Event) -> None:
        """Remember the end of a layer, pass over everything else."""
        if event.kind == "layer" and (place := PATH.fullmatch(event.layer)) is not None:
            left = _Left(
                int(place["layer"]),
                int(place["component"] or 0),
                place["kind"],
                event.data["candidates"],
                bool(event.data["failures"]),
            )
            self._left.setdefault(event.question, []).append(left)

    def take(self, question: str) -> list[Drawn]:
        """The pool of one question, which is forgotten: the candidates of the first layer that left the most.

        The reward of a candidate is the first score that this layer or one after it gave to the same text, where that
        layer scored several: the share of votes that the one winner of a vote is left with says nothing of the others.
        Where none gave scores and a ``rank`` followed, it is minus the place in that order, from 0; those that it did
        not keep share the place behind the last.
        """
        layers: dict[int, list[_Left]] = {}
        for left in self._left.pop(question, []):
            layers.setdefault(left.layer, []).append(left)
        if not layers:
            return []
        candidates = {
            layer: [c for left in sorted(parts, key=lambda part: part.component) for c in left.candidates]
            for layer, parts in layers.items()
        }
        chosen = max(sorted(candidates), key=lambda layer: len(candidates[layer]))
        pool = candidates[chosen]
        later = [left for layer in sorted(layers) if layer >= chosen for left in layers[layer]]
        rewards = _scores(later)
        found = [Drawn(c["text"], rewards.get((c["text"], c["origin"]), rewards.get((c["text"], "")))) for c in pool]
        if all(drawn.reward is None for drawn in found):
            ranked = next((left for left in later if left.kind == "rank" and not left.failed), None)
            if ranked is not None:
                places = [c["text"] for c in ranked.candidates]
                found = [
                    Drawn(d.text, -float(places.index(d.text) if d.text in places else len(places))) for d in found
                ]
        return found


def _scores(layers: Sequence[_Left]) -> dict[tuple[str, str], float]:
    """The first score of every candidate, and of its text whatever its origin."""
    scores: dict[tuple[str, str], float] = {}
    for left in layers:
        for candidate in left.candidates if len(left.candidates) > 1 else ():
            if (score := candidate.get("score")) is not None:
                scores.setdefault((candidate["text"], candidate["origin"]), score)
                scores.setdefault((candidate["text"], ""), score)
    return scores
