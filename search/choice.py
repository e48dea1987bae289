"""Chooses among the best of a study by problems it did not see, and says honestly what the choice is worth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon.architecture import Architecture, parse_layer
from archon.errors import GuardError
from evals.statistics.paired import Difference, paired
from search.canonical import digest
from search.evaluator import CostUnit, Evaluator, Outcome
from search.guard import Claim, Guard, Mechanism
from search.history import Entry, History, mean, mean_cost
from search.measures import measures
from search.racing import scored
from search.sealed import Sealed

FINALISTS = 5
MOST_SAMPLES = 64
"""Of one model on a sealed problem, however dear the winner is."""


@dataclass(frozen=True)
class Measured:
    """One architecture on problems that nothing was chosen by.

    Attributes:
        name: What it is called.
        figures: Its accuracy, cost and cost of pass; see :func:`search.measures.measures`.
        difference: By how much the winner's accuracy is above, on the same problems; ``None`` for the winner, and where
            no problem was graded for both.
    """

    name: str
    figures: Mapping[str, Any]
    difference: Difference | None = None

    def to_data(self) -> dict[str, Any]:
        """The figures as JSON values."""
        data = {"name": self.name, **self.figures}
        if self.difference is not None:
            d = self.difference
            data["winner_minus_this"] = {"points": 100 * d.value, "low": 100 * d.low, "high": 100 * d.high, "p": d.p}
        return data


@dataclass(frozen=True)
class Verdict:
    """The choice, and what it is worth.

    Attributes:
        winner: The entry that was chosen.
        claim: What the guard lets be said; ``None`` without guarded problems.
        sealed: The winner and the baselines on the sealed problems; empty without any, or where they had been scored.
        remark: Why something is lacking.
    """

    winner: Entry
    claim: Claim | None
    sealed: tuple[Measured, ...]
    remark: str = ""


async def choose(
    history: History,
    guarded: Evaluator | None,
    sealed: Evaluator | None,
    directory: Path,
    *,
    mechanism: Mechanism | None = None,
    baselines: Sequence[Architecture] = (),
    finalists: int = FINALISTS,
    say: Callable[[str], None] = lambda text: None,
) -> Verdict:
    """Let the guard choose among the finalists of a study, and score the winner once on the sealed problems.

    The guard is asked about the architecture with the fewest calls, which is its baseline, then about the finalists,
    best first. Only what it releases decides; the sealed problems decide nothing. The guard speaks of
    accuracy alone: where the objective is cost-of-pass, it is asked about the best one only, and chooses no other.

    Args:
        history: What the study tried; it has to have a best.
        guarded: Evaluates on the guard's problems.
        sealed: Evaluates on the sealed problems.
        directory: Where the guard and the seal keep count.
        mechanism: How the guard answers; a Ladder unless given.
        baselines: What the winner is compared with on the sealed problems.
        finalists: How many the guard is asked about.
        say: Told who is asked next, in a few words.
    """
    ranked = sorted(history.whole(), key=history.order)
    winner, claim, remark = ranked[0], None, ""
    if guarded is not None and guarded.problems:
        guard = Guard(directory, mechanism)
        by_accuracy = history.spec.objective != "cost_of_pass"
        asked = _with_baseline(ranked[:finalists], history) if by_accuracy else ranked[:1]
        try:
            for number, entry in enumerate(asked, 1):
                say(f"guard: {number} of {len(asked)}")
                outcomes = await guarded.evaluate(entry.architecture, range(guarded.problems))
                guard.ask(entry.architecture.name, _scores(outcomes), searched=entry.accuracy)
            claim = guard.claim()
            if by_accuracy:
                winner = next(entry for entry in asked if entry.architecture.name == claim.candidate)
        except GuardError as error:
            remark = str(error)
    measured: tuple[Measured, ...] = ()
    if sealed is not None and sealed.problems:
        seal, name = Sealed(directory), winner.architecture.name
        try:
            seal.open(name)
            others = [single for single in baselines if digest(single) != digest(winner.architecture)]
            own, measured = await _sealed(winner, _Told(sealed, say), others, history.spec.cost)
            # Last, so that a run that is cut before can still score them.
            seal.close(name, _scores(own))
        except GuardError as error:
            remark = f"{remark} {error}".strip()
    return Verdict(winner, claim, measured, remark)


@dataclass(frozen=True)
class _Told:
    """An evaluator on the sealed problems that says whom it asks."""

    inner: Evaluator
    say: Callable[[str], None]

    @property
    def problems(self) -> int:
        return self.inner.problems

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        self.say(f"seal: {architecture.name}")
        return await self.inner.evaluate(architecture, positions)


def singles(architectures: Iterable[Architecture]) -> list[Architecture]:
    """Every model that generates in a first layer, by itself and once.

    Its settings are those of the first architecture that is nothing but one sample of it, else of the first with it.
    """
    found: dict[str, Architecture] = {}
    # Who is compared with a model by itself owes it the settings that suit it best by itself.
    for architecture in sorted(architectures, key=_is_one_sample, reverse=True):
        specs = architecture.specs()
        for component in architecture.layers[0]:
            if component.kind != "generate":
                continue
            named = getattr(component, "model")  # noqa: B009 - of a class that this package does not import
            for ref in [named] if isinstance(named, str) else named:
                spec = specs[ref]
                if spec.use not in found:
                    only = component.model_copy(update={"model": ref, "n": 1})
                    found[spec.use] = Architecture(
                        name=f"single-{re.sub(r'[^0-9A-Za-z_.+-]', '-', spec.use.partition('/')[2])}",
                        models={ref: spec} if ref in architecture.models else {},
                        layers=((only,),),
                        answer=architecture.answer,
                    )
    return list(found.values())


def _is_one_sample(architecture: Architecture) -> bool:
    """Whether one component that draws once is all there is."""
    return [getattr(component, "n", None) for _, component in architecture.components()] == [1]


async def _sealed(
    winner: Entry, sealed: Evaluator, baselines: Sequence[Architecture], unit: CostUnit
) -> tuple[Sequence[Outcome], tuple[Measured, ...]]:
    """The winner's outcomes on the sealed problems, and its figures beside those of the baselines."""
    places = range(sealed.problems)
    # Single models first: a sample that is drawn with others of its prompt takes less of the endpoint's time than one
    # that is drawn by itself, and should not be what a single model is judged by.
    compared: list[tuple[Architecture, Sequence[Outcome]]] = []
    for architecture in baselines:
        compared.append((architecture, await sealed.evaluate(architecture, places)))
    own = await sealed.evaluate(winner.architecture, places)
    # Where prices are not known, tokens say what costs the same.
    counted: CostUnit = "tokens" if math.isnan(mean_cost(own, unit)) else unit
    for single, outcomes in sorted(compared, key=lambda pair: -mean(o.score for o in pair[1])):
        if equal := await _of_equal_cost(single, outcomes, mean_cost(own, counted), sealed, counted):
            compared.append(equal)
            break
    measured = [Measured(winner.architecture.name, measures(own, unit))]
    for architecture, outcomes in compared:
        pairs = scored(own, outcomes)
        # Without a pair the graders have failed, and there is nothing to compare.
        difference = (
            paired([[a.score or 0.0] for a, _ in pairs], [[b.score or 0.0] for _, b in pairs]) if pairs else None
        )
        measured.append(Measured(architecture.name, measures(outcomes, unit), difference))
    return own, tuple(measured)


