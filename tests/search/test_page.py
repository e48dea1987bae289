"""The page of a search, from a real one on models behind a server of this machine."""

from __future__ import annotations

import json
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from archon.cli.app import run as command
from archon.cli.search_tables import pareto_table
from search.measures import measures
from search.page import to_page
from tests.browser import browser as browser
from tests.browser import marks, opened
from tests.commands import Run
from tests.search.hosted import SPACE, models
from tests.search.toys import outcomes


def search(folder: Path, *how: str) -> Path:
    """The directory of a search that is over."""
    with models() as server:
        (folder / "sums.yaml").write_text(SPACE.format(url=server.base_url), encoding="utf-8")
        on = ["-b", "two-digit-addition", "--problems", "50", "--parallel", "1"]
        kept = ["--store", str(folder / "store.sqlite"), "--runs", str(folder / "runs")]
        assert command(["search", str(folder / "sums.yaml"), *on, *kept, *how]) == 0
    (found,) = (folder / "runs").iterdir()
    return found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search(tmp_path_factory.mktemp("searched"), "--trials", "10")


@pytest.fixture
def found(searched: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((searched / "search.json").read_text(encoding="utf-8"))
    return read


def test_the_page_shows_the_winner_the_seal_and_every_trial(archon: Run, searched: Path, found: dict[str, Any]) -> None:
    outcome = archon("report", str(searched))
    assert outcome.code == 0, outcome.err
    page = (searched / "report.html").read_text(encoding="utf-8")
    assert outcome.out.strip() == str(searched / "report.html")
    names = [row["name"] for part in ("sealed", "pareto", "trials") for row in found[part]]
    progress = found["progress"]
    assert len(found["trials"]) == progress["trials"] - progress["predicted"] - progress["failed"]
    for said in (*names, found["guard"]["says"], "list prices of 2026-11-01", "opened once", "What each layer"):
        assert escape(said) in page, said
    winner = (searched / "winner.yaml").read_text(encoding="utf-8")
    assert to_page(found, winner) == page == to_page(json.loads(json.dumps(found)), winner)
    assert json.loads(archon("report", str(searched), "--json").out) == found


def test_what_a_model_or_a_space_says_is_text(found: dict[str, Any]) -> None:
    hurt = "<script>window.hurt = true</script>"
    page = to_page({**found, "winner": {**found["winner"], "layers": hurt}, "remarks": [hurt]}, hurt)
    assert hurt not in page
    assert page.count("&lt;script&gt;window.hurt") == 3


def test_a_trial_that_no_grader_could_grade_is_shown_as_that(found: dict[str, Any]) -> None:
    ungraded = {**found["trials"][0], **measures(outcomes([None, None]), "usd"), "name": "ungraded"}
    assert (ungraded["accuracy"], ungraded["cost_of_pass"], ungraded["cost"]["mean"]) == (None, None, 1.0)
    shown = {**found, "trials": [*found["trials"], ungraded]}
    page = to_page(shown, "")
    assert page.count("not graded") == 1
    assert '"accuracy": null' in json.dumps(shown)
    assert pareto_table({**found, "pareto": [ungraded]}).row_count == 1


def test_what_cannot_be_reported_is_said_in_a_sentence(archon: Run, searched: Path, tmp_path: Path) -> None:
    archon("report", str(searched), "--markdown").is_one_sentence("is a search", "page or with --json")
    archon("report", str(searched), str(searched)).is_one_sentence("is a search", "by itself")
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    archon("report", str(tmp_path)).is_one_sentence("the search is not over", "archon search --resume")


def test_main_effects_have_an_error_where_there_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = search(tmp_path, "--sampler", "factorial")
    effects = json.loads((run / "search.json").read_text(encoding="utf-8"))["effects"]
    assert effects
    assert "Main effects on accuracy" in capsys.readouterr().out
    assert command(["report", str(run)]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in effects)


@pytest.mark.slow
def test_a_reader_finds_the_numbers_of_the_search(
    browser: Any, searched: Path, found: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(to_page(found, "name: winner\n"), encoding="utf-8")
    with opened(browser, path) as page:
        drawn = marks(page, "frontier")
        expected = {(row["cost"]["mean"], row["accuracy"]["mean"]) for row in found["trials"]}
        assert {(float(m["x"]), float(m["y"])) for m in drawn} == expected
        across = sorted(drawn, key=lambda m: float(m["x"]))
        places = [m["cx"] for m in across]
        assert all(second > first - 1 for first, second in pairwise(places))
        bars = {m["architecture"]: float(m["x"]) for m in marks(page, "pass")}
        assert bars == {row["name"]: row["cost_of_pass"] for row in found["sealed"]}
        page.locator("th button", has_text="accuracy ± SE").last.click()
        cells = page.locator("table.sortable").last.locator("tbody td:nth-child(2)")
        shown = [float(cell.get_attribute("data-sort")) for cell in cells.all()]
        assert shown == sorted(shown, reverse=True)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
