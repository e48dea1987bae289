"""What the samplers have in common: the distribution of answers that they aim at, and how particles move on."""

from __future__ import annotations

import math
from abc import ABC
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from archon.knobs import ChoiceKnob, FloatKnob
from archon.stepwise import Partial
from techniques.stepwise.base import Stepwise
from techniques.stepwise.search import Search

LogPotential = Callable[[Partial], float]
"""The logarithm of the factor that the last step of a scored beginning brings."""

Path = tuple[Partial, ...]
"""A partial answer with all its beginnings, the root first."""

Potential = Literal["reward", "odds", "telescoping"]

CLIP = 1e-6
"""Rewards are kept this far from 0 and 1, whatever the potential, so that no single one decides everything."""


class Posterior(Stepwise, ABC):
    """A search that samples answers x in proportion to p(x) x G_1 x ... x G_T.

    p is the model's own distribution and G_t the potential of the answer's first t steps, whose reward is r_t:

    - ``reward``: r_t, so the target is p x the product of all rewards
    - ``odds``: r_t / (1 - r_t), so the target is p x the product of all odds
    - ``telescoping``: r_t / r_(t-1) with r_0 = 1, so the target is p x r_T, the reward of the whole answer alone

    Rewards are those of :class:`archon.stepwise.Scorer` for the beginnings, clipped to 1e-6 ... 1 - 1e-6.

    Attributes:
        potential: What the rewards mean.
        tau: The temperature of the rewards: they count as their powers of 1 / tau.
        final_tau: The temperature at step ``max_steps``, with those of the steps between on a straight line from
            ``tau`` at the first; ``tau`` throughout if not given.
        select: ``best`` puts the answers with the highest scores first; ``sample`` leaves draws from the target, in
            random order, so that the first is one draw and a plain vote counts probabilities.
    """

    potential: Annotated[Potential, ChoiceKnob(("reward", "odds", "telescoping"))] = "odds"
    tau: Annotated[float, Field(gt=0), FloatKnob(0.1, 10.0, log=True)] = 1.0
    final_tau: Annotated[float | None, Field(gt=0), FloatKnob(0.1, 10.0, log=True)] = None
    select: Literal["best", "sample"] = "best"

    @property
    def log_potential(self) -> LogPotential:
        """The potential as the settings have it."""
        return log_potential(self.potential, self.tau, self.final_tau, self.max_steps)


def log_potential(kind: Potential, tau: float = 1.0, final_tau: float | None = None, steps: int = 1) -> LogPotential:
    """A potential of the rewards of beginnings.

    Args:
        kind: Which.
        tau: The temperature at the first step.
        final_tau: The temperature at the last step, if it is another.
        steps: Which step that is.
    """

    def power(step: int) -> float:
        if final_tau is None or steps == 1:
            return 1.0 / tau
        share = min(step - 1, steps - 1) / (steps - 1)
        return 1.0 / (tau + share * (final_tau - tau))

    def value(partial: Partial) -> float:
        step, reward = len(partial.scores), _clipped(partial.scores[-1])
        match kind:
            case "reward":
                return power(step) * math.log(reward)
            case "odds":
                return power(step) * (math.log(reward) - math.log1p(-reward))
            case "telescoping":
                # With the power of its own step on each reward, what is left at the end is the last reward's alone.
                before = 0.0 if step == 1 else power(step - 1) * math.log(_clipped(partial.scores[-2]))
                return power(step) * math.log(reward) - before

    return value


def log_sum(values: Sequence[float]) -> float:
    """The logarithm of a sum of numbers whose logarithms these are."""
    most = max(values)
    return most + math.log(math.fsum(math.exp(value - most) for value in values))


async def propagate(search: Search, partials: Sequence[Partial]) -> list[Partial | None]:
    """Give every open partial answer a next step, all at once.

    Equal beginnings are asked for together, so that they share what it costs to read them.

    Args:
        search: What to search with.
        partials: Particles; one that is not open stays what it is.

    Returns:
        What became of each; ``None`` if its draw failed or has no score, which is recorded.

    Raises:
        Exhausted: There is no more to spend.
    """
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, partial in enumerate(partials):
        if partial.open:
            alike[partial.steps].append(place)
    families = await search.grow([(partials[places[0]], len(places)) for places in alike.values()]) if alike else []
    moved: list[Partial | None] = [None if partial.open else partial for partial in partials]
    for places, family in zip(alike.values(), families, strict=True):
        for place, child in zip(places, family, strict=False):
            moved[place] = child
    return moved


def completed(paths: Sequence[Path]) -> list[Path]:
    """Those that came to their end by themselves; all of them if none did."""
    return [path for path in paths if path[-1].complete] or list(paths)


def _clipped(reward: float) -> float:
    return min(max(reward, CLIP), 1.0 - CLIP)
