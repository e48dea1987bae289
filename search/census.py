"""How many architectures of a space are worth trying, and what one of them would cost, before anything is spent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.estimate import Figures, estimate
from archon.observed import Profile
from archon.state import Task
from evals.statistics.estimate import Z95
from search.parameters import Params
from search.rules import ARCHITECTURE, turned_down
from search.space import InvalidArchitectureError, Space

COUNTED = 20_000
SAMPLED = 2_000


class NoValidArchitectureError(ConfigError):
    """The rules leave nothing of a space; the message says which turned down how many."""


@dataclass(frozen=True, slots=True)
class Census:
    """What the rules leave of a space.

    Attributes:
        size: Its settings; infinite with a range that has no steps.
        looked_at: How many settings were looked at.
        exact: Whether those were all.
        valid: How many settings pass every rule: counted, or estimated from a sample.
        interval: Where the share of valid settings lies with 95 % confidence; no wider than a point if it was counted.
        distinct: How many different architectures the valid ones are among those looked at.
        pruned: By rule, the share of settings that it is the first to turn down.
        reasons: By rule, what it said of the first of them.
        kept: Valid architectures: all different ones, or those of the sample.
    """

    size: float
    looked_at: int
    exact: bool
    valid: float
    interval: tuple[float, float]
    distinct: int
    pruned: Mapping[str, float]
    reasons: Mapping[str, str]
    kept: tuple[Architecture, ...]

    @property
    def share(self) -> float:
        """The share of settings that are valid."""
        return 1.0 - math.fsum(self.pruned.values())


def census(
    space: Space,
    *,
    most: int = COUNTED,
    sample: int = SAMPLED,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Census:
    """Look at every setting of a space, or at a sample where there are more than ``most``.

    Args:
        space: What to look at, by its own rules.
        most: How many settings are still counted one by one.
        sample: How many are drawn otherwise, nearly evenly and weighted for the rest.
        seed: Decides the sample.
        progress: Told how many settings are done, of how many.

    Raises:
        NoValidArchitectureError: No setting that was looked at passes the rules.
    """
    exact = space.size <= most
    total = int(space.size) if exact else sample
    weights: list[float] = []
    verdicts: list[str | None] = []
    reasons: dict[str, str] = {}
    kept: dict[str, Architecture] = {}
    for done, (params, weight) in enumerate(_settings(space, sample, seed, exact=exact), start=1):
        built, verdict = _judge(space, params)
        if verdict is not None:
            reasons.setdefault(*verdict)
        elif built is not None:
            kept.setdefault(built.name, built)
        weights.append(weight)
        verdicts.append(verdict and verdict[0])
        progress(done, total)
    pruned = _shares(verdicts, weights)
    if not kept:
        raise NoValidArchitectureError(_nothing(space, verdicts, reasons, exact=exact))
    share = 1.0 - math.fsum(pruned.values())
    half = 0.0 if exact else Z95 * _error([verdict is None for verdict in verdicts], weights, share)
    return Census(
        size=space.size,
        looked_at=len(verdicts),
        exact=exact,
        valid=sum(verdict is None for verdict in verdicts) if exact else share * space.size,
        interval=(max(0.0, share - half), min(1.0, share + half)),
        distinct=len(kept),
        pruned=pruned,
        reasons=reasons,
        kept=tuple(kept.values()),
    )


def _settings(space: Space, sample: int, seed: int, *, exact: bool) -> Iterable[tuple[Params, float]]:
    if exact:
        return ((params, 1.0) for params in space.enumerate())
    rng = Random(seed)
    return (space.evenly(rng) for _ in range(sample))


def _judge(space: Space, params: Params) -> tuple[Architecture | None, tuple[str, str] | None]:
    """The architecture of a setting, and the rule that turns it down with the reason."""
    try:
        built = space.build(params)
    except InvalidArchitectureError as error:
        return None, (ARCHITECTURE, str(error))
    return built, turned_down(built, space.rules)


def _shares(verdicts: Sequence[str | None], weights: Sequence[float]) -> dict[str, float]:
    by_rule: Counter[str] = Counter()
    shares: dict[str, float] = {}
    total = math.fsum(weights)
    for rule in dict.fromkeys(verdict for verdict in verdicts if verdict is not None):
        by_rule[rule] = verdicts.count(rule)
        shares[rule] = math.fsum(w for w, v in zip(weights, verdicts, strict=True) if v == rule) / total
    return {rule: shares[rule] for rule, _ in by_rule.most_common()}


def _error(valid: Sequence[bool], weights: Sequence[float], share: float) -> float:
    """The standard error of a weighted share (a ratio of means, by the delta method), never below that of one draw."""
    total, n = math.fsum(weights), len(weights)
    spread = math.sqrt(math.fsum((w * (v - share)) ** 2 for v, w in zip(valid, weights, strict=True))) / total
    return max(spread, 1.0 / n)


def _nothing(space: Space, verdicts: Sequence[str | None], reasons: Mapping[str, str], *, exact: bool) -> str:
    counts = Counter(verdict for verdict in verdicts if verdict is not None).most_common()
    each = "; ".join(f"{rule} turned down {count:,} (the first because {reasons[rule]})" for rule, count in counts)
    among = "settings" if exact else "sampled settings"
    return f"{space.source}: none of the {len(verdicts):,} {among} is an architecture to try: {each}."


@dataclass(frozen=True, slots=True)
class Expense:
    """What the architectures of a space ask on one question.

    Attributes:
        mean: The average over the architectures; ``unpriced`` calls have no known price.
        least: The one with the fewest tokens.
        most: The one with the most tokens.
        architectures: Over how many.
        unknown: How many of them have a technique that cannot say what it asks; their figures are lower bounds.
    """

    mean: Figures
    least: Figures
    most: Figures
    architectures: int
    unknown: int


def expense(architectures: Sequence[Architecture], tasks: Sequence[Task], profile: Profile) -> Expense:
    """Estimate what architectures, of which there is at least one, ask on the average task."""
    estimates = [estimate(architecture, tasks, profile) for architecture in architectures]
    figures = sorted(
        (estimated.each for estimated in estimates), key=lambda each: (each.prompt + each.completion, each.calls)
    )
    total = sum(figures, Figures())
    n = len(figures)
    mean = Figures(*(getattr(total, name) / n for name in Figures.__dataclass_fields__))
    return Expense(mean, figures[0], figures[-1], n, sum(bool(estimated.unknown) for estimated in estimates))
