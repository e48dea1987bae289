"""Monte Carlo tree search outside of texts: over the legal moves of a game or puzzle that a program knows."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from archon.state import Failure
from techniques.stepwise.tree_search import Node, Selection, most_visited, simulate


class Environment(Protocol):
    """A position of a game of one or two players; frozen. Its ``str`` is what a model is shown.

    With two players, each move gives the turn to the other.
    """

    @property
    def players(self) -> int:
        """One or two."""
        ...

    def moves(self) -> Sequence[Hashable]:
        """The legal moves of who is to move, at least one until the game is over."""
        ...

    def play(self, move: Hashable) -> Self:
        """The position after a move."""
        ...

    def outcome(self) -> float | None:
        """``None`` until the game is over; then 1 if who would be to move has won, 0.5 for a draw, 0 for a loss."""
        ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is thought of a position.

    Attributes:
        value: The outcome that is expected, for who is to move.
        priors: How good each legal move looks, in their order, summing to 1; ``None`` if all look the same.
    """

    value: float
    priors: Sequence[float] | None = None


class Evaluator(Protocol):
    """A policy and a value in one."""

    async def evaluate(self, position: Environment) -> Evaluation | Failure:
        """What to think of a position in which the game is not over, or why nothing can be said."""
        ...


class Playouts:
    """Values a position by games that go on from it with random moves; an :class:`Evaluator`.

    Args:
        rng: Chooses the moves.
        n: Games per position.
    """

    def __init__(self, rng: random.Random, n: int = 1) -> None:
        self._rng = rng
        self._n = n

    async def evaluate(self, position: Environment) -> Evaluation:
        """The mean outcome."""
        return Evaluation(sum(self._play(position) for _ in range(self._n)) / self._n)

    def _play(self, position: Environment) -> float:
        turns = 0
        while (outcome := position.outcome()) is None:
            position = position.play(self._rng.choice(position.moves()))
            turns += 1
        return 1.0 - outcome if position.players == 2 and turns % 2 else outcome


@dataclass(slots=True)
class Place:
    """A position in the tree.

    Attributes:
        position: The position.
        move: The move that led to it; ``None`` at the root.
        priors: What its evaluation says of the moves that follow.
    """

    position: Environment
    move: Hashable = None
    priors: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What a search found out about a move at its root.

    Attributes:
        move: The move.
        visits: How many values were found after it.
        value: Their mean, for who makes the move.
    """

    move: Hashable
    visits: int
    value: float


class Game:
    """An environment as a :class:`techniques.stepwise.tree_search.World`; two players' values are negated (negamax).

    Args:
        players: How many play.
        evaluator: Values positions.
        fallback: Values those that the evaluator cannot.

    Attributes:
        failures: Why it could not.
    """

    def __init__(self, players: int, evaluator: Evaluator, fallback: Playouts) -> None:
        self.opposed = players == 2
        self.failures: list[Failure] = []
        self._evaluator = evaluator
        self._fallback = fallback

    def ended(self, node: Node[Place]) -> bool:
        """Whether the game is over."""
        return node.state.position.outcome() is not None

    async def expand(self, node: Node[Place]) -> None:
        """Add every legal move, once."""
        if node.asked:
            return
        place = node.state
        moves = place.position.moves()
        if node.parent is None:
            # All other positions were evaluated when they were leaves.
            await self._evaluation(place)
        priors = place.priors or [1 / len(moves)] * len(moves)
        node.asked = len(moves)
        node.children += [
            Node(Place(place.position.play(move), move), node, prior) for move, prior in zip(moves, priors, strict=True)
        ]

    async def evaluate(self, node: Node[Place]) -> float:
        """The outcome, or what is expected of it, for whoever moved here."""
        outcome = node.state.position.outcome()
        value = await self._evaluation(node.state) if outcome is None else outcome
        return 1.0 - value if self.opposed else value

    async def _evaluation(self, place: Place) -> float:
        evaluation = await self._evaluator.evaluate(place.position)
        if isinstance(evaluation, Failure):
            self.failures.append(evaluation)
            evaluation = await self._fallback.evaluate(place.position)
        place.priors = evaluation.priors
        return evaluation.value


async def search_moves(
    position: Environment,
    *,
    iterations: int,
    rng: random.Random,
    playouts: int = 1,
    evaluator: Evaluator | None = None,
    selection: Selection | None = None,
) -> tuple[list[Move], list[Failure]]:
    """Search a game for the best move.

    Args:
        position: Where to move; the game must not be over.
        iterations: How many positions are valued.
        rng: Chooses the moves of random games.
        playouts: Random games per position.
        evaluator: Values positions instead of random games, which stand in where it fails.
        selection: How to choose between moves that were tried. The backup has to be the mean where two play.

    Returns:
        The moves that were tried, most visited first, and why the evaluator failed.

    Raises:
        ValueError: The game is over, or the backup does not fit it.
    """
    selection = selection or Selection()
    if position.outcome() is not None:
        raise ValueError("there is no move to look for: the game is over")
    if position.players == 2 and selection.backup == "max":
        raise ValueError("the highest value below a move is no value of the move where an opponent chooses, too")
    random_games = Playouts(rng, playouts)
    game = Game(position.players, evaluator or random_games, random_games)
    root = Node(Place(position))
    for _ in range(iterations):
        await simulate(root, game, selection)
    found = [
        Move(child.state.move, child.visits, child.value(selection.backup))
        for child in most_visited(root, selection.backup)
    ]
    return found, game.failures
