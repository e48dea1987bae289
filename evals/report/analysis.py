"""The report as data: everything that a page shows, computed from records and settings alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.records import Record
from evals.records_io import no_collections
from evals.report.benchmark import of_benchmark
from evals.report.numbers import natural, settled
from evals.report.settings import Contender, Run, Settings

FORMAT = "archon-report/1"


@no_collections()
def analyse(
    records: Sequence[Record], settings: Settings, *, experts: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Everything that a report shows, as JSON values.

    The same records give the same data, in whatever order they come: they are sorted, resampling is seeded and numbers
    are rounded to six significant digits. A number that is infinite is ``null``, as is one that is not known; where
    that is not clear from the place, the data say which.

    Args:
        records: Of one or more benchmarks; not empty, no two about the same.
        settings: What is known of the runs.
        experts: What a human expert costs per problem in US dollars, by benchmark; where none is given, the frontier is
            that of the architectures alone.

    Raises:
        ConfigError: There is an expert on a benchmark whose costs are not in dollars.
    """
    names = _order((record.architecture for record in records), (c.name for c in settings.contenders))
    benchmarks = _order((record.benchmark for record in records), settings.benchmarks)
    place = {name: index for index, name in enumerate(names)}
    problems = sorted({record.problem for record in records}, key=lambda problem: (natural(problem), problem))
    rank = {problem: index for index, problem in enumerate(problems)}
    rows = sorted(records, key=lambda r: (place[r.architecture], rank[r.problem], r.repeat))
    by_benchmark: dict[str, list[Record]] = {name: [] for name in benchmarks}
    for record in rows:
        by_benchmark[record.benchmark].append(record)
    data = {
        "format": FORMAT,
        "records": len(records),
        "price_date": settings.price_date,
        "runs": [_run(run) for run in settings.runs],
        "architectures": [_contender(settings.contender(name)) for name in names],
        "benchmarks": [
            of_benchmark(name, found, settings, (experts or {}).get(name)) for name, found in by_benchmark.items()
        ],
    }
    report: dict[str, Any] = settled(data)
    return report


def _order(found: Any, known: Any) -> list[str]:
    present = set(found)
    first = [name for name in dict.fromkeys(known) if name in present]
    return first + sorted(present - set(first), key=natural)


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "started": run.started,
        "seed": run.seed,
        "repeats": run.repeats,
        "versions": dict(run.versions),
    }


def _contender(contender: Contender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "description": contender.description,
        "layers": [list(layer) for layer in contender.layers],
        "models": [
            {"role": role, "use": use, "price_date": date} for role, (use, date) in sorted(contender.models.items())
        ],
        "without": contender.without,
        "whole": contender.whole,
    }
