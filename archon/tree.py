"""The trees that searches over steps leave in the trace of their run: read again, and cut to what matters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

CHOSEN = "chosen"
"""What a search marks the answer with that it decides for."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step that a search drew, at its place.

    Attributes:
        number: Its number in the tree; the root has 0, and whatever follows a step has a higher one than the step.
        parent: The number of the step before it.
        depth: How many steps lead here, this one included.
        step: Its text.
        end: Why nothing can follow: ``stop`` or ``length``; empty where something can.
        tokens: How many tokens it took, ``None`` if that is not known.
        score: The last reward of the text up to here, ``None`` if it was not scored.
        marks: What the search said of it, in order.
    """

    number: int
    parent: int = 0
    depth: int = 0
    step: str = ""
    end: str = ""
    tokens: int | None = None
    score: float | None = None
    marks: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether an answer ends here by itself."""
        return self.end == "stop"

    @property
    def became(self) -> str:
        """What became of it, in a few words."""
        counts = {mark: self.marks.count(mark) for mark in self.marks}
        said = [mark if count == 1 else f"{mark} ×{count}" for mark, count in counts.items()]
        return ", ".join([*({"stop": ["answer"], "length": ["cut off"]}.get(self.end, [])), *reversed(said)])


@dataclass(frozen=True, slots=True)
class SearchTree:
    """What one search looked at.

    Attributes:
        architecture: The name of the architecture, empty where the trace does not say.
        question: The task's id.
        layer: The path of the layer.
        nodes: Everything by its number, the root first and every step before those that follow it.
        children: The numbers of the steps that follow each.
        chosen: The numbers on the way from the root to the answer that the search decided for; empty without one.
    """

    architecture: str
    question: str
    layer: str
    nodes: Mapping[int, Node]
    children: Mapping[int, Sequence[int]]
    chosen: frozenset[int]

    @classmethod
    def of(
        cls,
        drawn: Iterable[Mapping[str, Any]],
        marks: Iterable[Mapping[str, Any]],
        *,
        architecture: str = "",
        question: str = "",
        layer: str = "",
    ) -> Self:
        """Put a tree together from what ``tree`` events hold.

        Args:
            drawn: Their nodes; what follows a step that is not there is left out.
            marks: Their marks, in order.
            architecture: The name of the architecture.
            question: The task's id.
            layer: The path of the layer.
        """
        nodes = {0: Node(0)}
        children: dict[int, list[int]] = defaultdict(list)
        for row in drawn:
            if (parent := nodes.get(row["parent"])) is not None:
                number = row["node"]
                ends = {"end": row.get("end", ""), "tokens": row.get("tokens")}
                nodes[number] = Node(number, parent.number, parent.depth + 1, row["step"], **ends)
                children[parent.number].append(number)
        last = None
        for row in marks:
            if (node := nodes.get(row["node"])) is None:
                continue
            if "score" in row:
                node = replace(node, score=row["score"])
            if "mark" in row:
                node = replace(node, marks=(*node.marks, row["mark"]))
                last = node.number if row["mark"] == CHOSEN else last
            nodes[node.number] = node
        chosen = frozenset() if last is None else frozenset((last, *_above(nodes, last)))
        return cls(architecture, question, layer, nodes, dict(children), chosen)

    @property
    def steps(self) -> list[Node]:
        """Every step that was drawn."""
        return [node for node in self.nodes.values() if node.number]

    @property
    def answers(self) -> int:
        """How many complete answers were found."""
        return sum(node.complete for node in self.nodes.values())

    @property
    def tokens(self) -> int:
        """How many tokens were generated, as far as that is known."""
        return sum(node.tokens or 0 for node in self.nodes.values())

    @property
    def scored(self) -> int:
        """How many steps have a reward."""
        return sum(node.score is not None for node in self.nodes.values())

    def to_data(self) -> dict[str, Any]:
        """The tree as JSON values."""
        return {
            "architecture": self.architecture,
            "question": self.question,
            "layer": self.layer,
            "steps": len(self.steps),
            "answers": self.answers,
            "tokens": self.tokens,
            "scored": self.scored,
            "chosen": sorted(self.chosen),
            "nodes": [
                {
                    "node": node.number,
                    "parent": node.parent,
                    "depth": node.depth,
                    "step": node.step,
                    "end": node.end,
                    "tokens": node.tokens,
                    "score": node.score,
                    "marks": list(node.marks),
                }
                for node in self.steps
            ],
        }


