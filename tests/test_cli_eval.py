"""``archon eval``: what it prints, what it leaves behind, how it goes on, and how it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evals.directory import EvalDirectory
from evals.records_io import read_jsonl, read_parquet
from tests.commands import Run
from tests.loopback import Answer, Loopback, error, serve
from tests.test_cli import lines, write  # noqa: F401 - a fixture

PRICE = "price: {input: 1, output: 2, date: '2026-01-31'}"
ARCHITECTURE = """\
name: {name}
models:
  solver: {{use: openai/test, base_url: "{url}", temperature: 0.8, max_tokens: 50, concurrency: 8, {price}}}
layers:
  - generate: {{model: solver, n: {n}}}
  - vote
"""
GSM = [
    {"question": "What is 3 + 4?", "answer": "They are 7.\n#### 7"},
    {"question": "What is 5 + 5?", "answer": "They are 10.\n#### 10"},
]


def add(body: dict[str, Any]) -> Answer:
    """The sum that is asked for, wrong for one seed in four."""
    a, b = map(int, re.findall(r"(\d+) \+ (\d+)", body["messages"][-1]["content"])[-1])
    return Answer((f"It is \\boxed{{{a + b + (body['seed'] % 4 == 0)}}}.",))


def architectures(folder: Path, server: Loopback, price: str = PRICE) -> None:
    for name, n in (("single", 1), ("vote-3", 3)):
        text = ARCHITECTURE.format(name=name, url=server.base_url, n=n, price=price)
        (folder / f"{name}.yaml").write_text(text)
    (folder / "gsm.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GSM))


def test_two_architectures_on_two_benchmarks_with_two_models(archon: Run, tmp_path: Path) -> None:
    with serve(add) as server:
        architectures(tmp_path, server)
        arguments = ["eval", "single.yaml", "vote-3.yaml", "-b", "two-digit-addition", "-b", "gsm8k"]
        arguments += ["--data", "gsm8k=gsm.jsonl", "--limit", "6", "--repeats", "2"]
        outcome = archon(*arguments, "--with", "solver=openai/small", "--with", "solver=openai/large", "--json")
        assert outcome.code == 0, outcome.err
        # What the two architectures have in common is bought once.
        assert server.calls == 2 * 3 * (6 + 2) * 2
        assert {body["model"] for body in server.bodies} == {"small", "large"}
    data = json.loads(outcome.out)
    assert [(row["benchmark"], row["architecture"], row["answers"]) for row in data["results"]] == [
        (benchmark, architecture, answers)
        for benchmark, answers in (("two-digit-addition", 12), ("gsm8k", 4))
        for architecture in ("single+small", "single+large", "vote-3+small", "vote-3+large")
    ]
    for row in data["results"]:
        n = 6 if row["benchmark"] == "two-digit-addition" else 2
        assert (row["accuracy"]["n"], row["accuracy"]["runs"]) == (n, 2 * n)
        assert row["attributed"]["samples"] == 2 * n * (3 if "vote" in row["architecture"] else 1)
        assert row["attributed"]["dollars"] is None, "the price was another model's"
        assert row["cost_of_pass"]["unit"] == "endpoint seconds"
    assert data["judges"] == []


def test_what_it_leaves_behind(archon: Run, tmp_path: Path) -> None:
    with serve(add) as server:
        architectures(tmp_path, server)
        outcome = archon("eval", "single.yaml", "vote-3.yaml", "-b", "two-digit-addition", "--limit", "5", "--ablate")
    assert outcome.code == 0, outcome.err
    assert "vote-3 − 1.vote" in outcome.out and "±" in outcome.out and "cost of pass" in outcome.out
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-eval-two-digit-addition", run.name)
    about = json.loads((run / "eval.json").read_text())
    assert about["seed"] == 0 and about["repeats"] == 1 and about["price_date"] == "2026-01-31"
    assert [(a["name"], a["without"], a["whole"]) for a in about["architectures"]] == [
        ("single", "", ""),
        ("vote-3", "", ""),
        ("single − 1.vote", "1.vote", "single"),
        ("vote-3 − 1.vote", "1.vote", "vote-3"),
    ]
    assert about["architectures"][0]["models"]["solver"]["price"]["date"] == "2026-01-31"
    (benchmark,) = about["benchmarks"]
    assert len(benchmark["problems"]) == 5 and benchmark["digest"] and benchmark["grader"] == "math"
    assert [row["id"] for row in lines(run / "problems.jsonl")] == benchmark["problems"]
    records = read_jsonl(run / "records.jsonl")
    assert Counter(r.architecture for r in records) == dict.fromkeys([a["name"] for a in about["architectures"]], 5)
    assert sorted(read_parquet(run / "records.parquet"), key=repr) == sorted(records, key=repr)
    kinds = {event["kind"] for event in lines(run / "trace" / "two-digit-addition" / "vote-3.jsonl")}
    assert {"question", "layer", "call"} <= kinds
    assert json.loads((run / "summary.json").read_text())["results"][0]["cost_of_pass"]["unit"] == "USD"
    assert {path.name for path in (run / "architectures").iterdir()} == {a["file"] for a in about["architectures"]}


def test_its_costs_add_up_by_whatever_one_asks(archon: Run, tmp_path: Path) -> None:
    with serve(add) as server:
        architectures(tmp_path, server)
        arguments = ["eval", "single.yaml", "vote-3.yaml", "-b", "two-digit-addition", "-b", "gsm8k", "--json"]
        outcome = archon(*arguments, "--data", "gsm8k=gsm.jsonl", "--limit", "3", "--repeats", "2")
    summary = json.loads(outcome.out)
    for by in ("layer", "technique", "model", "question"):
        groups = json.loads(archon("costs", summary["run"], "--by", by, "--json").out)
        for row in summary["results"]:
            parts = [
                g for g in groups if (g["benchmark"], g["architecture"]) == (row["benchmark"], row["architecture"])
            ]
            for kind in ("attributed", "paid") if by == "question" else ("attributed",):
                dollars = sum(part[kind]["dollars"] for part in parts)
                assert dollars == pytest.approx(row[kind]["dollars"]), (by, kind)
        assert by == "question" or {group["paid"] for group in groups} == {None}
    table = archon("costs", summary["run"]).out
    assert "gsm8k" in table and "openai/test: price of 2026-01-31." in table and "--by question" in table


def test_a_killed_evaluation_goes_on_and_buys_nothing_twice(archon: Run, tmp_path: Path) -> None:
    answered = 12

    def some(body: dict[str, Any]) -> Answer:
        return add(body) if server.calls <= answered else Answer(hang=True)

    with serve(some) as server:
        architectures(tmp_path, server)
        command = [sys.executable, "-c", "from archon.cli import main; main()", "eval", "vote-3.yaml"]
        command += ["-b", "two-digit-addition", "--limit", "8", "--repeats", "2", "--at-once", "9"]
        # The checkout that is tested, whatever else is installed.
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        while server.calls < answered + 8:
            assert process.poll() is None
            time.sleep(0.02)
        # What was answered is in the store by now.
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = [json.dumps(body, sort_keys=True) for body in server.bodies]
        server.script = add
        (run,) = (tmp_path / "runs").iterdir()
        with (run / "records.jsonl").open("ab") as file:
            file.write(b'{"benchmark": "two-dig')
        outcome = archon("eval", "--resume", f"runs/{run.name}", "--json")
        assert outcome.code == 0, outcome.err
        after = [json.dumps(body, sort_keys=True) for body in server.bodies[len(before) :]]
    assert len(after) == 8 * 2 * 3 - answered
    assert not set(after) & set(before[:answered])
    assert json.loads(outcome.out)["results"][0]["answers"] == 16
    records = read_jsonl(run / "records.jsonl")
    assert len(records) == 16 == len({(r.problem, r.repeat) for r in records})
    # Going on with what is over asks nothing and says the same.
    with serve(add):
        again = archon("eval", "--resume", f"runs/{run.name}", "--json")
    assert again.out == outcome.out
    with closing(EvalDirectory.resume(run)) as directory:
        assert directory.settings.at_once == 9


def test_a_budget_ends_it_with_exit_code_3(archon: Run, tmp_path: Path) -> None:
    with serve(add) as server:
        architectures(tmp_path, server)
        outcome = archon("eval", "single.yaml", "-b", "two-digit-addition", "--limit", "5", "--budget", "calls=3")
        assert server.calls == 3
    assert outcome.code == 3
    assert "a budget cut 2 of 5 questions" in outcome.err


def test_a_failure_is_exit_code_1(archon: Run, tmp_path: Path) -> None:
    with serve(lambda body: error(400, "that is too long")) as server:
        architectures(tmp_path, server)
        outcome = archon("eval", "single.yaml", "-b", "two-digit-addition", "--limit", "2")
    assert outcome.code == 1
    assert "2 of 2 questions failed" in outcome.err and "too long" in outcome.err


def test_a_judge_is_asked_and_its_cost_stands_apart(archon: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    turns = [{"question_id": 1, "category": "c", "turns": ["Say hello.", "Say it again."]}]
    (tmp_path / "mt.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))

    def script(body: dict[str, Any]) -> Answer:
        return Answer(("Rating: [10]" if body["model"] == "rater" else "Hello.",))

    with serve(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        architectures(tmp_path, server)
        arguments = ["eval", "single.yaml", "-b", "mt-bench", "--data", "mt-bench=mt.jsonl", "--json"]
        outcome = archon(*arguments, "--judge", "openai/rater")
    assert outcome.code == 0, outcome.err
    data = json.loads(outcome.out)
    assert data["results"][0]["attributed"]["calls"] == 2 and data["results"][0]["accuracy"]["mean"] == 1.0
    assert [(row["model"], row["attributed"]["calls"]) for row in data["judges"]] == [("openai/rater", 2)]
    (run,) = (tmp_path / "runs").iterdir()
    directory = EvalDirectory.resume(run)
    directory.close()
    judge = directory.problem_sets[0].judge
    assert judge is not None and judge.use == "openai/rater" and judge.max_tokens == 2048
    directory = EvalDirectory.resume(run)
    directory.close()
    judge = directory.problem_sets[0].judge
    assert judge is not None and (judge.use, judge.max_tokens) == ("openai/rater", 2048)
    assert [(r.problem, r.group) for r in read_jsonl(run / "records.jsonl")] == [("1", "1"), ("1/2", "1")]


def test_the_listing_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).resolve().parents[1]
    (tmp_path / "configs").symlink_to(root / "configs")
    page = (root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    (listing,) = [
        text for text in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "main()" in text
    ]
    with serve(add) as server:
        for name, value in (("OPENAI_API_KEY", "test"), ("OPENAI_BASE_URL", server.base_url)):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ARCHON_MODEL", "openai/test")
        monkeypatch.chdir(tmp_path)
        exec(compile(listing, "docs/evaluation.md", "exec"), {})
        assert server.calls == 8 * 20 * 2
    assert "vote-8 Accuracy(value=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["eval"], ["at least one architecture"]),
        (["eval", "single.yaml"], ["at least one benchmark"]),
        (["eval", "single.yaml", "-b", "gsm9k"], ["gsm9k", "gsm8k"]),
        (["eval", "single.yaml", "-b", "two-digit-addition", "--with", "solvr=openai/x"], ["solvr", "solver"]),
        (["eval", "single.yaml", "-b", "two-digit-addition", "--with", "solver=x"], ["--with x", "provider/model"]),
        (["eval", "single.yaml", "-b", "two-digit-addition", "--judge", "x"], ["--judge x", "provider/model"]),
        (["eval", "single.yaml", "-b", "two-digit-addition", "-b", "two-digit-addition"], ["two benchmarks"]),
        (["eval", "--resume", "."], ["not the directory of an evaluation"]),
        (["eval", "single.yaml", "--resume", "."], ["--resume goes on"]),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    archon: Run,
    tmp_path: Path,
    arguments: list[str],
    fragments: list[str],
) -> None:
    with serve(add) as server:
        architectures(tmp_path, server)
        archon(*arguments).is_one_sentence(*fragments)
        assert not server.calls and not (tmp_path / "runs").exists()
