"""The directory that an evaluation leaves behind, from which all its figures can be worked out again.

It holds ``eval.json`` (what was evaluated, and how), ``architectures/`` and ``benchmarks/`` (as they ran),
``problems.jsonl``, ``records.jsonl`` (one row for every answer; of several about the same the last one counts),
``judged.jsonl`` (what judges cost), ``trace/`` (every call and layer) and, once it is over, ``records.parquet`` and
``summary.json``.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json, to_json

from archon.budget import BudgetSpec
from archon.cost import Totals, totals_from_data, totals_to_data
from archon.errors import ConfigError
from archon.models.spec import ModelSpec
from archon.runs import end_last_line, installed_versions, new_directory
from archon.source import dump_architecture, load_architecture
from archon.state import Message
from archon.trace import Observer, TraceFile
from evals.benchmark import load_benchmark
from evals.contest import Contender, ProblemSet
from evals.graders.base import Problem
from evals.grading import Judged
from evals.records import Record
from evals.records_io import PARQUET, RECORDS, check_parquet, read_jsonl, to_line, write_parquet
from evals.runner import Desk, Progress, Settings

ABOUT = "eval.json"
JUDGED = "judged.jsonl"


class EvalDirectory:
    """``runs/<time>-eval-<name>/``, made by :meth:`create` and opened again by :meth:`resume`.

    Attributes:
        path: The directory.
        about: What ``eval.json`` says.
        contenders: What is evaluated.
        problem_sets: On what.
        settings: How.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        contenders: Sequence[Contender],
        problem_sets: Sequence[ProblemSet],
    ) -> None:
        # Better now than when everything has been paid for.
        check_parquet()
        self.path = path
        self.about = about
        self.contenders = contenders
        self.problem_sets = problem_sets
        budget = about["budget"]
        self.settings = Settings(
            about["seed"],
            about["repeats"],
            None if budget is None else BudgetSpec.model_validate(budget),
            at_once=about.get("at_once"),
        )
        self._files = ExitStack()
        self._records = self._files.enter_context((path / RECORDS).open("ab"))
        self._judged = self._files.enter_context((path / JUDGED).open("ab"))

    @classmethod
    def create(
        cls,
        root: Path,
        contenders: Sequence[Contender],
        problem_sets: Sequence[ProblemSet],
        settings: Settings,
        more: Mapping[str, Any],
    ) -> Self:
        """Make the directory of a new evaluation.

        Args:
            root: Where it goes.
            contenders: What is evaluated; no two of one name.
            problem_sets: On what; no two of one name.
            settings: How.
            more: What else is to be known when it goes on, as JSON values, such as the sample store.
        """
        first = _plain(problem_sets[0].name)
        name = first + (f"-and-{len(problem_sets) - 1}" if len(problem_sets) > 1 else "")
        path = new_directory(root, f"{time.strftime('%Y%m%d-%H%M%S')}-eval-{name}")
        for folder in ("architectures", "benchmarks", "trace"):
            (path / folder).mkdir()
        for contender in contenders:
            _file(path, contender).write_text(dump_architecture(contender.architecture), encoding="utf-8")
        for problems in problem_sets:
            (path / "benchmarks" / file_name(problems)).write_text(problems.card, encoding="utf-8")
        rows = [to_json(problem_row(s.name, problem), fallback=str) for s in problem_sets for problem in s.problems]
        (path / "problems.jsonl").write_bytes(b"".join(row + b"\n" for row in rows))
        budget = None if settings.budget is None else settings.budget.model_dump(exclude_none=True)
        about = {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "python": platform.python_version(),
            "versions": installed_versions(),
            "seed": settings.seed,
            "repeats": settings.repeats,
            "at_once": settings.at_once,
            "budget": budget,
            "price_date": _price_date(contenders),
            "benchmarks": [about_benchmark(problems) for problems in problem_sets],
            "architectures": [_about_contender(contender) for contender in contenders],
            **more,
        }
        # Written last: a directory without it was never an evaluation.
        _write(path / ABOUT, about)
        return cls(path, about, contenders, problem_sets)

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Open the directory of an evaluation that was cut.

        Raises:
            ConfigError: It is not the directory of an evaluation.
        """
        about = read_about(path)
        contenders = [
            Contender(
                load_architecture(path / "architectures" / row["file"]), row["name"], row["without"], row["whole"]
            )
            for row in about["architectures"]
        ]
        problems: dict[str, list[Problem]] = {}
        for line in (path / "problems.jsonl").read_bytes().splitlines():
            benchmark, problem = problem_of_row(from_json(line))
            problems.setdefault(benchmark, []).append(problem)
        sets = [reopened(path, row, problems[row["name"]]) for row in about["benchmarks"]]
        end_last_line(path / RECORDS)
        end_last_line(path / JUDGED)
        for file in (path / "trace").rglob("*.jsonl"):
            end_last_line(file)
        return cls(path, about, contenders, sets)

    def records(self) -> list[Record]:
        """The records there are, the last one about each thing."""
        return read_jsonl(self.path / RECORDS)

    def judges(self) -> dict[tuple[str, str], tuple[Totals, Totals]]:
        """What each judge cost on each benchmark so far: attributed and paid, by benchmark and model."""
        sums: dict[tuple[str, str], tuple[Totals, Totals]] = {}
        for line in (self.path / JUDGED).read_bytes().splitlines():
            try:
                row = from_json(line)
            except ValueError:
                # A killed run cut it off.
                continue
            key = (row["benchmark"], row["model"])
            attributed, paid = sums.get(key, (Totals(), Totals()))
            sums[key] = (attributed + totals_from_data(row["attributed"]), paid + totals_from_data(row["paid"]))
        return sums

    def desk(self, progress: Progress | None = None) -> Desk:
        """Puts everything into this directory."""
        return Desk(self._keep, self._keep_judged, self._observe, progress)

    def close(self) -> None:
        """Write what is left and close the files."""
        self._files.close()

    def finish(self, records: Sequence[Record], summary: Any) -> None:
        """Write what stands there when an evaluation is over: the records as Parquet, and the summary."""
        write_parquet(self.path / PARQUET, records)
        _write(self.path / "summary.json", summary)

    def _keep(self, record: Record) -> None:
        self._records.write(to_line(record))
        self._records.flush()

    def _keep_judged(self, judged: Judged) -> None:
        row = {
            "benchmark": judged.benchmark,
            "problem": judged.problem,
            "model": judged.model,
            "attributed": totals_to_data(judged.attributed),
            "paid": totals_to_data(judged.paid),
        }
        self._judged.write(to_json(row) + b"\n")
        self._judged.flush()

    def _observe(self, benchmark: str, architecture: str | None) -> Observer:
        if architecture is None:
            file = self.path / "trace" / f"{_plain(benchmark)}.judge.jsonl"
        else:
            named = next(c for c in self.contenders if c.name == architecture)
            file = _trace_file(self.path, benchmark, named.architecture.name)
            file.parent.mkdir(exist_ok=True)
        trace = TraceFile(file)
        self._files.callback(trace.close)
        return trace


def read_about(path: Path) -> Mapping[str, Any]:
    """What the directory of an evaluation says of it.

    Raises:
        ConfigError: It is not the directory of an evaluation.
    """
    try:
        about: Mapping[str, Any] = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"{path} is not the directory of an evaluation: there is no readable {ABOUT} in it."
        ) from None
    return about


def trace_files(path: Path, about: Mapping[str, Any]) -> dict[tuple[str, str], Path]:
    """The traces that are there, by the names of benchmark and architecture.

    Their events call the answer to a problem ``problem#repeat``, counted from 0.

    Args:
        path: The directory.
        about: What :func:`read_about` found in it.
    """
    files = {
        (benchmark["name"], row["name"]): _trace_file(path, benchmark["name"], row["file"].removesuffix(".yaml"))
        for benchmark in about["benchmarks"]
        for row in about["architectures"]
    }
    return {key: file for key, file in files.items() if file.is_file()}


def _trace_file(path: Path, benchmark: str, architecture: str) -> Path:
    return path / "trace" / _plain(benchmark) / f"{architecture}.jsonl"


def _plain(benchmark: str) -> str:
    return benchmark.replace("/", "-")


def _file(path: Path, contender: Contender) -> Path:
    return path / "architectures" / f"{contender.architecture.name}.yaml"


def file_name(problems: ProblemSet) -> str:
    """What the file of a benchmark's card is called."""
    return f"{_plain(problems.name)}.yaml"


