"""``archon benchmarks``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archon.cli.demo import LARGEST, LONGEST, small_problems
from tests.commands import Run

ROWS = Path(__file__).parent / "evals" / "rows"


def test_the_list_names_every_benchmark(archon: Run) -> None:
    code, out, err = archon("benchmarks", "list", "--json")
    listed = {entry["name"]: entry for entry in json.loads(out)}
    assert (code, err) == (0, "")
    assert listed["gsm8k"]["problems"] == 1319 and listed["gsm8k"]["source"]["hub"]["id"] == "openai/gsm8k"
    code, out, _ = archon("benchmarks")
    assert code == 0
    assert all(name in out for name in listed)


def test_a_problem_is_shown_as_it_would_be_asked(archon: Run) -> None:
    data = f"gpqa-diamond={ROWS / 'gpqa-diamond.jsonl'}"
    code, out, _ = archon("benchmarks", "show", "gpqa-diamond", "--data", data, "--json")
    shown = json.loads(out)
    assert code == 0 and shown["local"].endswith("gpqa-diamond.jsonl") and shown["expert_dollars"] == 58
    (message,) = shown["problem"]["messages"]
    code, out, _ = archon("benchmarks", "show", "gpqa-diamond", "--data", data)
    assert message["content"] in out and f"right answer: {shown['problem']['reference']}" in out


def test_later_turns_are_shown(archon: Run) -> None:
    data = f"mt-bench={ROWS / 'mt-bench.jsonl'}"
    _, out, _ = archon("benchmarks", "show", "mt-bench", "--data", data)
    assert "user, after the answer" in out and "asking openai/gpt-4.1" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "gsm8kk"), "did you mean 'gsm8k'"),
        (("show", "mt-bench", "--data", f"mtbench={ROWS / 'mt-bench.jsonl'}"), "'mtbench' is not looked at"),
        (("list", "--data", f"gsm={ROWS / 'gsm8k.jsonl'}"), "'gsm' is not looked at"),
        (("show", "mt-bench", "--data", "mt-bench=gone.jsonl"), "there is no such file"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], said: str, archon: Run) -> None:
    code, out, err = archon("benchmarks", *arguments)
    assert (code, out) == (2, "")
    assert said in err and len(err.strip().splitlines()) == 1


def test_the_demo_asks_what_a_small_model_can_do() -> None:
    pytest.importorskip("reasoning_gym")
    problems = [problem for _, problem in zip(range(6), small_problems(0), strict=False)]
    assert len({problem.task.id for problem in problems}) == 6
    for problem in problems:
        assert len(problem.task.question) <= LONGEST and int(problem.reference or -1) in range(LARGEST + 1)
