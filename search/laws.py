"""The laws of the simulated world of :mod:`search.simulated`, and the numbers in them.

Simulated. The numbers are fitted to real samples: what a 0.5B and a 1.5B model answered to MAWPS word problems, and
what they thought of each other's answers (``tests/benchmarks/draw.py`` drew them, ``tests/benchmarks/calibrate.py``
fits, and says how well; docs/search.md has the outcome). They describe those models on those problems and no others.

The laws are functions of arrays of luck, so that the world, which runs thousands of problems at a time, and an
endpoint, which answers one request, obey the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Role = Literal["score", "rank", "verify", "fuse"]

WRONG = 20
"""How many wrong answers a problem has."""


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A model of the world.

    Attributes:
        ability: On the scale of the difficulties, in logits.
        price: US dollars per million tokens, in and out.
    """

    ability: float
    price: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A number that grows with a model's ability."""

    start: float
    slope: float

    def __call__(self, ability: float) -> float:
        """The number at an ability."""
        return self.start + self.slope * ability


@dataclass(frozen=True, slots=True)
class Laws:
    """The numbers of the world.

    Attributes:
        difficulty: The standard deviation of the difficulties of problems, in logits.
        quirk: The standard deviation of what makes a problem hard for one model alone, in logits.
        warmth: How little the temperature matters: the logits of a temperature T are those of 0.7 times
            ``(0.7 + warmth) / (T + warmth)``.
        common: How much more popular some wrong answers are than others with all models; in logits of choosing one.
        own: The same, with one model alone.
        score: How far right and wrong answers are apart, to either side, for whoever scores; in standard deviations
            of its noise.
        rank: The same for whoever ranks.
        verify: The same for whoever verifies.
        fuse: The same for whoever fuses.
        lasting: The share of that noise, in variance, that belongs to a judge and an answer, and so comes again
            whenever it sees it.
        remark: What a remark adds to how far right and wrong are apart, for whoever reads it.
        leniency: How far to the right side wrong answers, and right ones too, look for whoever verifies.
        alone: How likely a fuser is to answer by itself instead of taking up what it is shown.
        middle: A score is the logistic function of ``middle + unit * view``.
        unit: See ``middle``.
    """

    difficulty: float = 2.11
    quirk: float = 1.81
    warmth: float = 0.05
    common: float = 0.34
    own: float = 1.48
    score: Line = Line(0.106, 0.206)
    rank: Line = Line(0.032, 0.052)
    verify: Line = Line(-0.197, 0.0)
    fuse: Line = Line(0.325, 0.0)
    lasting: float = 0.55
    remark: float = -0.12
    leniency: Line = Line(1.079, 0.311)
    alone: float = 0.28
    middle: Line = Line(0.582, 0.503)
    unit: Line = Line(0.197, 0.016)

    def chance(self, ability: float, difficulty: Floats, quirk: Floats, temperature: float) -> Floats:
        """How likely a model is to answer rightly, given what problems and it drew from N(0, 1)."""
        sharp = (0.7 + self.warmth) / (temperature + self.warmth)
        logits = sharp * (ability - self.difficulty * difficulty - self.quirk * quirk)
        return np.asarray(1 / (1 + np.exp(-logits)))

    def wrong(self, common: Floats, own: Floats, luck: Floats) -> Ints:
        """Wrong answers, from 1, by their popularity.

        Args:
            common: Numbers from N(0, 1) of the wrong answers; shape (problems, wrong answers).
            own: The same, of the model.
            luck: Uniform numbers, one for each draw; shape (problems, draws).
        """
        popular = np.exp(self.common * common + self.own * own)
        edges = np.cumsum(popular / popular.sum(axis=1, keepdims=True), axis=1)
        return np.asarray(1 + np.minimum((luck[:, :, None] > edges[:, None, :]).sum(axis=2), WRONG - 1))

    def view(
        self, role: Role, ability: float, right: Flags, lasting: Floats, passing: Floats, remarked: bool = False
    ) -> Floats:
        """What a judge sees of candidates: what is higher looks better, and what is above 0 looks right.

        Args:
            role: What it judges for.
            ability: Its ability.
            right: Which candidates are.
            lasting: Numbers from N(0, 1) that belong to the judge and each candidate's answer.
            passing: Numbers from N(0, 1) that belong to this look.
            remarked: Whether candidates come with remarks.
        """
        line: Line = getattr(self, role)
        apart = line(ability) + (self.remark if remarked else 0.0)
        noise = math.sqrt(self.lasting) * lasting + math.sqrt(1 - self.lasting) * passing
        lenient = self.leniency(ability) if role == "verify" else 0.0
        return np.asarray(np.where(right, apart, -apart) + lenient + noise)

    def probability(self, ability: float, view: Floats) -> Floats:
        """The score, from 0 to 1, that a judge gives for what it saw."""
        return np.asarray(1 / (1 + np.exp(-self.middle(ability) - self.unit(ability) * view)))
