"""Monte Carlo tree search, whatever it searches: which leaf comes next, and what its value says about its ancestors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

S = TypeVar("S")

Formula = Literal["uct", "puct"]
"""How children that were all tried are chosen between: Q + c·√(ln N / n), or Q + c·P·√N / (1 + n), with Q a child's
value, P its prior, n its visits and N those of its parent."""

Backup = Literal["mean", "max"]
"""What Q is: the mean of all values found below a child, or the highest of them."""


@dataclass(slots=True, eq=False)
class Node(Generic[S]):
    """A place in the tree and what is known of it, as whoever chose to come here sees it.

    Attributes:
        state: What is here.
        parent: Where it was reached from.
        prior: How likely the proposal is to come here from there.
        children: What is known to follow.
        draws: How often the proposal came here.
        asked: How many children the proposal was asked for.
        visits: How many values were found here or below.
        total: Their sum.
        best: The highest of them.
        closed: Whether there is nothing more to find here: what should follow, or its value, could not be had.
    """

    state: S
    parent: Node[S] | None = None
    prior: float = 1.0
    children: list[Node[S]] = field(default_factory=list)
    draws: int = 0
    asked: int = 0
    visits: int = 0
    total: float = 0.0
    best: float = -math.inf
    closed: bool = False

    def value(self, backup: Backup) -> float:
        """Q, of a node that was visited."""
        return self.best if backup == "max" else self.total / self.visits


class World(Protocol[S]):
    """What is searched."""

    @property
    def opposed(self) -> bool:
        """Whether two players choose in turn, so that what is worth v to one is worth 1 - v to the other."""
        ...

    def ended(self, node: Node[S]) -> bool:
        """Whether nothing can follow."""
        ...

    async def expand(self, node: Node[S]) -> None:
        """Add the children that a node should have by now, which may be none."""
        ...

    async def evaluate(self, node: Node[S]) -> float | None:
        """The value of a node as whoever chose to come there sees it; ``None`` if it cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which child comes next.

    Attributes:
        formula: The rule for children that were tried.
        exploration: Its constant c; higher tries worse children more often. Values are taken to lie between 0 and 1.
        backup: What a child's value is.
    """

    formula: Formula = "uct"
    exploration: float = math.sqrt(2)
    backup: Backup = "mean"

    def bound(self, child: Node[S], visits: int) -> float:
        """How promising a child is that was visited, of a parent with so many visits."""
        if self.formula == "uct":
            curiosity = math.sqrt(math.log(visits) / child.visits)
        else:
            curiosity = child.prior * math.sqrt(visits) / (1 + child.visits)
        return child.value(self.backup) + self.exploration * curiosity

    def choose(self, node: Node[S]) -> Node[S] | None:
        """The child to go to, the first of equals: one that was not tried, the likeliest first, before any other."""
        children = [child for child in node.children if not child.closed]
        untried = [child for child in children if not child.visits]
        if untried:
            return max(untried, key=lambda child: child.prior)
        return max(children, key=lambda child: self.bound(child, node.visits), default=None)


async def simulate(root: Node[S], world: World[S], selection: Selection) -> Node[S] | None:
    """Go down from the root to a node that was not visited yet or to an end, value it, and tell its ancestors.

    Every call that finds a value adds one visit to every node on the way. So a node's visits are the sum of its
    children's and those it had as a leaf: none for the root, one for a node with children.

    Returns:
        The node that was valued; ``None`` if none could be. What could not be expanded or valued is closed.
    """
    node = root
    while node is root or (node.visits and not world.ended(node)):
        await world.expand(node)
        child = selection.choose(node)
        if child is None:
            node.closed = True
            return None
        node = child
    value = await world.evaluate(node)
    if value is None:
        node.closed = True
        return None
    back_up(node, value, opposed=world.opposed)
    return node


def back_up(leaf: Node[S], value: float, *, opposed: bool) -> None:
    """Tell a leaf and all its ancestors of a value found at the leaf."""
    node: Node[S] | None = leaf
    while node is not None:
        node.visits += 1
        node.total += value
        node.best = max(node.best, value)
        node = node.parent
        value = 1.0 - value if opposed else value


def most_visited(node: Node[S], backup: Backup = "mean") -> list[Node[S]]:
    """The children that were visited, most visits first; among equals the better, then the earlier first."""
    tried = [child for child in node.children if child.visits]
    return sorted(tried, key=lambda child: (-child.visits, -child.value(backup)))
