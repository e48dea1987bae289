"""Run directories as records and settings: those of evaluations, and those of ordinary runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archon.architecture import Architecture
from archon.cost import totals_from_data
from archon.errors import ConfigError
from archon.runs import read_records, read_settings
from evals.directory import ABOUT, read_about
from evals.records import Record, Spent
from evals.records_io import RECORDS, Key, key_of, no_collections, read_jsonl
from evals.report.settings import Contender, Run, Settings


@no_collections()
def load(paths: Sequence[Path]) -> tuple[list[Record], Settings]:
    """The records of several run directories together, and what is known of them.

    An architecture may be in several runs. Where two of them have the same answer to the same problem and repetition
    it is counted once.

    Raises:
        ConfigError: One is not the directory of a run or of an evaluation, has no records, or two of them disagree.
    """
    loaded = [_load(path) for path in paths]
    records: dict[Key, Record] = {}
    source: dict[Key, Path] = {}
    for path, (found, _) in zip(paths, loaded, strict=True):
        for record in found:
            key = key_of(record)
            if key in records and _outcome(records[key]) != _outcome(record):
                raise ConfigError(
                    f"{source[key]} and {path} disagree on {record.architecture}, problem {record.problem}, repeat "
                    f"{record.repeat}: report them apart, or name one of the architectures differently."
                )
            records.setdefault(key, record)
            source.setdefault(key, path)
    if not records:
        raise ConfigError(f"{paths[0]}: there is no record in it; nothing can be reported before an answer has come.")
    return list(records.values()), _together(paths, [settings for _, settings in loaded])


def _load(path: Path) -> tuple[list[Record], Settings]:
    if (path / ABOUT).is_file():
        return read_jsonl(path / RECORDS), _of_evaluation(path, read_about(path))
    if (path / "run.json").is_file():
        about, architectures = read_settings(path)
        benchmark = Path(about.get("input") or "questions").stem
        return list(_of_rows(path, architectures, benchmark)), _of_run(path, about, architectures, benchmark)
    raise ConfigError(f"{path} is neither the directory of an evaluation nor of a run: it has no {ABOUT} or run.json.")


def _outcome(record: Record) -> tuple[Any, ...]:
    return (record.status, record.text, record.score, record.attributed.samples, record.attributed.usage)


def _of_evaluation(path: Path, about: Mapping[str, Any]) -> Settings:
    contenders = tuple(
        Contender(
            row["name"],
            row.get("description") or "",
            tuple(tuple(layer) for layer in row.get("layers", ())),
            {role: (model["use"], (model["price"] or {}).get("date")) for role, model in row["models"].items()},
            row.get("without") or "",
            row.get("whole") or "",
        )
        for row in about["architectures"]
    )
    run = _run(path, about)
    names = tuple(benchmark["name"] for benchmark in about["benchmarks"])
    experts = {b["name"]: b["expert_dollars"] for b in about["benchmarks"] if b.get("expert_dollars") is not None}
    return Settings((run,), contenders, names, about.get("price_date"), experts)


def _of_run(path: Path, about: Mapping[str, Any], architectures: Iterable[Architecture], benchmark: str) -> Settings:
    contenders = []
    for architecture in architectures:
        models = {
            role: (spec.use, None if spec.price is None else spec.price.date)
            for role, spec in architecture.specs().items()
        }
        layers = tuple(tuple(component.kind for component in layer) for layer in architecture.layers)
        contenders.append(Contender(architecture.name, architecture.description or "", layers, models))
    dates = [date for contender in contenders for _, date in contender.models.values() if date is not None]
    return Settings((_run(path, about),), tuple(contenders), (benchmark,), max(dates, default=None))


def _run(path: Path, about: Mapping[str, Any]) -> Run:
    name = path.resolve().name
    return Run(name, about.get("started", ""), about.get("seed"), about.get("repeats", 1), about.get("versions", {}))


def _of_rows(path: Path, architectures: Iterable[Architecture], benchmark: str) -> Iterator[Record]:
    """The rows of an ordinary run as records: graded where the question came with a reference, without a pool."""
    for architecture in architectures:
        asked: dict[str, int] = {}
        for _, row in sorted(read_records(path, architecture.name).items()):
            repeat = asked.get(row["id"], 0)
            asked[row["id"]] = repeat + 1
            yield _record(row, benchmark, repeat)


def _record(row: Mapping[str, Any], benchmark: str, repeat: int) -> Record:
    spent = tuple(
        Spent(s["layer"], s["technique"], s["model"], totals_from_data(s["attributed"])) for s in row["shares"]
    )
    unknown = row.get("grader_error", "there was no reference answer")
    return Record(
        benchmark=benchmark,
        architecture=row["architecture"],
        problem=row["id"],
        repeat=repeat,
        group=row["id"],
        status=row["status"],
        question=row["question"],
        reference=row.get("reference"),
        text=row["text"],
        answer=row["answer"],
        score=float(row["correct"]) if "correct" in row else None,
        reason="" if "correct" in row else unknown,
        attributed=totals_from_data(row["attributed"]),
        paid=totals_from_data(row["paid"]),
        spent=spent,
        seconds=row["seconds"],
        error=row.get("error"),
        failures=tuple((f["layer"], f["kind"], f["reason"]) for f in row["failures"]),
    )


def _together(paths: Sequence[Path], parts: Sequence[Settings]) -> Settings:
    contenders: dict[str, Contender] = {}
    for path, part in zip(paths, parts, strict=True):
        for contender in part.contenders:
            if contenders.setdefault(contender.name, contender) != contender:
                raise ConfigError(
                    f"{path}: {contender.name} is not what it is in another of the runs (layers or models differ): "
                    "report them apart, or give one another name."
                )
    benchmarks = dict.fromkeys(name for part in parts for name in part.benchmarks)
    dates = [part.price_date for part in parts if part.price_date is not None]
    runs = tuple(run for part in parts for run in part.runs)
    experts = {name: dollars for part in parts for name, dollars in part.experts.items()}
    return Settings(runs, tuple(contenders.values()), tuple(benchmarks), max(dates, default=None), experts)
