"""Rows from a file: one's own, or one that an installed package brings along."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from archon.errors import ConfigError
from archon.suggest import unknown
from evals.sources.base import Row, Source


class FileSource(Source, kind="file"):
    """A file of rows: JSON Lines, JSON, CSV or Parquet, the text formats also with ``.gz`` at the end.

    Attributes:
        path: Where it is; relative to the card.
    """

    path: Annotated[str, Field(min_length=1)]

    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """The rows as they stand."""
        return read_rows(folder / Path(self.path).expanduser())


class PackageSource(Source, kind="package"):
    """A file of rows that an installed package brings along; none of its code is run.

    Attributes:
        name: What to install, as the package index calls it.
        module: The module beside which the file lies.
        path: The file, relative to the module.
    """

    name: str
    module: str
    path: str

    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """The rows as they stand."""
        spec = find_spec(self.module.partition(".")[0])
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"these problems come with the package {self.name}, which is not installed: pip install {self.name}."
            )
        inside = Path(*self.module.split(".")[1:]) / self.path
        return read_rows(Path(next(iter(spec.submodule_search_locations))) / inside)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in its order.

    Args:
        path: Ends in ``.jsonl``, ``.json``, ``.csv`` (each also with ``.gz``) or ``.parquet``.

    Raises:
        ConfigError: It is missing, of another format, or not in order; the message names the line.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = suffixes[-2:][0] if packed and len(suffixes) > 1 else (suffixes or [""])[-1]
    if suffix not in READERS:
        listed = ", ".join(sorted(READERS))
        raise ConfigError(f"{path}: files of rows end in one of {listed}; {unknown('ending', suffix, READERS)}")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file.")
    try:
        data = path.read_bytes()
        yield from READERS[suffix](gzip.decompress(data) if packed else data, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as {suffix[1:]}: {error}.") from None


def _json_lines(data: bytes, path: Path) -> Iterator[Row]:
    for number, line in enumerate(io.StringIO(data.decode("utf-8-sig")), start=1):
        if line.strip():
            yield Row(f"{path}:{number}", _object(line, f"{path}:{number}", "this line"))


def _object(text: str, place: str, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{place}: {what} is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: {what} is not a JSON object.")
    return value


def _json(data: bytes, path: Path) -> Iterator[Row]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ConfigError(f"{path}: this is not valid JSON: {error}; a JSON Lines file ends in .jsonl.") from None
    # Some published files, BIG-Bench Hard's among them, hold their rows under a key, beside remarks.
    held = list(value.values()) if isinstance(value, dict) else [value]
    lists = [part for part in held if isinstance(part, list)]
    if len(lists) != 1 or not all(isinstance(row, dict) for row in lists[0]):
        raise ConfigError(f"{path}: this is neither a list of JSON objects nor an object that holds one such list.")
    for number, row in enumerate(lists[0], start=1):
        yield Row(f"{path} (row {number})", row)


def _csv(data: bytes, path: Path) -> Iterator[Row]:
    # The default limit of 128 KiB is less than some tests of programs take.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    try:
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise ConfigError(f"{place}: this row has not as many cells as the heading.")
            yield Row(place, row)
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: this is not valid CSV: {error}.") from None


def _parquet(data: bytes, path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'archon-inference[evals]'.") from None
    try:
        table = parquet.read_table(io.BytesIO(data))
    except pyarrow.ArrowException as error:
        raise ConfigError(f"{path}: this is not valid Parquet: {error}.") from None
    number = 0
    for batch in table.to_batches():
        for row in batch.to_pylist():
            number += 1
            yield Row(f"{path} (row {number})", row)


READERS: Mapping[str, Callable[[bytes, Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
