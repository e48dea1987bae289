"""The fields that benchmark cards pass on are those that their graders read."""

from __future__ import annotations

import pytest

from archon.concurrency import run_sync
from evals.benchmark import load_benchmark
from evals.graders import Tools
from tests.evals.graders.grading import SANDBOX, Scripted
from tests.evals.test_cards import problems

RIGHT = {
    "humaneval": "```python\ndef twice(x):\n    return 2 * x\n```",
    "humaneval-plus": "    return x // 2\n",
    "mbpp": "```python\ndef add(a, b):\n    return a + b\n```",
    "livecodebench": "```python\nprint(2 * int(input()))\n```",
    "code-contests": "```python\nprint(sum(map(int, input().split())))\n```",
    "ifeval": "Rain falls and falls on every roof in town " * 4,
    "math": r"Thus \boxed{0.5}.",
    "gsm8k": "The answer is $32.",
    "mmlu": "The answer is C.",
    "bbh": "So it is.\nAnswer: False",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_right_and_others_are_not(name: str) -> None:
    grader, problem = load_benchmark(name).grader(), problems(name)[0]
    tools = Tools(SANDBOX)
    right = run_sync(grader.grade(problem, RIGHT[name], tools))
    assert (right.score, right.reason) == (1, "")
    assert run_sync(grader.grade(problem, "I do not know, sorry.", tools)).score == 0


@pytest.mark.parametrize(
    ("name", "reply", "score"),
    [
        ("mt-bench", "Rating: [10]", 1.0),
        ("mixeval", "Rating: [1]", 0.0),
        ("arena-hard-auto", "[tie]", 0.5),
        ("alpaca-eval-2", "[1]", 0.5),
    ],
)
def test_judged_benchmarks_show_the_judge_what_it_needs(name: str, reply: str, score: float) -> None:
    judge = Scripted(reply)
    grade = run_sync(load_benchmark(name).grader().grade(problems(name)[0], "Well.", Tools(SANDBOX, judge)))
    assert grade.score == score
