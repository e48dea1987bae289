"""What several runs of one architecture give together: Eureka's protocols, from records.

Source: Balachandran et al. 2025 (Inference-Time Scaling for Complex Tasks, arXiv:2504.00294).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from evals.records import Record
from evals.statistics.curves import CurvePoint, Protocol, curve
from evals.statistics.pools import Pool

OfN = Literal["average", "best", "worst", "majority"]
"""``best`` and ``worst`` are by grade: the bounds that a perfect and a perverse choice among runs would reach."""

_PROTOCOLS: Mapping[OfN, Protocol] = {"average": "average", "best": "coverage", "worst": "all", "majority": "majority"}


def of_n(records: Iterable[Record], protocol: OfN, ns: Sequence[int] | None = None) -> dict[str, list[CurvePoint]]:
    """For each architecture what ``n`` independent repetitions give, exactly over all choices of n of them.

    Repetitions that could not be graded are left out.

    Args:
        records: Of one benchmark.
        protocol: How the runs become one score.
        ns: The numbers of runs; powers of two up to the problem with the fewest, and that number, if not given.

    Raises:
        ValueError: A problem has fewer graded runs than one of ``ns``.
    """
    return {
        name: curve(
            [[_pool(runs)] for runs in problems.values()],
            _PROTOCOLS[protocol],
            ns,
            groups=[runs[0].group for runs in problems.values()],
        )
        for name, problems in _by_problem(records).items()
    }


def sequential_feedback(records: Iterable[Record]) -> dict[str, list[CurvePoint]]:
    """For each architecture the best grade after 1, 2 and more attempts, each made after feedback on those before.

    The repetitions of a problem are its attempts, in their order, so that they are not exchangeable and nothing is
    averaged over orders. A problem without further attempts keeps its best grade, as it does where the feedback stops
    once the answer is right. Attempts that could not be graded are left out.
    """
    found = {}
    for name, problems in _by_problem(records).items():
        attempts = [[record.score or 0.0 for record in sorted(runs, key=_repeat)] for runs in problems.values()]
        most = max(map(len, attempts))
        groups = [runs[0].group for runs in problems.values()]
        points = []
        for k in range(1, most + 1):
            reached = [[Pool.of([np.max(scores[:k])])] for scores in attempts]
            (point,) = curve(reached, "average", [1], groups=groups)
            points.append(
                CurvePoint(k, point.value, point.low, point.high, point.n, point.standard_error, point.method)
            )
        found[name] = points
    return found


def _repeat(record: Record) -> int:
    return record.repeat


def _pool(runs: Sequence[Record]) -> Pool:
    return Pool.of([record.score or 0.0 for record in runs], [record.answer for record in runs])


def _by_problem(records: Iterable[Record]) -> dict[str, dict[str, list[Record]]]:
    found: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        if record.score is not None:
            found.setdefault(record.architecture, {}).setdefault(record.problem, []).append(record)
    return found
