"""A simulated reasoner: right and wrong steps by chance, and a process reward whose quality is a dial.

Simulated: it is a model of laws and load, not evidence about any language model.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

from archon.stepwise import Partial

Health = Literal["sound", "ailing", "lost"]
MARGIN = 2.0
STANDARD = NormalDist()


class Reasoner:
    """One problem, its solver and the reward that watches over it.

    An answer has ``depth`` steps. While nothing is wrong, the next step is right with probability ``right``. An error
    is final with probability ``fatal``; any other can be mended, which each step after it does with probability
    ``mend``. The answer is right exactly if nothing is wrong at its end. Wordings differ, so that two draws are hardly
    ever equal, and each step takes some tokens.

    The reward of a text is the logistic function of ``±MARGIN`` (``+`` while nothing is wrong) plus ``noise`` times a
    standard normal number that belongs to the text: asking again gives the same. ``persistence`` is the correlation of
    that number with the one of the text a step shorter, as a reward that was fooled once tends to stay so.

    An :class:`archon.stepwise.Proposal` and a :class:`archon.stepwise.Scorer` in one.

    Args:
        depth: The steps of an answer.
        right: How likely a step is to be right while nothing is wrong.
        fatal: How likely an error is to be final.
        mend: How likely a step is to mend what can be mended.
        noise: How much noise the reward has, in standard deviations on the logistic scale.
        persistence: How much of the noise stays from step to step, from 0 to 1.
        tokens: The fewest and the most tokens of a step.
        seed: Decides the noise of every text.
        draws: Decides what is drawn.
    """

    def __init__(
        self,
        depth: int = 8,
        *,
        right: float = 0.8,
        fatal: float = 0.8,
        mend: float = 0.3,
        noise: float = 1.0,
        persistence: float = 0.5,
        tokens: tuple[int, int] = (20, 60),
        seed: int = 0,
        draws: int = 0,
    ) -> None:
        self.depth = depth
        self.right = right
        self.fatal = fatal
        self.mend = mend
        self.noise = noise
        self.persistence = persistence
        self.longest = tokens[1]
        self._fewest = tokens[0]
        self._seed = seed
        self._rng = random.Random(f"reasoner {draws}")
        self._numbers = lru_cache(maxsize=None)(self._number)

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        """Draw next steps."""
        return [self._step(partial) for _ in range(n)]

    async def score(self, partials: Sequence[Partial]) -> list[float]:
        """The rewards."""
        return [self.reward(partial) for partial in partials]

    def reward(self, partial: Partial) -> float:
        """What the reward says of a beginning."""
        level = MARGIN if health(partial) == "sound" else -MARGIN
        return 1 / (1 + math.exp(-(level + self.noise * self._numbers(partial.steps))))

    def value(self, partial: Partial) -> float:
        """The exact probability that an answer which begins so turns out right."""
        chances: dict[Health, float] = {"sound": 1.0, "ailing": 0.0, "lost": 0.0}
        for _ in range(self.depth - len(partial.steps)):
            error = self.fatal * chances["lost"] + (1 - self.fatal) * chances["ailing"]
            chances = {
                "sound": self.right * chances["sound"] + (1 - self.right) * error,
                "ailing": self.mend * chances["sound"] + (1 - self.mend) * chances["ailing"],
                "lost": 0.0,
            }
        return chances[health(partial)]

    def correct(self, partial: Partial) -> bool:
        """Whether it is a right answer."""
        return partial.complete and health(partial) == "sound"

    def _step(self, partial: Partial) -> Partial:
        rng, now = self._rng, health(partial)
        if now == "sound":
            right = rng.random() < self.right
            now = "sound" if right else "lost" if rng.random() < self.fatal else "ailing"
        elif now == "ailing" and rng.random() < self.mend:
            now = "sound"
        tokens = rng.randint(self._fewest, self.longest)
        step = f"{now} {rng.randrange(10**6):06}\n\n"
        return partial.then(step, end="stop" if len(partial.steps) + 1 == self.depth else "", tokens=tokens)

    def _number(self, steps: tuple[str, ...]) -> float:
        """The standard normal number of a text."""
        if not steps:
            return 0.0
        digest = hashlib.blake2b(f"{self._seed}\x00{''.join(steps)}".encode(), digest_size=6).digest()
        fresh = STANDARD.inv_cdf((int.from_bytes(digest, "big") + 0.5) / 2**48)
        if len(steps) == 1:
            return fresh
        kept = self.persistence
        return kept * self._numbers(steps[:-1]) + math.sqrt(1 - kept * kept) * fresh


def health(partial: Partial) -> Health:
    """Whether something is wrong, as the last step says, which no search looks at."""
    if not partial.steps or partial.steps[-1].startswith("sound"):
        return "sound"
    return "ailing" if partial.steps[-1].startswith("ailing") else "lost"