async def _of_equal_cost(
    single: Architecture, outcomes: Sequence[Outcome], cost: float, sealed: Evaluator, unit: CostUnit
) -> tuple[Architecture, Sequence[Outcome]] | None:
    """The majority of samples of one model that costs about as much as the winner, if it buys more than one.

    Samples of one request share their prompt, so the second costs less than the first: what a first majority
    costs says how many samples the cost really buys.
    """
    first = mean_cost(outcomes, unit)
    n = min(round(cost / first), MOST_SAMPLES) if first > 0 else 0
    if n < 2:
        return None
    found = await _majority(single, n, sealed)
    further = (mean_cost(found[1], unit) - first) / (n - 1)
    better = min(max(2, 1 + round((cost - first) / further)), MOST_SAMPLES) if further > 0 else n
    again = found if better == n else await _majority(single, better, sealed)
    return min(found, again, key=lambda pair: abs(mean_cost(pair[1], unit) - cost))


async def _majority(single: Architecture, n: int, sealed: Evaluator) -> tuple[Architecture, Sequence[Outcome]]:
    generate = single.layers[0][0].model_copy(update={"n": n})
    name = f"{single.name.removeprefix('single-')}-vote-of-{n}"
    architecture = single.model_copy(update={"name": name, "layers": ((generate,), parse_layer("vote"))})
    return architecture, await sealed.evaluate(architecture, range(sealed.problems))


def _with_baseline(finalists: Sequence[Entry], history: History) -> list[Entry]:
    """The cheapest entry that was tried, as the baseline, then the finalists."""
    cheapest = min(history.whole(), key=lambda entry: (mean(o.calls for o in entry.outcomes), -entry.accuracy))
    return [cheapest, *(entry for entry in finalists if entry is not cheapest)]


def _scores(outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    # A grader that crashed on a guarded problem must not stop the choice; it counts as wrong for everybody alike.
    return {str(place): outcome.score or 0.0 for place, outcome in enumerate(outcomes)}
