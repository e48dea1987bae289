"""The directory that a search leaves behind, and from which one that was cut goes on.

It holds ``study.json`` (what was searched, and with which versions), ``space.yaml``, ``benchmarks/`` and
``problems.jsonl`` (what was asked, with the split of each), ``journal.log`` (the trials, as Optuna keeps them, unless
they are in a database), ``records.jsonl`` (one row for every answer on the search's problems), ``guard.jsonl`` and
``sealed.jsonl`` (who was asked about on the others), ``sealed-records.jsonl``, ``winner.yaml``, ``pareto/`` and
``search.json`` (what came of it).
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json, to_json

from archon.errors import ConfigError
from archon.runs import end_last_line, installed_versions, new_directory
from evals.directory import about_benchmark, file_name, problem_of_row, problem_row, reopened
from evals.graders.base import Problem
from evals.records import Record
from evals.records_io import RECORDS, read_jsonl, to_line
from evals.split import Split
from search.job import Divided, Job

ABOUT = "study.json"
JOURNAL = "journal.log"
PROBLEMS = "problems.jsonl"
SEALED_RECORDS = "sealed-records.jsonl"
RESULT = "search.json"
WINNER = "winner.yaml"


class SearchDirectory:
    """``runs/<time>-search-<name>/``, made by :meth:`create` and opened again by :meth:`resume`.

    Attributes:
        path: The directory.
        job: What is searched.
        divided: The problems.
        about: What ``study.json`` says beside the job.
    """

    def __init__(self, path: Path, job: Job, divided: Divided, about: Mapping[str, Any]) -> None:
        self.path = path
        self.job = job
        self.divided = divided
        self.about = about
        self._files = ExitStack()

    @classmethod
    def create(cls, root: Path, job: Job, divided: Divided, more: Mapping[str, Any]) -> Self:
        """Make the directory of a new search.

        Args:
            root: Where it goes.
            job: What is searched.
            divided: Its problems.
            more: What else is to be known when it goes on, as JSON values, such as the sample store.
        """
        path = new_directory(root, f"{time.strftime('%Y%m%d-%H%M%S')}-search-{job.open_space().name}")
        (path / "space.yaml").write_text(job.space, encoding="utf-8")
        (path / "benchmarks").mkdir()
        (path / "benchmarks" / file_name(divided.search)).write_text(divided.search.card, encoding="utf-8")
        rows = [
            to_json({"split": split, **problem_row(part.name, problem)}, fallback=str)
            for split, part in divided.parts()
            for problem in part.problems
        ]
        (path / PROBLEMS).write_bytes(b"".join(row + b"\n" for row in rows))
        benchmark = {k: v for k, v in about_benchmark(divided.search).items() if k != "problems"}
        about = {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "python": platform.python_version(),
            "versions": installed_versions(),
            "benchmark": benchmark,
            "problems": {split: len(part.problems) for split, part in divided.parts()},
            **more,
        }
        # Written last: a directory without it was never a search.
        text = json.dumps({"job": job.model_dump(mode="json"), **about}, indent=2, ensure_ascii=False)
        (path / ABOUT).write_text(text + "\n", encoding="utf-8")
        return cls(path, job, divided, about)

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Open the directory of a search that was cut.

        Raises:
            ConfigError: It is not the directory of a search, or one of other versions.
        """
        about = _read(path / ABOUT)
        job = Job.read(about.pop("job", None), str(path / ABOUT))
        found: dict[Split, list[Problem]] = {"search": [], "guard": [], "sealed": []}
        for line in (path / PROBLEMS).read_bytes().splitlines():
            row = from_json(line)
            found[row.pop("split")].append(problem_of_row(row)[1])
        sets = {split: reopened(path, about["benchmark"], problems) for split, problems in found.items()}
        for file in (RECORDS, SEALED_RECORDS):
            end_last_line(path / file)
        return cls(path, job, Divided(**sets), about)

    @property
    def journal(self) -> Path:
        """Where the trials are, unless in a database."""
        return self.path / JOURNAL

    def records(self) -> list[Record]:
        """The records of the search's problems so far."""
        return read_jsonl(self.path / RECORDS) if (self.path / RECORDS).exists() else []

    def sealed_records(self) -> list[Record]:
        """The records of the sealed problems so far."""
        return read_jsonl(self.path / SEALED_RECORDS) if (self.path / SEALED_RECORDS).exists() else []

    def keep(self, name: str = RECORDS) -> Callable[[Record], None]:
        """What appends records to a file of the directory."""
        file = self._files.enter_context((self.path / name).open("ab"))

        def write(record: Record) -> None:
            file.write(to_line(record))
            file.flush()

        return write

    def result(self) -> dict[str, Any]:
        """What came of it; empty if it is not over."""
        return _read(self.path / RESULT) if (self.path / RESULT).exists() else {}

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def is_search(path: Path) -> bool:
    """Whether a directory is one that a search left."""
    return (path / ABOUT).is_file()


def read_result(path: Path) -> dict[str, Any]:
    """What the search of a directory came to.

    Raises:
        ConfigError: It is not over.
    """
    if not (path / RESULT).exists():
        raise ConfigError(f"{path}: the search is not over; `archon search --resume {path}` goes on.")
    return _read(path / RESULT)


def _read(file: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"{file.parent} is not the directory of a search: there is no readable {file.name} in it."
        ) from None
    return data
