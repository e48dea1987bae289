"""A report of very many records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.report import measure


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_time_grows_no_faster_than_records(tmp_path: Path) -> None:
    few, many = (measure(count, tmp_path / str(count))["all"] for count in (10_000, 40_000))
    assert many < 6 * few + 1
