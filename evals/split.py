"""Which problems a search may look at, which guard it, and which stay sealed: decided by what a problem says.

A problem's split follows from a hash of its content and nothing else, so that it is the same whatever the order, the
limit, the seed and the wording of the prompt are, and the same problem never stands on both sides. Problems of one
group stay together, because they are not independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from archon.errors import ConfigError
from evals.graders.base import Problem

Split = Literal["search", "guard", "sealed"]
SPLITS: tuple[Split, ...] = ("search", "guard", "sealed")
"""``search`` may be asked as often as one likes, ``guard`` on a budget of queries, ``sealed`` once."""


@dataclass(frozen=True, slots=True)
class HashSplit:
    """How problems are assigned to the splits.

    Attributes:
        salt: Another salt is another assignment, independent of this one.
        search: The weight of the search split; the weights need not add up to 1.
        guard: The weight of the guard split.
        sealed: The weight of the sealed split.
    """

    salt: str = ""
    search: float = 0.6
    guard: float = 0.2
    sealed: float = 0.2

    def __post_init__(self) -> None:
        weights = (self.search, self.guard, self.sealed)
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights):
            raise ConfigError(f"The weights of the splits are numbers from 0 on, not all 0, and not {weights}.")

    def share(self, split: Split) -> float:
        """The share of problems that a split is expected to get."""
        weights = {"search": self.search, "guard": self.guard, "sealed": self.sealed}
        return weights[split] / sum(weights.values())

    def of(self, problem: Problem) -> Split:
        """The split of a problem."""
        place = unit_hash(self.salt, problem.group or content_of(problem))
        reached = 0.0
        for split in SPLITS:
            reached += self.share(split)
            if place < reached:
                return split
        # Rounding may leave the sum just below 1.
        return next(split for split in reversed(SPLITS) if self.share(split))

    def divide(self, problems: Iterable[Problem]) -> dict[Split, list[Problem]]:
        """All splits with their problems, each in the order given."""
        divided: dict[Split, list[Problem]] = {split: [] for split in SPLITS}
        for problem in problems:
            divided[self.of(problem)].append(problem)
        return divided


def content_of(problem: Problem) -> str:
    """What a problem asks, in lower case and with single spaces: its question before any prompt was put around it."""
    question = problem.fields.get("question")
    if not isinstance(question, str):
        question = "\n".join(message.content for message in problem.messages if message.role == "user")
    return " ".join(question.casefold().split())


def unit_hash(salt: str, text: str) -> float:
    """A number from 0 to below 1 that follows from the texts alone, uniform over texts."""
    digest = hashlib.blake2b(f"{salt}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # 53 bits are what a float holds exactly.
    return (int.from_bytes(digest) >> 11) / 2**53
