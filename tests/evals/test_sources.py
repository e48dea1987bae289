"""Rows from files of every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from archon import ConfigError
from evals.sources import FileSource, HubSource, PackageSource, read_rows

ROWS = [{"question": "Why, oh why?", "answer": "a\nb"}, {"question": "é", "answer": "1"}]
LINES = "".join(json.dumps(row) + "\n\n" for row in ROWS)


def as_csv() -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["question", "answer"])
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.jsonl", LINES),
        ("rows.json", json.dumps(ROWS)),
        ("rows.json", json.dumps({"canary": "keep out", "examples": ROWS})),
        ("rows.csv", as_csv()),
        ("rows.csv", "\ufeff" + as_csv()),
        ("my.rows.JSONL", LINES),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_same_rows(name: str, text: str, packed: bool, tmp_path: Path) -> None:
    data = text.encode()
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert [dict(row.values) for row in read_rows(path)] == ROWS


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert [dict(row.values) for row in read_rows(path)] == ROWS
    path.write_bytes(b"no")
    with pytest.raises(ConfigError, match="not valid Parquet"):
        list(read_rows(path))


def test_places_are_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(LINES)
    assert [row.place for row in read_rows(tmp_path / "rows.jsonl")] == [
        f"{tmp_path}/rows.jsonl:1",
        f"{tmp_path}/rows.jsonl:3",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.jsonl", '{"a": 1}\n{"a"', r"rows\.jsonl:2: this line is not valid JSON"),
        ("rows.jsonl", "[1]\n", r"rows\.jsonl:1: this line is not a JSON object"),
        ("rows.json", '{"a": 1}\n{"a": 2}', r"rows\.json: this is not valid JSON: .*ends in \.jsonl"),
        ("rows.json", "3", r"neither a list of JSON objects"),
        ("rows.csv", "a,b\n1\n", r"rows\.csv:2: this row has not as many cells"),
        ("rows.csv", "a,b\n1,2,3\n", r"rows\.csv:2: this row has not as many cells"),
        ("rows.jsonl.gz", "plain", "cannot be read as jsonl"),
        ("rows.txt", "x", r"files of rows end in one of \.csv, \.json, \.jsonl, \.parquet"),
        ("rows", "x", "files of rows end in one of"),
    ],
)
def test_files_that_are_not_in_order(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        list(read_rows(tmp_path / name))


def test_a_path_is_meant_from_the_card(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(LINES)
    assert len(list(FileSource(path="rows.jsonl").rows(seed=0, folder=tmp_path))) == 2
    with pytest.raises(ConfigError, match="there is no such file"):
        list(FileSource(path="gone.jsonl").rows(seed=0, folder=tmp_path))


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    source = PackageSource(name="no-such-thing", module="no_such_thing", path="rows.jsonl")
    with pytest.raises(ConfigError, match="pip install no-such-thing"):
        list(source.rows(seed=0, folder=tmp_path))


def test_configurations_are_parts() -> None:
    source = HubSource(id="a/b", config=("x", "y"))
    assert source.with_part("y").config == ("y",)
    with pytest.raises(ConfigError, match="unknown part of a/b 'z'"):
        source.with_part("z")
    assert HubSource(id="a/b", config=("x",)).parts == ()
