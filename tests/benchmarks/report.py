"""What a report of many records takes, from the files of a run to its page: seconds of processor time.

    python -m tests.benchmarks.report [--quick]

The records are simulated: 100,000 of them (10,000 with ``--quick``), five invented architectures with pools of up to
eight samples.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evals.report import analyse, load, write_html, write_json
from tests.evals.report.simulated import KINDS, records, settings, write_run


def measure(count: int, folder: Path) -> dict[str, float]:
    """Processor seconds of each step, by name."""
    problems = count // len(KINDS)
    run = write_run(folder / "simulated", records(problems), settings())
    marks = [time.process_time()]
    found = load([run])
    marks.append(time.process_time())
    report = analyse(*found)
    marks.append(time.process_time())
    write_html(report, folder / "report.html")
    write_json(report, folder / "report.json")
    marks.append(time.process_time())
    names = ("load", "analyse", "draw and write")
    steps = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return {**steps, "all": marks[-1] - marks[0]}


def main() -> None:
    count = 10_000 if "--quick" in sys.argv else 100_000
    with tempfile.TemporaryDirectory() as folder:
        steps = measure(count, Path(folder))
    table = Table(title=f"A report of {count:,} simulated records")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, seconds in steps.items():
        table.add_row(name, f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
