"""The page as a reader opens it: from a file, in a real browser, without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.report import analyse, write_html
from tests.browser import browser as browser
from tests.browser import marks, opened
from tests.evals.report.simulated import KINDS, records, settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    rows = records(25, repeats=2, text="so {answer} <script>window.hurt = true</script>")
    rows += records(8, KINDS[:3], benchmark="riddles", rate=0.0)
    return analyse(rows, settings(benchmarks=("sums", "riddles")))


@pytest.fixture
def page(browser: Any, report: dict[str, Any], tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    write_html(report, path)
    with opened(browser, path) as page:
        yield page


def on_a_line(values: list[float], places: list[float]) -> bool:
    """Whether places are the values moved and stretched, to a third of a pixel."""
    fitted = np.polyval(np.polyfit(values, places, 1), values)
    return bool(np.abs(fitted - places).max() < 0.34)


def test_the_frontier_shows_the_numbers_of_the_report(page: Any, report: dict[str, Any]) -> None:
    points = report["benchmarks"][0]["frontier"]
    drawn = marks(page, "frontier-0")
    assert [(m["architecture"], float(m["x"]), float(m["y"])) for m in drawn] == [
        (p["architecture"], p["cost"]["value"], p["accuracy"]["value"]) for p in points
    ]
    round_ones = [m for m in drawn if m["architecture"] not in ("rank-8 − 1.rank",)]
    assert on_a_line([math.log(float(m["x"])) for m in round_ones], [m["cx"] for m in round_ones])


def test_costs_of_pass_are_bars_and_open_where_infinite(page: Any, report: dict[str, Any]) -> None:
    results = report["benchmarks"][0]["results"]
    drawn = marks(page, "pass-0")
    values = [r["cost_of_pass"]["value"] for r in results]
    assert [float(m["x"]) for m in drawn] == values
    assert on_a_line(values, [m["right"] for m in drawn])
    unsolved = marks(page, "pass-1")
    assert {m["x"] for m in unsolved} == {"infinite"}
    assert [float(m["low"]) for m in unsolved] == [r["cost_of_pass"]["low"] for r in report["benchmarks"][1]["results"]]
    assert on_a_line([float(m["low"]) for m in unsolved], [m["left"] for m in unsolved]) or len(unsolved) < 3


def test_curves_show_the_numbers_of_the_report(page: Any, report: dict[str, Any]) -> None:
    expected = [
        (c["architecture"], p["k"], p["value"])
        for c in report["benchmarks"][0]["curves"]
        if c["protocol"] == "pass@k"
        for p in c["points"]
    ]
    drawn = marks(page, "curve-0-0")
    assert [(m["architecture"], int(m["x"]), float(m["y"])) for m in drawn] == expected
    assert on_a_line([math.log(int(m["x"])) for m in drawn], [m["cx"] for m in drawn])


def test_tables_sort_questions_filter_and_marks_tell(page: Any) -> None:
    head = page.locator("#results th button", has_text="tokens")
    head.focus()
    page.keyboard.press("Enter")
    shown = [float(v) for v in page.eval_on_selector_all("#results td:nth-child(6)", "c => c.map(x => x.dataset.sort)")]
    assert shown == sorted(shown, reverse=True)
    page.locator("#benchmark-0 .kind").select_option("all right")
    kinds = page.eval_on_selector_all("#questions-0 .question:not([hidden])", "q => q.map(x => x.dataset.kind)")
    assert set(kinds) <= {"all right"}
    page.locator("#frontier-0 .mark").first.focus()
    assert "accuracy" in page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    assert page.evaluate("window.hurt") is None, "what a model wrote did not run"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")
