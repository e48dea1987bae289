"""Reports: the same bytes from the same records, no model's text taken for markup, no number out of thin air."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon.cli.app import run
from archon.errors import ConfigError
from evals.report import Settings, analyse, load, to_html, to_json, to_markdown, write_png
from evals.report.figures import BOTTOM, HEIGHT, curves, frontier
from evals.report.html import colours_of
from evals.report.numbers import natural, settled
from evals.report.words import money, number
from evals.statistics.accuracy import accuracy_over_repeats
from tests.evals.report.simulated import KINDS, Kind, records, settings, write_run
from tests.loopback import Answer, serve

RIDDLES = KINDS[:2]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    rows = records(30, repeats=2) + records(8, RIDDLES, benchmark="riddles", rate=0.0)
    return analyse(rows, settings(benchmarks=("sums", "riddles")))


def result(report: dict[str, Any], benchmark: int, architecture: str) -> dict[str, Any]:
    return next(r for r in report["benchmarks"][benchmark]["results"] if r["architecture"] == architecture)


class TestSameBytes:
    def test_records_in_any_order_from_one_run_or_two(self, tmp_path: Path) -> None:
        rows, about = records(20, repeats=2), settings()
        shuffled = random.Random(1).sample(rows, len(rows))
        one = write_run(tmp_path / "a" / "run", shuffled, about)
        again = write_run(tmp_path / "b" / "run", rows, about)
        first, second = analyse(*load([one])), analyse(*load([again]))
        assert to_json(first) == to_json(second) == to_json(analyse(rows, replace_name(about, "run")))
        assert to_html(first) == to_html(second)

    def test_two_runs_are_the_union_of_their_records(self, tmp_path: Path) -> None:
        rows = records(10)
        half = write_run(tmp_path / "one", rows[:30], settings())
        rest = write_run(tmp_path / "two", rows[20:], settings())
        both, about = load([half, rest])
        assert analyse(both, about)["benchmarks"] == analyse(rows, settings())["benchmarks"]
        assert [run.name for run in about.runs] == ["one", "two"]

    def test_runs_that_disagree_are_refused_in_one_sentence(self, tmp_path: Path) -> None:
        rows = records(3)
        changed = [replace(rows[0], score=1 - (rows[0].score or 0.0)), *rows[1:]]
        paths = [write_run(tmp_path / name, r, settings()) for name, r in (("one", rows), ("two", changed))]
        with pytest.raises(ConfigError, match="disagree on single, problem p0, repeat 0"):
            load(paths)

    def test_the_report_is_json_without_infinities(self, found: dict[str, Any]) -> None:
        assert json.loads(to_json(found)) == found


def replace_name(about: Settings, name: str) -> Settings:
    return replace(about, runs=(replace(about.runs[0], name=name),))


class TestNumbers:
    def test_accuracy_is_that_of_the_statistics(self, found: dict[str, Any]) -> None:
        rows = [r for r in records(30, repeats=2) if r.architecture == "vote-8"]
        by_problem = [[r.score or 0.0 for r in rows if r.problem == f"p{i}"] for i in range(30)]
        expected = accuracy_over_repeats(by_problem)
        shown = result(found, 0, "vote-8")["accuracy"]
        assert shown["value"] == pytest.approx(expected.value, rel=1e-5)
        assert (shown["n"], shown["runs"]) == (30, 60)

    def test_no_right_answer_is_infinite_with_a_bound_below(self, found: dict[str, Any]) -> None:
        cost = result(found, 1, "single")["cost_of_pass"]
        assert cost["value"] is None and cost["high"] is None and cost["low"] > 0
        page = to_html(found)
        assert 'class="bar open"' in page and "∞" in page and "at least $" in page

    def test_models_without_a_price_cost_seconds_and_never_nothing(self) -> None:
        report = analyse(records(8, priced=False), settings(priced=False))
        assert report["benchmarks"][0]["unit"]["name"] == "endpoint seconds"
        for text in (to_html(report), to_markdown(report)):
            assert "no price" in text and "No model has a price" in text and "seconds of endpoints" in text
            assert "$" not in text.replace("${", "")

    def test_a_crashed_grader_is_in_no_mean_and_is_read_first(self) -> None:
        rows = records(6, KINDS[:1])
        rows[3] = replace(rows[3], score=None, reason="the grader crashed")
        benchmark = analyse(rows, settings(KINDS[:1]))["benchmarks"][0]
        assert benchmark["results"][0]["accuracy"]["n"] == 5
        assert benchmark["results"][0]["ungraded"] == 1
        assert benchmark["reading"]["questions"][0]["problem"] == "p3"

    def test_ablations_give_lifts_and_stay_out_of_the_pairs(self, found: dict[str, Any]) -> None:
        benchmark = found["benchmarks"][0]
        lifts = {(r["architecture"], r["layer"]): r["lift"] for r in benchmark["layers"]}
        assert lifts["rank-8", "1.rank"]["value"] > 0
        assert lifts["rank-8", "0.generate"] is None
        named = {row[side] for row in benchmark["comparisons"] for side in ("first", "second")}
        assert named == {"single", "vote-8", "rank-8", "refine"}

    def test_shares_of_layers_add_up(self, found: dict[str, Any]) -> None:
        rows = [r for r in found["benchmarks"][0]["layers"] if r["architecture"] == "rank-8"]
        assert sum(r["share"] for r in rows) == pytest.approx(1, abs=1e-5)
        assert sum(r["cost"] for r in rows) == pytest.approx(
            result(found, 0, "rank-8")["attributed"]["dollars"], rel=1e-4
        )

    def test_curves_reach_the_size_of_the_pool(self, found: dict[str, Any]) -> None:
        curve = next(
            c for c in found["benchmarks"][0]["curves"] if c["architecture"] == "vote-8" and c["protocol"] == "pass@k"
        )
        values = [point["value"] for point in curve["points"]]
        assert [point["k"] for point in curve["points"]] == [1, 2, 4, 8]
        assert values == sorted(values)

    def test_infinite_and_unsettled_numbers(self) -> None:
        assert settled({"a": float("inf"), "b": [1 / 3, float("nan")], "c": (1, True)}) == {
            "a": None,
            "b": [0.333333, None],
            "c": [1, True],
        }
        assert sorted(["q10", "q2", "q1"], key=natural) == ["q1", "q2", "q10"]
        assert (money(0.000582), number(1234.5), number(0)) == ("$0.000582", "1,230", "0")


class TestClaims:
    def test_voting_and_refinement_against_the_single_sample(self, found: dict[str, Any]) -> None:
        claims = found["benchmarks"][0]["claims"]
        assert [(c["kind"], c["architecture"], c["base"]) for c in claims] == [
            ("majority voting", "vote-8", "single"),
            ("refinement", "refine", "single"),
        ]
        for claim in claims:
            ratio = claim["cost_of_pass_ratio"]
            ours, base = (result(found, 0, claim[k])["cost_of_pass"]["value"] for k in ("architecture", "base"))
            assert ratio["value"] == pytest.approx(ours / base, rel=1e-4)
            assert ratio["low"] <= ratio["value"] <= ratio["high"]
            assert claim["lowers_cost_of_pass"] == ("no" if ratio["low"] > 1 else "not shown")

    def test_where_nothing_is_right_nothing_is_claimed(self, found: dict[str, Any]) -> None:
        (claim,) = found["benchmarks"][1]["claims"]
        assert claim["cost_of_pass_ratio"]["value"] is None
        assert claim["lowers_cost_of_pass"] == "not shown"
        assert "Neither got anything right" in claim["sentence"]


class TestEconomics:
    def test_the_worked_frontier_and_what_it_needs(self) -> None:
        """Four problems, eight runs each: 0.0403 with an expert at $3, and without G 0.0453 (accounting oracle)."""
        kinds = [Kind(name, (("generate",),), 1, 0.0) for name in ("L", "G", "R")]
        passes = {"L": (8, 4, 0, 0), "G": (8, 8, 2, 0), "R": (8, 8, 8, 4)}
        dollars = {"L": 0.0004, "G": 0.01, "R": 0.06}
        rows = [
            replace(
                row,
                score=float(row.repeat < passes[row.architecture][int(row.problem[1:])]),
                attributed=replace(row.attributed, dollars=dollars[row.architecture]),
            )
            for row in records(4, kinds, repeats=8)
        ]
        about = settings(kinds)
        models = {name: {"m": (f"simulated/{name.lower()}", "2026-11-01")} for name in passes}
        about = replace(about, contenders=tuple(replace(c, models=models[c.name]) for c in about.contenders))
        found = analyse(rows, about, experts={"sums": 3.0})["benchmarks"][0]["economics"]
        assert found["frontier"]["value"] == pytest.approx(0.0403, rel=1e-5)
        assert found["frontier"]["cheapest"] == [{"name": "L", "problems": 2}, {"name": "G", "problems": 1},
                                                 {"name": "R", "problems": 1}]  # fmt: skip
        lost = {(row["kind"], row["name"]): row for row in found["essentialness"]}
        assert lost["model", "simulated/g"]["value"] == pytest.approx(0.11037528, rel=1e-5)
        assert lost["technique", "generate"]["value"] == pytest.approx((3 - 0.0403) / 3, rel=1e-5)
        for row in lost.values():
            assert row["low"] <= row["value"] <= row["high"]

    def test_a_layer_is_judged_by_its_architecture_without_it(self, found: dict[str, Any]) -> None:
        rows = {(r["kind"], r["name"]): r for r in found["benchmarks"][0]["economics"]["essentialness"]}
        assert rows["layer", "1.rank of rank-8"]["members"] == ["rank-8"]
        assert ("model", "simulated/coin") not in rows, "without it and without an expert nothing is left"
        assert set(rows) == {("technique", k) for k in ("rank", "self_refine", "vote")} | {
            ("layer", "1.rank of rank-8")
        }

    def test_where_nothing_is_right_the_frontier_is_infinite_and_essentialness_not_known(
        self, found: dict[str, Any]
    ) -> None:
        economics = found["benchmarks"][1]["economics"]
        frontier = economics["frontier"]
        assert frontier["value"] is None and frontier["high"] is None and frontier["low"] > 0
        assert frontier["unsolved"] == 8
        (vote,) = economics["essentialness"]
        assert vote["value"] is None and vote["low"] == 0 and vote["high"] > 0
        assert "no upper bound: 8 of 8 problems were never solved" in economics["sentence"]
        for text in (to_html(found), to_markdown(found)):
            assert economics["sentence"] in text and "not known" in text

    def test_no_expert_unless_one_is_given_but_the_card_is_named(self) -> None:
        rows, about = records(6), replace(settings(), experts={"sums": 3.5})
        without = analyse(rows, about)["benchmarks"][0]["economics"]
        assert without["expert_dollars"] is None
        assert "card puts an expert at $3.5: --expert-usd 3.5 counts one in." in without["sentence"]
        given = analyse(rows, about, experts={"sums": 2.0})["benchmarks"][0]["economics"]
        assert "or a human expert at $2 for each problem" in given["sentence"] and "card" not in given["sentence"]

    def test_an_expert_in_dollars_needs_costs_in_dollars(self) -> None:
        with pytest.raises(ConfigError, match="costs on sums are counted in endpoint seconds"):
            analyse(records(4, priced=False), settings(priced=False), experts={"sums": 1.0})


class TestPage:
    def test_what_a_model_wrote_is_text(self) -> None:
        evil = "</pre><script>alert('{answer}')</script><img src=x onerror=alert(1)>"
        rows = [replace(r, question=evil, answer=evil, reason=evil) for r in records(3, text=evil)]
        rows = [replace(r, architecture=f"{r.architecture}<b>") for r in rows]
        report = analyse(rows, Settings())
        page = to_html(report)
        assert len(re.findall("<script", page)) == 1, "only our own"
        assert "<img" not in page and "<b>&lt;" not in page and "&lt;script&gt;" in page
        assert "<script" not in to_markdown(report)

    def test_it_needs_nothing_from_elsewhere(self, found: dict[str, Any]) -> None:
        page = to_html(found)
        assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|https?://""", page)

    def test_figures_have_titles_texts_and_the_numbers_of_the_report(self, found: dict[str, Any]) -> None:
        benchmark, colours = found["benchmarks"][0], colours_of(found)
        drawn = frontier(benchmark, colours, "f")
        assert drawn is not None and "<title" in drawn and "<desc" in drawn and 'role="img"' in drawn
        marks = re.findall(r'data-architecture="([^"]*)" data-x="([^"]*)" data-y="([^"]*)"', drawn)
        assert [(n, float(x), float(y)) for n, x, y in marks] == [
            (p["architecture"], p["cost"]["value"], p["accuracy"]["value"]) for p in benchmark["frontier"]
        ]
        assert curves(found["benchmarks"][0], "no such protocol", colours, "c") is None

    def test_names_stay_inside_the_figure_where_everything_is_right(self) -> None:
        kinds = [Kind(f"a-rather-long-name-{i}", (("generate",),), 1, 0.0) for i in range(6)]
        report = analyse(records(3, kinds, rate=1.0), settings(kinds))
        drawn = frontier(report["benchmarks"][0], colours_of(report), "f")
        assert drawn is not None
        heights = [float(y) for y in re.findall(r'<text[^>]* y="([^"]*)" class="label"', drawn)]
        assert len(heights) == 6
        assert all(11 <= y <= HEIGHT - BOTTOM for y in heights)

    def test_large_runs_hold_some_questions_and_say_where_the_rest_is(self) -> None:
        report = analyse(records(300, KINDS[:1]), settings(KINDS[:1]))
        reading = report["benchmarks"][0]["reading"]
        assert len(reading["questions"]) + reading["left_out"] == 300
        assert reading["left_out"] == 100
        assert "100 more questions not shown here" in to_html(report)

    def test_records_without_any_grade_are_still_reported(self) -> None:
        rows = [replace(r, score=None, reason="there was no reference answer") for r in records(4, KINDS[:2])]
        report = analyse(rows, settings(KINDS[:2]))
        assert "No answer could be graded: there was no reference answer." in to_html(report)


