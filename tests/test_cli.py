"""The command line: what it prints, what it leaves behind, and how it fails."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archon.engine import Engine
from archon.models.retry import RetryPolicy
from tests.commands import Run
from tests.loopback import Answer, error, serve

ARCHITECTURE = """\
name: vote
models:
  solver: {{use: openai/test, base_url: "{url}"}}
layers:
  - generate: {{model: solver, n: {n}}}
  - vote
answer: math
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    def file(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return file


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


QUESTIONS = '{"id": "a", "question": "2 + 2?", "answer": "4"}\n{"id": "b", "question": "2 + 3?", "answer": "5"}\n'


def test_a_question_is_answered_on_stdout(archon: Run, write: Any) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=3))
        outcome = archon("run", file, "--question", "2 + 2?")
    assert outcome.code == 0
    assert outcome.out.strip() == "The answer is 4."
    assert server.calls == 3


def test_a_batch_leaves_answers_and_a_run_directory(archon: Run, write: Any, tmp_path: Path) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=2))
        questions = write("q.jsonl", QUESTIONS)
        outcome = archon("run", file, "--input", questions, "--output", "out.jsonl", "--json", "--seed", "5")
    assert outcome.code == 0
    (summary,) = json.loads(outcome.out)["architectures"]
    spent = summary["attributed"]
    assert (summary["questions"], spent["calls"], spent["unpriced_calls"], spent["dollars"]) == (2, 4, 4, None)
    assert {**summary["paid"], "endpoint_seconds": 0} == {**spent, "endpoint_seconds": 0}
    assert summary["accuracy"]["mean"] == 0.5
    assert summary["accuracy"]["n"] == 2
    assert summary["accuracy"]["standard_error"] == pytest.approx(0.5)
    answers = lines(tmp_path / "out.jsonl")
    assert [(row["id"], row["answer"], row["correct"]) for row in answers] == [("a", "4", True), ("b", "4", False)]
    run = Path(json.loads(outcome.out)["run"])
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "architectures",
        "questions.jsonl",
        "records.jsonl",
        "trace.jsonl",
        "summary.json",
    }
    assert json.loads((run / "run.json").read_text())["seed"] == 5
    assert sum(row["attributed"]["calls"] for row in lines(run / "records.jsonl")) == 4
    assert sum(event["kind"] == "call" for event in lines(run / "trace.jsonl")) == 4
    assert archon("validate", str(run / "architectures" / "vote.yaml")).code == 0


def test_the_table_shows_accuracy_with_its_error(archon: Run, write: Any) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
        outcome = archon("run", file, "--input", write("q.jsonl", QUESTIONS), "--limit", "2")
    assert "0.500 ± 0.500" in outcome.out
    assert "unknown" in outcome.out, "the price is not known"


def test_a_price_gives_a_cost(archon: Run, write: Any) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
        price = "models.solver.price={input: 1, output: 2, date: 2026-11-01}"
        outcome = archon("run", file, "--question", "2 + 2?", "--json", "--set", price)
    (summary,) = json.loads(outcome.out)["architectures"]
    assert summary["attributed"]["dollars"] == pytest.approx((3 * 1 + 4 * 2) / 1e6)


