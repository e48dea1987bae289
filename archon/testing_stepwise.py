"""Worlds to try a search in without a language model: every answer, its probability and its reward are known.

They are laws and load, not evidence: how a search fares on a real model is measured on one.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from archon.stepwise import Partial


class ToyTree:
    """A tree of which everything is known: which step follows with what probability, and the reward of every beginning.

    Step probabilities are drawn from a flat Dirichlet distribution and rewards uniformly from ``rewards``, once, by the
    seed. Answers are complete at ``depth``; with ``stops`` above 0, a beginning is complete earlier with that
    probability.
    A :class:`archon.stepwise.Proposal` and a :class:`archon.stepwise.Scorer` in one.

    Args:
        depth: The steps of the longest answer.
        branching: How many different steps can follow a beginning; they are called ``0``, ``1`` ...
        rewards: The range of rewards.
        stops: How likely a beginning that is not at the full depth is to be a complete answer already.
        seed: Decides the tree.
        draws: Decides what is drawn from it.
    """

    longest = 1

    def __init__(
        self,
        depth: int = 3,
        branching: int = 2,
        *,
        rewards: tuple[float, float] = (0.1, 0.9),
        stops: float = 0.0,
        seed: int = 0,
        draws: int = 0,
    ) -> None:
        self.depth = depth
        self.branching = branching
        self.probabilities: dict[str, list[float]] = {}
        self.reward: dict[str, float] = {}
        self._whole: set[str] = set()
        self._rng = random.Random(f"draws {draws}")
        rng = random.Random(f"tree {seed}")
        frontier = [""]
        for level in range(1, depth + 1):
            children = []
            for text in frontier:
                weights = [rng.expovariate(1.0) for _ in range(branching)]
                self.probabilities[text] = [weight / math.fsum(weights) for weight in weights]
                for step in range(branching):
                    child = f"{text}{step}"
                    self.reward[child] = rng.uniform(*rewards)
                    if level == depth or rng.random() < stops:
                        self._whole.add(child)
                    else:
                        children.append(child)
            frontier = children

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        """Draw next steps by their probabilities."""
        weights = self.probabilities[partial.text]
        steps = self._rng.choices(range(self.branching), weights, k=n)
        return [self.then(partial, step) for step in steps]

    async def score(self, partials: Sequence[Partial]) -> list[float]:
        """The rewards."""
        return [self.reward[partial.text] for partial in partials]

    def answers(self) -> Iterator[tuple[Partial, float]]:
        """Every complete answer with its probability under the proposal; the scores of all its beginnings are set."""
        level: list[tuple[Partial, float]] = [(Partial(), 1.0)]
        while level:
            following = []
            for partial, probability in level:
                for step, p in enumerate(self.probabilities[partial.text]):
                    child = self.then(partial, step)
                    child = child.with_score(self.reward[child.text])
                    if child.open:
                        following.append((child, probability * p))
                    else:
                        yield child, probability * p
            level = following

    def then(self, partial: Partial, step: int) -> Partial:
        """A beginning and one of the steps that can follow it."""
        whole = partial.text + str(step) in self._whole
        logprob = math.log(self.probabilities[partial.text][step])
        return partial.then(str(step), end="stop" if whole else "", tokens=1, logprob=logprob)


class Everything:
    """A proposal that offers every next step of a tree once, in order, and starts over when asked for more.

    Args:
        tree: The tree.
    """

    longest = 1

    def __init__(self, tree: ToyTree) -> None:
        self._tree = tree

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        """The first ``n`` steps there are."""
        steps = itertools.islice(itertools.cycle(range(self._tree.branching)), n)
        return [self._tree.then(partial, step) for step in steps]