class TestCommand:
    def test_a_page_markdown_json_and_claims(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = str(write_run(tmp_path / "run", records(6), settings()))
        assert run(["report", path]) == 0
        assert capsys.readouterr().out == f"{path}/report.html\n"
        assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")
        assert run(["report", path, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["records"] == 30
        assert run(["report", path, "--markdown"]) == 0
        assert "| architecture | accuracy ± SE |" in capsys.readouterr().out
        assert run(["report", path, "--claims"]) == 0
        assert "**majority voting**: vote-8 is" in capsys.readouterr().out
        assert run(["report", path, "--json", "--expert-usd", "9", "--expert-usd", "sums=3"]) == 0
        assert json.loads(capsys.readouterr().out)["benchmarks"][0]["economics"]["expert_dollars"] == 3
        for option, said in (
            ("much", "write what an expert costs in dollars"),
            ("sums=0", "write what an expert costs in dollars"),
            ("sum=1", "did you mean 'sums'?"),
        ):
            assert run(["report", path, "--expert-usd", option]) == 2
            assert said in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda p: p.mkdir(), "neither the directory of an evaluation nor of a run"),
            (lambda p: write_run(p, [], settings()), "there is no record in it"),
        ],
    )
    def test_what_cannot_be_reported(
        self, make: Callable[[Path], Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make(tmp_path / "x")
        assert run(["report", str(tmp_path / "x")]) == 2
        assert said in capsys.readouterr().err

    def test_an_ordinary_run_is_reported(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "q.jsonl").write_text('{"id": "a", "question": "2 + 2?", "answer": "4"}\n')
        runs = tmp_path / "runs"
        with serve(lambda body: Answer(("4",))) as server:
            model = f"{{use: openai/x, base_url: {server.base_url}}}"
            text = f"name: a\nmodels: {{m: {model}}}\nlayers: [{{generate: {{model: m}}}}]\nanswer: math\n"
            (tmp_path / "a.yaml").write_text(text)
            assert run(["run", f"{tmp_path}/a.yaml", "--input", f"{tmp_path}/q.jsonl", "--runs", str(runs)]) == 0
        capsys.readouterr()
        assert run(["report", str(next(runs.iterdir())), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["benchmarks"][0]["name"] == "q"
        assert report["architectures"][0]["layers"] == [["generate"]]
        assert report["benchmarks"][0]["results"][0]["accuracy"]["value"] == 1
        (answer,) = report["benchmarks"][0]["reading"]["questions"][0]["answers"]
        assert [event["kind"] for event in answer["trace"]["events"]][-1] == "question"


def test_pictures(found: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    # An end of an interval that a rounding puts on the wrong side of its value is drawn all the same.
    accuracy = found["benchmarks"][0]["frontier"][0]["accuracy"]
    point = {**found["benchmarks"][0]["frontier"][0], "accuracy": {**accuracy, "low": accuracy["value"] + 1e-17}}
    found = {**found, "benchmarks": [{**found["benchmarks"][0], "frontier": [point]}, *found["benchmarks"][1:]]}
    names = {path.name for path in write_png(found, tmp_path)}
    assert {"sums-frontier.png", "sums-cost-of-pass.png", "sums-pass-at-k.png", "riddles-frontier.png"} <= names