def test_fields_are_mapped_by_flags(archon: Run, write: Any) -> None:
    row = {"key": 7, "task": [{"role": "user", "content": "Hi"}], "gold": 4, "sys": "Be brief."}
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
        flags = ["--question-field", "task", "--answer-field", "gold", "--id-field", "key", "--system-field", "sys"]
        outcome = archon("run", file, "--input", write("q.jsonl", json.dumps(row)), *flags, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["architectures"][0]["accuracy"]["mean"] == 1
    assert [message["role"] for message in server.bodies[0]["messages"]] == ["system", "user"]


def test_several_architectures_stand_side_by_side(archon: Run, write: Any) -> None:
    with serve(lambda body: Answer()) as server:
        one = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
        two = write("b.yaml", ARCHITECTURE.format(url=server.base_url, n=4).replace("name: vote", "name: vote-4"))
        outcome = archon("run", one, two, "--input", write("q.jsonl", QUESTIONS), "--json")
    assert [a["calls_per_question"] for a in json.loads(outcome.out)["architectures"]] == [1, 4]


class TestBadInput:
    """Each is one clear sentence, exit code 2 and no traceback."""

    URL = "http://127.0.0.1:9/v1"

    def valid(self, write: Any) -> Any:
        return write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1))

    def test_an_unknown_key(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("n: 1", "temprature: 1"))
        archon("validate", file).is_one_sentence("a.yaml:5", "'temprature'", "did you mean 'temperature'?")

    def test_an_unknown_technique(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("- vote", "- voet"))
        archon("run", file, "--question", "x").is_one_sentence("a.yaml:6", "'voet'", "did you mean 'vote'?")

    def test_an_unknown_role(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("model: solver", "model: solvr"))
        archon("run", file, "--question", "x").is_one_sentence("a.yaml:5", "'solvr'", "did you mean 'solver'?")

    def test_an_unknown_local_model(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("openai/test", "local/qwen2.5-coder"))
        archon("run", file, "--question", "x").is_one_sentence("qwen2.5-coder", "did you mean 'qwen2.5-coder-")

    def test_weights_that_were_not_fetched(self, archon: Run, write: Any) -> None:
        text = ARCHITECTURE.format(url=self.URL, n=1).replace("openai/test", "local/qwen2.5-coder-0.5b")
        archon("run", write("a.yaml", text), "--question", "x").is_one_sentence("archon models pull qwen2.5-coder-0.5b")

    def test_an_unknown_provider(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("openai/test", "opnai/test"))
        archon("run", file, "--question", "x").is_one_sentence("a.yaml:3", "did you mean 'openai'?")

    def test_a_missing_key(self, archon: Run, write: Any) -> None:
        text = ARCHITECTURE.format(url=self.URL, n=1).replace(f', base_url: "{self.URL}"', "")
        archon("run", write("a.yaml", text), "--question", "x").is_one_sentence("OPENAI_API_KEY is not set")

    def test_a_wrong_key(self, archon: Run, write: Any) -> None:
        with serve(lambda body: error(401, "bad key")) as server:
            file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
            archon("run", file, "--question", "x").is_one_sentence("HTTP 401", "bad key")

    def test_a_key_written_into_the_file(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=1).replace("/test", "/test, api_key: sk-123"))
        outcome = archon("validate", file)
        outcome.is_one_sentence("a.yaml:3", "environment variable")
        assert "sk-123" not in outcome.err

    def test_a_file_that_is_not_there(self, archon: Run) -> None:
        archon("run", "nowhere.yaml", "--question", "x").is_one_sentence("nowhere.yaml", "no such file")

    def test_an_input_that_is_not_there(self, archon: Run, write: Any) -> None:
        archon("run", self.valid(write), "--input", "no.jsonl").is_one_sentence("no.jsonl", "no such file")

    def test_bad_jsonl(self, archon: Run, write: Any) -> None:
        questions = write("q.jsonl", '{"question": "x"}\n{"question": \n')
        archon("run", self.valid(write), "--input", questions).is_one_sentence("q.jsonl:2", "not valid JSON")

    def test_a_row_without_a_question(self, archon: Run, write: Any) -> None:
        questions = write("q.jsonl", '{"prompt": "x"}\n')
        archon("run", self.valid(write), "--input", questions).is_one_sentence(
            "q.jsonl:1", "--question-field", "prompt"
        )

    def test_an_id_that_stands_twice(self, archon: Run, write: Any) -> None:
        questions = write("q.jsonl", QUESTIONS.replace('"b"', '"a"'))
        archon("run", self.valid(write), "--input", questions).is_one_sentence("q.jsonl:2", "'a'", "--id-field")

    def test_n_of_zero(self, archon: Run, write: Any) -> None:
        file = write("a.yaml", ARCHITECTURE.format(url=self.URL, n=0))
        archon("run", file, "--question", "x").is_one_sentence("a.yaml:5", "generate.n", "greater than or equal to 1")

    def test_weights_with_a_wrong_hash(self, archon: Run, write: Any) -> None:
        file = write("weights.gguf", "GGUF and nothing else")
        archon("models", "pull", "qwen2.5-coder-0.5b", "--from", file).is_one_sentence("weights.gguf", "SHA-256")

    def test_neither_question_nor_input(self, archon: Run, write: Any) -> None:
        archon("run", self.valid(write)).is_one_sentence("--question", "--input")

    def test_a_flag_that_does_not_exist(self, archon: Run, write: Any) -> None:
        archon("run", self.valid(write), "--qestion", "x").is_one_sentence("--qestion")

    def test_an_output_directory_that_does_not_exist(self, archon: Run, write: Any) -> None:
        questions = write("q.jsonl", QUESTIONS)
        flags = ["--input", questions, "--output", "no/where.jsonl"]
        archon("run", self.valid(write), *flags).is_one_sentence("no/where.jsonl", "does not exist")

    def test_a_port_in_use(self, archon: Run, tmp_path: Path) -> None:
        model = tmp_path / "any.gguf"
        model.write_bytes(b"GGUF" + bytes(64))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            outcome = archon("models", "serve", str(model), "--port", str(port))
        outcome.is_one_sentence(str(port), "in use")


