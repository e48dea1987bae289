"""What is known before a search spends anything: whether there is something to find, and what a trial costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.estimate import estimate
from archon.models.providers import LOCAL
from archon.observed import Profile
from archon.prices import with_list_prices
from archon.state import Task
from evals.contest import ProblemSet
from search.census import NoValidArchitectureError, census
from search.evaluator import CostUnit
from search.space import Space
from search.spec import StudySpec

# Enough to see what there is; a space where these find nothing is looked at once more, and longer.
COUNTED, SAMPLED, LOOKED_LONGER = 1_000, 300, 3_000
ESTIMATED = 60


@dataclass(frozen=True)
class Prospect:
    """A space as a search begins with it.

    Attributes:
        architectures: Valid ones: all of a small space, else a sample; with today's prices.
        unpriced: Models without a price.
        local: Whether any of them needs this machine for itself.
        price_date: The day of the latest price, ``None`` where nothing has one.
    """

    architectures: tuple[Architecture, ...]
    unpriced: tuple[str, ...]
    local: bool
    price_date: str | None

    @property
    def digest(self) -> str:
        """Stands for the architectures, prices aside."""
        names = "\0".join(sorted(architecture.name for architecture in self.architectures))
        return hashlib.blake2b(names.encode(), digest_size=16).hexdigest()

    @property
    def unit(self) -> CostUnit:
        """In what costs are counted unless somebody says otherwise."""
        if not self.unpriced:
            return "usd"
        return "seconds" if self.local else "tokens"


def look(space: Space, progress: Callable[[int, int], None] = lambda done, total: None) -> Prospect:
    """Look at what a space holds.

    Raises:
        NoValidArchitectureError: The rules leave nothing of it.
    """
    try:
        found = census(space, most=COUNTED, sample=SAMPLED, progress=progress)
    except NoValidArchitectureError:
        if space.size <= COUNTED:
            raise
        found = census(space, most=LOOKED_LONGER, sample=LOOKED_LONGER, progress=progress)
    kept = tuple(with_list_prices(architecture) for architecture in found.kept)
    specs = {spec.use: spec for architecture in kept for spec in architecture.specs().values()}
    return Prospect(
        kept,
        tuple(sorted(use for use, spec in specs.items() if spec.price is None)),
        any(spec.provider == LOCAL for spec in specs.values()),
        max((spec.price.date for spec in specs.values() if spec.price is not None), default=None),
    )


def check_spec(spec: StudySpec, prospect: Prospect, problems: ProblemSet) -> None:
    """Refuse a search that could only fail.

    Raises:
        ConfigError: Costs decide and are not known, or the limits do not bear a single trial.
    """
    decides = spec.objective != "accuracy" or spec.ceiling is not None or spec.usd is not None
    if prospect.unpriced and decides and (spec.cost == "usd" or spec.usd is not None):
        raise ConfigError(
            f"{prospect.unpriced[0]} has no price, so its cost in usd is not a number: give it a price under `models`, "
            "or count with --cost tokens, seconds or calls and leave --usd away."
        )
    if spec.calls is None and spec.usd is None:
        return
    calls, dollars = _cheapest(prospect.architectures, problems)
    n = len(problems.problems)
    what = f"one trial of the cheapest architecture on the {n} problems of the search"
    remedy = "allow more, or take fewer problems."
    if spec.calls is not None and calls > spec.calls:
        raise ConfigError(f"--calls {spec.calls} is below {what}, {calls:,.0f} calls; {remedy}")
    if spec.usd is not None and dollars > spec.usd:
        raise ConfigError(f"--usd {spec.usd:g} is below {what}, about ${dollars:.2g}; {remedy}")


def _cheapest(architectures: Sequence[Architecture], problems: ProblemSet) -> tuple[float, float]:
    """The fewest calls and the fewest dollars of one trial, each by itself."""
    tasks = [Task(problem.messages, problem.id) for problem in problems.problems]
    by_size = sorted(architectures, key=lambda a: sum(1 for _ in a.components()))[:ESTIMATED]
    profile = Profile.load()
    each = [estimate(architecture, tasks, profile).total for architecture in by_size]
    return min(figures.calls for figures in each), min(figures.dollars for figures in each)