@dataclass(frozen=True, slots=True)
class Hidden:
    """Next steps that are not shown.

    Attributes:
        next: How many there are.
        all: The same with everything that follows them.
        best: The highest reward among those, ``None`` if none was scored.
    """

    next: int
    all: int
    best: float | None

    def __str__(self) -> str:
        below = f" ({self.all} with what follows)" if self.all > self.next else ""
        best = "" if self.best is None else f", best {self.best:.2f}"
        return f"{self.next} more{below}{best}"


@dataclass(frozen=True, slots=True)
class View:
    """A part of a tree.

    Attributes:
        tree: The tree.
        children: The numbers of the steps shown after each shown one.
        hidden: What is left out after each shown step, where something is.
    """

    tree: SearchTree
    children: Mapping[int, Sequence[int]]
    hidden: Mapping[int, Hidden]

    @property
    def shown(self) -> list[Node]:
        """The steps that are shown and the root, every step before those that follow it."""
        kept = {0, *(number for following in self.children.values() for number in following)}
        return [node for number, node in self.tree.nodes.items() if number in kept]


def view(tree: SearchTree, most: int | None = None) -> View:
    """The ``most`` steps of a tree that matter most; all of them without a bound.

    The chosen answer is always shown whole; then, as far as they fit, the other answers and then all other steps, the
    highest rewards first, each with the way to it.
    """
    kept = {0, *tree.chosen}
    room = len(tree.steps) if most is None else max(most + 1 - len(kept), 0)
    for node in sorted(tree.steps, key=lambda node: (not node.complete, node.score is None, -(node.score or 0.0))):
        way = [number for number in (node.number, *_above(tree.nodes, node.number)) if number not in kept]
        if len(way) <= room:
            kept.update(way)
            room -= len(way)
    children = {
        parent: shown
        for parent, following in tree.children.items()
        if parent in kept and (shown := [number for number in following if number in kept])
    }
    return View(tree, children, _hidden(tree, kept))


def _hidden(tree: SearchTree, kept: set[int]) -> dict[int, Hidden]:
    found: dict[int, Hidden] = {}
    nearest: dict[int, int] = {}
    for node in tree.steps:
        if node.number in kept:
            continue
        # The shown step that this one is counted at.
        at = nearest[node.number] = nearest.get(node.parent, node.parent)
        before = found.get(at, Hidden(0, 0, None))
        scores = [score for score in (before.best, node.score) if score is not None]
        found[at] = Hidden(before.next + (node.parent == at), before.all + 1, max(scores, default=None))
    return found


def _above(nodes: Mapping[int, Node], number: int) -> Iterator[int]:
    while number:
        number = nodes[number].parent
        yield number


@dataclass(slots=True)
class _Rows:
    """The rows of one tree while a trace is read."""

    nodes: dict[int, Mapping[str, Any]]
    marks: list[Mapping[str, Any]]


def read_trees(lines: Iterable[bytes]) -> dict[str, list[SearchTree]]:
    """All trees of a trace by question, those of one question by architecture and layer in the order they began.

    Where a question was asked again, by a resumed run or under the same id, the last time that anything was searched
    counts; where a layer searched several times, its last search. A line that is cut or is no event is passed over.

    Args:
        lines: Those of ``trace.jsonl``.
    """
    attempts: dict[tuple[str, str], tuple[int, object]] = {}
    searched: dict[tuple[str, str], tuple[object, dict[str, _Rows]]] = {}
    for event in _events(lines):
        asked = (event.get("architecture", ""), event["question"])
        run = event.get("run", 0)
        if event["kind"] == "question_started":
            attempts[asked] = (run, object())
            continue
        begun, attempt = attempts.get(asked, (run, None))
        if begun != run:
            continue
        if asked not in searched or searched[asked][0] is not attempt:
            searched[asked] = (attempt, {})
        trees = searched[asked][1]
        layer = event.get("layer", "")
        nodes = {row["node"]: row for row in event.get("nodes", ())}
        if layer not in trees or nodes.keys() & trees[layer].nodes.keys():
            trees[layer] = _Rows({}, [])
        trees[layer].nodes.update(nodes)
        trees[layer].marks.extend(event.get("marks", ()))
    found: dict[str, list[SearchTree]] = defaultdict(list)
    for (architecture, question), (_, trees) in searched.items():
        for layer, rows in trees.items():
            names = {"architecture": architecture, "question": question, "layer": layer}
            found[question].append(SearchTree.of(rows.nodes.values(), rows.marks, **names))
    return dict(found)


def _events(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The events of a trace that have to do with trees."""
    for line in lines:
        # Most of a trace is conversations, which are long and are not looked at.
        if b'"tree"' not in line and b'"question_started"' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("kind") in ("tree", "question_started") and "question" in event:
            yield event