def test_a_server_that_dies_mid_run_fails_its_questions_and_no_others(
    archon: Run, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers one call and then drops every connection."""
    monkeypatch.setattr("archon.cli.batch.Engine", partial(Engine, retry=RetryPolicy(base=0.02)))
    calls = iter(range(1000))
    with serve(lambda body: Answer(drop=next(calls) > 0)) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=1))
        flags = ["--output", "out.jsonl", "--set", "models.solver.concurrency=1"]
        outcome = archon("run", file, "--input", write("q.jsonl", QUESTIONS), *flags)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    good, bad = lines(tmp_path / "out.jsonl")
    assert (good["status"], good["answer"]) == ("done", "4")
    assert (bad["status"], bad["answer"]) == ("failed", None)
    assert "connection" in bad["error"]
    assert "1 of 2 questions failed" in outcome.err


def test_a_second_run_buys_nothing(archon: Run, write: Any, tmp_path: Path) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=2))
        questions = write("q.jsonl", QUESTIONS)
        for output in ("one.jsonl", "two.jsonl"):
            assert archon("run", file, "--input", questions, "--output", output).code == 0
        assert server.calls == 4
        archon("run", file, "--input", questions, "--no-store")
        assert server.calls == 8
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert json.loads(archon("cache", "stats", "--json").out)["by_model"] == {"openai/test": 4}
    assert len(archon("cache", "export").out.splitlines()) == 4
    archon("cache", "prune", "--older-than", "0")
    assert json.loads(archon("cache", "stats", "--json").out)["samples"] == 0


def test_failed_questions_are_asked_again_on_resuming(archon: Run, write: Any, tmp_path: Path) -> None:
    alive = False
    script = lambda body: Answer() if alive or "3" not in body["messages"][-1]["content"] else error(400, "no")  # noqa: E731
    with serve(script) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=2))
        first = archon("run", file, "--input", write("q.jsonl", QUESTIONS), "--output", "out.jsonl", "--json")
        assert first.code == 1
        before, alive = server.calls, True
        again = archon("run", "--resume", json.loads(first.out)["run"], "--json")
    assert again.code == 0
    assert server.calls == before + 2
    assert [row["status"] for row in lines(tmp_path / "out.jsonl")] == ["done", "done"]
    assert json.loads(again.out)["architectures"][0]["finished"] == 2


def test_resuming_what_is_no_run_is_one_sentence(archon: Run) -> None:
    archon("run", "--resume", "nowhere").is_one_sentence("nowhere", "not the directory of a run")


@pytest.mark.parametrize("family", ["techniques", "rewards"])
@pytest.mark.parametrize("width", [80, 100])
def test_kinds_are_listed_with_paper_formula_and_knobs(
    archon: Run, monkeypatch: pytest.MonkeyPatch, family: str, width: int
) -> None:
    monkeypatch.setattr("archon.cli.console.WIDTH_WITHOUT_TERMINAL", width)
    listed = json.loads(archon(family, "--json").out)
    shown = archon(family).out
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    entries = [" ".join(entry.split()) for entry in shown.strip().split("\n\n")]
    # Where a line was broken does not matter.
    assert len(entries) == len(listed)
    for entry, facts in zip(entries, listed, strict=True):
        assert entry.startswith(facts["kind"])
        assert facts["source"].replace("`", "") in entry
        assert f"calls {facts['calls']} paper" in entry
        for name, knob in facts["knobs"].items():
            assert f"{name} {knob['low']:g} to {knob['high']:g}" in entry if "low" in knob else name in entry


def test_everything_about_a_technique_is_in_the_json(archon: Run) -> None:
    (rank,) = json.loads(archon("techniques", "rank", "--json").out)
    assert rank["knobs"]["keep"] == {"kind": "int", "low": 1, "high": 10, "log": False}
    assert rank["papers"] == ["2409.15254", "2304.09542", "2310.07712"]
    assert rank["needs"] == ["candidates"]
    assert rank["settings"]["keep"] == {"takes": "a whole number, at least 1", "required": False, "default": 5}
    assert rank["settings"]["model"] == {"takes": "a model", "required": True}
    assert "{candidates}" in rank["prompts"]["prompt"]
    assert "- rank: {model: judge, keep: 5}" in rank["example"]


def test_a_page_is_shown(archon: Run) -> None:
    shown = archon("techniques", "rank").out
    assert shown.startswith("# rank\n\nOrder candidates by quality")
    assert "| `keep` | a whole number, at least 1 | `5` | 1 to 10 |" in shown
    assert "Every pair is judged in both orders" in archon("rewards", "pairwise").out
    archon("rewards", "jugde").is_one_sentence("unknown reward 'jugde'", "did you mean 'judge'")


def test_pages_are_written(archon: Run, tmp_path: Path) -> None:
    changed = json.loads(archon("pages", "docs", "--json").out)
    assert "docs/techniques/rank.md" in changed
    assert (tmp_path / "docs" / "rewards" / "judge.md").read_text().count("# judge") == 1
    assert archon("pages", "docs").out == ""


def test_the_schema_is_json(archon: Run) -> None:
    assert "layers" in json.loads(archon("schema").out)["properties"]


def test_models_are_listed(archon: Run) -> None:
    listed = json.loads(archon("models", "list", "--json").out)
    assert any(entry["use"] == "local/qwen2.5-coder-1.5b" for entry in listed["local"])


def test_the_installed_command_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from archon.cli import main; main()", "run", "nowhere.yaml", "--question", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "archon: nowhere.yaml: there is no such file.\n"


def test_a_run_that_a_budget_cuts_ends_with_code_3(archon: Run, write: Any) -> None:
    with serve(lambda body: Answer()) as server:
        file = write("a.yaml", ARCHITECTURE.format(url=server.base_url, n=4))
        questions = write("q.jsonl", QUESTIONS)
        outcome = archon("run", file, "--input", questions, "--budget", "calls=6", "--json")
        assert server.calls == 6
    assert outcome.code == 3
    assert json.loads(outcome.out)["architectures"][0]["cut_by_budget"] == 1
    archon("run", file, "--question", "x", "--budget", "dollars=6").is_one_sentence("--budget dollars=6", "usd=0.5")
