"""Small games with rules that are known, and what perfect play comes to."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Self

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


@dataclass(frozen=True)
class TicTacToe:
    """Nine squares; ``x`` moves first."""

    squares: str = "." * 9
    players = 2

    def moves(self) -> list[int]:
        return [square for square, mark in enumerate(self.squares) if mark == "."]

    def play(self, move: Hashable) -> Self:
        assert isinstance(move, int) and self.squares[move] == "."
        mark = "xo"[self.squares.count(".") % 2 == 0]
        return type(self)(self.squares[:move] + mark + self.squares[move + 1 :])

    def outcome(self) -> float | None:
        for a, b, c in LINES:
            if self.squares[a] != "." and self.squares[a] == self.squares[b] == self.squares[c]:
                return 0.0  # Only who moved last can have three in a row.
        return None if "." in self.squares else 0.5

    def __str__(self) -> str:
        return "\n".join(self.squares[row : row + 3] for row in (0, 3, 6))


@cache
def minimax(position: TicTacToe) -> float:
    """The outcome of perfect play for who is to move."""
    outcome = position.outcome()
    if outcome is not None:
        return outcome
    return max(1 - minimax(position.play(move)) for move in position.moves())


@dataclass(frozen=True)
class Staircase:
    """A puzzle of one player: climb three steps, and what you gain is the share of the steps taken on the right."""

    taken: str = ""
    players = 1

    def moves(self) -> str:
        return "lr"

    def play(self, move: Hashable) -> Self:
        return type(self)(self.taken + str(move))

    def outcome(self) -> float | None:
        return self.taken.count("r") / 3 if len(self.taken) == 3 else None


def board(question: str) -> TicTacToe:
    """The board that stands in a question, or an empty one."""
    rows = [word for word in question.split() if len(word) == 9 and set(word) <= set("xo.")]
    return TicTacToe(rows[-1] if rows else "." * 9)


MODULE = __name__
