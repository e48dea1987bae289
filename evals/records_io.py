"""Records in files: JSON Lines to append to while an evaluation runs, Parquet to read from when it is over."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from archon.cost import Totals, Usage
from archon.errors import ConfigError
from evals.records import Record, Sample, Spent

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = "records.jsonl"
PARQUET = "records.parquet"
Key = tuple[str, str, str, int]
"""Benchmark, architecture, problem and repeat."""


def key_of(record: Record) -> Key:
    """What a record is about; of two records about the same the later counts."""
    return (record.benchmark, record.architecture, record.problem, record.repeat)


def to_line(record: Record) -> bytes:
    """One record as a line of JSON."""
    return to_json(record.to_row()) + b"\n"


def read_jsonl(path: Path) -> list[Record]:
    """The records of a file, the last one about each thing, in the order of their first appearance.

    A line that a crash cut off is passed over: what it was about was not finished.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: the records cannot be read: {error.strerror}.") from None
    with _no_collections():
        return list({key_of(record): record for record in _parsed(lines)}.values())


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the garbage collector from looking through a growing heap of records again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parsed(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        try:
            row = from_json(line)
        except ValueError:
            continue
        yield Record.from_row(row)


def write_parquet(path: Path, records: Sequence[Record]) -> None:
    """Write records as Parquet, without any loss; an older file is replaced.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    with _no_collections():
        columns = {f.name: [_cell(f.name, getattr(record, f.name)) for record in records] for f in fields(Record)}
        table = arrow.table(columns, schema=_schema(arrow))
    written = path.with_name(path.name + ".part")
    parquet.write_table(table, written, compression="zstd")
    written.replace(path)


def read_parquet(path: Path) -> list[Record]:
    """The records of a file that :func:`write_parquet` wrote, equal to those that were written.

    Raises:
        ConfigError: pyarrow is not installed, or the file cannot be read.
    """
    arrow, parquet = _pyarrow()
    with _no_collections():
        try:
            rows = parquet.read_table(path).to_pylist()
        except (OSError, arrow.ArrowInvalid) as error:
            raise ConfigError(f"{path}: the records cannot be read: {error}.") from None
        return [_record(row) for row in rows]


def check_parquet() -> None:
    """Make sure that Parquet files can be written, without loading what writes them.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError("Evaluations need pyarrow: pip install 'archon-inference[evals]'.")


def _pyarrow() -> tuple[Any, Any]:
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    return pyarrow, parquet


def _schema(arrow: Any) -> pa.Schema:
    text, number, whole = arrow.string(), arrow.float64(), arrow.int64()
    usage = {f.name: whole for f in fields(Usage)}
    counts = {f.name: number if f.name in ("dollars", "seconds") else whole for f in fields(Totals)}
    totals = arrow.struct({**counts, "usage": arrow.struct(usage)})
    sample = arrow.struct({"text": text, "answer": text, "score": number, "reward": number})
    spent = arrow.struct({"layer": text, "technique": text, "model": text, "totals": totals})
    failure = arrow.struct({"layer": text, "kind": text, "reason": text})
    columns = dict.fromkeys((f.name for f in fields(Record)), text) | {
        "repeat": whole,
        "score": number,
        "samples": arrow.list_(sample),
        "attributed": totals,
        "paid": totals,
        "spent": arrow.list_(spent),
        "seconds": number,
        "failures": arrow.list_(failure),
    }
    return arrow.schema(columns)


def _cell(name: str, value: Any) -> Any:
    """The value of one field as Arrow takes it; ``detail`` may hold anything and stays JSON."""
    if name == "detail":
        return to_json(dict(value)).decode()
    if name in ("attributed", "paid"):
        return _totals(value)
    if name == "samples":
        return [{"text": s.text, "answer": s.answer, "score": s.score, "reward": s.reward} for s in value]
    if name == "spent":
        return [
            {"layer": s.layer, "technique": s.technique, "model": s.model, "totals": _totals(s.totals)} for s in value
        ]
    if name == "failures":
        return [dict(zip(("layer", "kind", "reason"), failure, strict=True)) for failure in value]
    return value


def _totals(totals: Totals) -> dict[str, Any]:
    values = {f.name: getattr(totals, f.name) for f in fields(Totals)}
    return values | {"usage": {f.name: getattr(totals.usage, f.name) for f in fields(Usage)}}


def _totals_back(data: Mapping[str, Any]) -> Totals:
    return Totals(**{**data, "usage": Usage(**data["usage"])})


def _record(row: Mapping[str, Any]) -> Record:
    values = dict(row)
    values["detail"] = from_json(row["detail"])
    values["samples"] = tuple(Sample(**sample) for sample in row["samples"])
    values["attributed"] = _totals_back(row["attributed"])
    values["paid"] = _totals_back(row["paid"])
    values["spent"] = tuple(
        Spent(s["layer"], s["technique"], s["model"], _totals_back(s["totals"])) for s in row["spent"]
    )
    values["failures"] = tuple((f["layer"], f["kind"], f["reason"]) for f in row["failures"])
    return Record(**values)
