"""One plain sentence on what holds an architecture back, from its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.records import Record
from evals.statistics.accuracy import Accuracy, accuracy_over_repeats, support
from evals.statistics.judging import Gap, gap, within_auc
from evals.statistics.pools import Pool, pool_of

Kind = Literal["grader", "too few", "judge", "selection", "generation", "unrecorded", "sound"]

# What may go ungraded, or stay unsolved, before it is the first thing to say.
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What holds an architecture back.

    Attributes:
        architecture: Its name.
        kind: ``grader``: too many runs could not be graded; ``too few``: the problems do not tell; ``judge``: right
            answers are in the pool and its rewards cannot tell them; ``selection``: they are there and not picked;
            ``generation``: they are not there; ``unrecorded``: one of these two, but what it chose from is not known;
            ``sound``: none of these.
        sentence: In plain words, with the numbers.
        numbers: Those numbers by name.
    """

    architecture: str
    kind: Kind
    sentence: str
    numbers: Mapping[str, float]


def diagnose(records: Iterable[Record], pools: Iterable[Pool | None] | None = None) -> dict[str, Diagnosis]:
    """A diagnosis of each architecture; it claims only what an interval supports.

    Args:
        records: Of one benchmark.
        pools: What each record chose from, for those who have them already.
    """
    records = list(records)
    by_name: dict[str, list[tuple[Record, Pool | None]]] = {}
    for record, pool in zip(records, map(pool_of, records) if pools is None else pools, strict=True):
        by_name.setdefault(record.architecture, []).append((record, pool))
    return {name: _diagnose(name, rows) for name, rows in by_name.items()}


def _diagnose(name: str, rows: Sequence[tuple[Record, Pool | None]]) -> Diagnosis:
    graded = [record for record, _ in rows if record.score is not None]
    crashed = len(rows) - len(graded)
    numbers: dict[str, float] = {"runs": len(rows), "ungraded": crashed}
    if crashed > _MARGIN * len(rows):
        sentence = (
            f"The grader crashed on {crashed} of {len(rows)} runs, so that what the other {len(graded)} say may not "
            "hold for all: mend the grader first."
        )
        return Diagnosis(name, "grader", sentence, numbers)
    scores, groups = _scores(graded)
    measured = accuracy_over_repeats(scores, groups)
    numbers |= {"problems": measured.n, "accuracy": measured.value, "low": measured.low, "high": measured.high}
    if all(score == 1 for runs in scores for score in runs):
        return _all_right(name, measured, numbers)
    chosen = [(r, pool) for r, pool in rows if r.score is not None and pool is not None and pool.n > 1]
    if not chosen:
        return _without_pools(name, measured, numbers, drawn=any(pool is not None for _, pool in rows))
    by_problem: dict[str, list[Pool]] = {}
    for record, pool in chosen:
        by_problem.setdefault(record.problem, []).append(pool)
    pools = list(by_problem.values())
    selected, clusters = _scores([record for record, _ in chosen])
    return _with_pools(name, pools, gap(pools, selected, clusters), clusters, numbers)


def _scores(records: Sequence[Record]) -> tuple[list[list[float]], list[str]]:
    scores: dict[str, list[float]] = {}
    groups: dict[str, str] = {}
    for record in records:
        scores.setdefault(record.problem, []).append(record.score or 0.0)
        groups.setdefault(record.problem, record.group)
    return list(scores.values()), list(groups.values())


def _all_right(name: str, measured: Accuracy, numbers: dict[str, float]) -> Diagnosis:
    found = support(measured.clusters, measured.clusters)
    numbers |= {"supported": found.low, "needed": found.needed}
    if found.enough:
        return Diagnosis(name, "sound", f"Nothing went wrong: {found.sentence}", numbers)
    return Diagnosis(name, "too few", f"Too few problems to tell: {found.sentence}", numbers)


def _without_pools(name: str, measured: Accuracy, numbers: dict[str, float], *, drawn: bool) -> Diagnosis:
    shown = _shown(measured)
    why = "each answer is made of one sample" if drawn else "what it chose from was not recorded"
    if measured.high < 1 - _MARGIN:
        sentence = f"Generation or selection, which cannot be told: accuracy is {shown}, and {why}."
        return Diagnosis(name, "unrecorded", sentence, numbers)
    return Diagnosis(name, "too few", f"Too few problems to tell: accuracy is {shown}.", numbers)


def _with_pools(
    name: str, pools: list[list[Pool]], found: Gap, groups: Sequence[str], numbers: dict[str, float]
) -> Diagnosis:
    missing = 1 - found.oracle.value
    numbers |= {
        "pools": found.n,
        "oracle": found.oracle.value,
        "selected": found.selected.value,
        "random": found.random.value,
        "majority": found.majority.value,
        "loss": found.loss.value,
        "loss_low": found.loss.low,
        "loss_high": found.loss.high,
    }
    shown = f"answers reach {_shown(found.selected)} and the best of each pool {_shown(found.oracle)}"
    lost, absent = found.loss.low > 0, found.oracle.high < 1 - _MARGIN
    if lost and (found.loss.value >= missing or not absent):
        tells = within_auc(pools, groups)
        blame = ""
        if tells is not None:
            numbers |= {"auc": tells.value, "auc_low": tells.low, "auc_high": tells.high}
            separates = f"{tells.value:.2f} ({_range(tells.low, tells.high)}, {tells.n} problems with both)"
            blame = f"; its rewards tell right from wrong with an AUC of {separates}"
            if tells.low <= 0.5:
                sentence = f"A judge that is not shown to tell right from wrong: its AUC is {separates}, while {shown}."
                return Diagnosis(name, "judge", sentence, numbers)
        sentence = (
            f"A selection problem: {shown}, so that {found.loss.value:.3f} "
            f"({_range(found.loss.low, found.loss.high)}) is lost in choosing{blame}."
        )
        return Diagnosis(name, "selection", sentence, numbers)
    if absent and found.loss.value > missing:
        sentence = f"Generation or selection, which so few problems do not tell: {shown}."
        return Diagnosis(name, "too few", sentence, numbers)
    if absent:
        sentence = (
            f"A generation problem: {shown}, so that on {missing:.0%} of problems there was no right answer to choose."
        )
        return Diagnosis(name, "generation", sentence, numbers)
    if found.selected.low >= 1 - _MARGIN:
        return Diagnosis(name, "sound", f"Little went wrong: {shown}.", numbers)
    return Diagnosis(name, "too few", f"Too few problems to tell: {shown}.", numbers)


def _shown(measured: Accuracy) -> str:
    return f"{measured.value:.3f} ({_range(measured.low, measured.high)}, {measured.n} problems)"


def _range(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"
