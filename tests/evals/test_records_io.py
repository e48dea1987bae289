"""Records survive files: Parquet to the last bit, JSON Lines whatever a crash did to the last line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.cost import Totals, Usage
from archon.errors import ConfigError
from evals.records import Record, Sample, Spent
from evals.records_io import RECORDS, read_jsonl, read_parquet, to_line, write_parquet

text = st.text(max_size=8)
maybe = st.none() | text
count = st.integers(0, 2**40)
number = st.floats(allow_nan=False, allow_infinity=False)
score = st.none() | st.floats(0, 1)
totals = st.builds(
    Totals, count, count, count, st.builds(Usage, count, count, count, count), number, count, count, number
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)
records = st.builds(
    Record,
    benchmark=text,
    architecture=text,
    problem=text,
    repeat=st.integers(0, 9),
    group=text,
    status=st.sampled_from(["done", "budget", "failed"]),
    question=text,
    reference=maybe,
    text=maybe,
    answer=maybe,
    score=score,
    reason=text,
    detail=st.dictionaries(text, json_values, max_size=3),
    samples=st.lists(st.builds(Sample, text, maybe, score, st.none() | number), max_size=3).map(tuple),
    attributed=totals,
    paid=totals,
    spent=st.lists(st.builds(Spent, text, text, text, totals), max_size=2).map(tuple),
    seconds=number,
    error=maybe,
    failures=st.lists(st.tuples(text, text, text), max_size=2).map(tuple),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(records, max_size=4))
def test_parquet_loses_nothing(tmp_path_factory: pytest.TempPathFactory, rows: list[Record]) -> None:
    path = tmp_path_factory.mktemp("parquet") / "records.parquet"
    write_parquet(path, rows)
    assert read_parquet(path) == rows


def record(problem: str, **more: Any) -> Record:
    given: dict[str, Any] = {"score": 1.0, "reason": "", "text": "4", "answer": "4", "reference": "4"} | more
    return Record("b", "a", problem, 0, problem, "done", "2 + 2?", **given)


def test_infinite_rewards_survive(tmp_path: Path) -> None:
    rows = [record("p", samples=(Sample("x", None, 0.0, -math.inf), Sample("y", None, 1.0, math.inf)))]
    write_parquet(tmp_path / "r.parquet", rows)
    (tmp_path / RECORDS).write_bytes(b"".join(map(to_line, rows)))
    assert read_parquet(tmp_path / "r.parquet") == rows == read_jsonl(tmp_path / RECORDS)


def test_the_last_record_about_a_thing_counts_and_a_torn_line_does_not(tmp_path: Path) -> None:
    rows = [record("p"), record("q\u2028\x85"), record("p", score=None, reason="crashed")]
    torn = to_line(record("r"))[:50]
    (tmp_path / RECORDS).write_bytes(b"".join(map(to_line, rows)) + torn + b"\n" + to_line(record("s")))
    assert read_jsonl(tmp_path / RECORDS) == [rows[2], rows[1], record("s")]


def test_files_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    for read in (read_jsonl, read_parquet):
        with pytest.raises(ConfigError, match="records cannot be read"):
            read(tmp_path / "none")