def about_benchmark(problems: ProblemSet) -> dict[str, Any]:
    """What :func:`reopened` needs to know beside the card and the problems, as JSON values."""
    judge = problems.judge
    return {
        "name": problems.name,
        "file": file_name(problems),
        "digest": problems.digest,
        "grader": problems.grader.kind,
        "judge": None if judge is None else judge.model_dump(mode="json", exclude_defaults=True),
        "expert_dollars": problems.expert_dollars,
        "problems": [problem.id for problem in problems.problems],
    }


def _about_contender(contender: Contender) -> dict[str, Any]:
    """The models with the prices that are counted with; ``null`` where none is known."""
    specs = contender.architecture.specs()
    models = {
        ref: {"use": spec.use, "price": None if spec.price is None else spec.price.model_dump(exclude_none=True)}
        for ref, spec in specs.items()
    }
    return {
        "name": contender.name,
        "file": f"{contender.architecture.name}.yaml",
        "description": contender.architecture.description,
        "without": contender.without,
        "whole": contender.whole,
        "layers": [[component.kind for component in layer] for layer in contender.architecture.layers],
        "models": models,
    }


def _price_date(contenders: Sequence[Contender]) -> str | None:
    """The day of the latest price, ``None`` where nothing has one."""
    specs = (spec for contender in contenders for spec in contender.architecture.specs().values())
    return max((spec.price.date for spec in specs if spec.price is not None), default=None)


def reopened(path: Path, row: Mapping[str, Any], problems: Sequence[Problem]) -> ProblemSet:
    """The problems of one benchmark as they were, whatever has become of its source."""
    benchmark = load_benchmark(path / "benchmarks" / row["file"])
    judge = None if row["judge"] is None else ModelSpec.model_validate(row["judge"])
    card = (path / "benchmarks" / row["file"]).read_text(encoding="utf-8")
    given = (benchmark.grader(), benchmark.answer, judge, card, row["expert_dollars"])
    return ProblemSet(row["name"], tuple(problems), *given)


def problem_row(benchmark: str, problem: Problem) -> dict[str, Any]:
    """A problem as JSON values; :func:`problem_of_row` is the inverse."""
    return {
        "benchmark": benchmark,
        "id": problem.id,
        "messages": [{"role": message.role, "content": message.content} for message in problem.messages],
        "reference": problem.reference,
        "fields": dict(problem.fields),
        "follow_ups": list(problem.follow_ups),
        "group": problem.group,
    }


def problem_of_row(row: dict[str, Any]) -> tuple[str, Problem]:
    """The benchmark's name and the problem of a row."""
    benchmark = row.pop("benchmark")
    row["messages"] = tuple(Message(**message) for message in row["messages"])
    row["follow_ups"] = tuple(row["follow_ups"])
    return benchmark, Problem(**row)


def _write(file: Path, data: Any) -> None:
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
