"""Problems of reasoning-gym with several right answers are graded by the family that made them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archon import ConfigError
from archon.concurrency import run_sync
from archon.sandbox import Limits, Sandbox
from archon.state import Message
from evals.benchmark import list_benchmarks, load_benchmark
from evals.graders import Grade, Problem, Tools, parse_grader

pytest.importorskip("reasoning_gym")

# A scorer loads numpy and sympy, which a busy machine takes its time over.
PATIENT = Tools(Sandbox(Limits(seconds=100, cpu_seconds=60)))
COUNTDOWN = {"family": "countdown", "question": "", "metadata": {"numbers": [3, 5, 7], "target": 36}}


def problem(reference: str, fields: dict[str, Any]) -> Problem:
    return Problem("p1", (Message("user", "?"),), reference, fields)


def graded(asked: Problem, answer: str) -> Grade:
    return run_sync(parse_grader("reasoning_gym").grade(asked, f"Well: <answer>{answer}</answer>", PATIENT))


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("(5 + 7) * 3", 1.0),  # as it was made
        ("3*7 + 3*5", 0.0),  # uses a number twice
        ("3 * (7 + 5)", 1.0),  # another solution
        ("3 + 5 + 7", 0.0),  # misses the target, in the right form
        ("__import__('os')._exit(0)", 0.0),  # the scorer evaluates what it is given
    ],
)
@pytest.mark.slow
def test_every_solution_counts_and_partial_credit_does_not(answer: str, score: float) -> None:
    found = graded(problem("(5 + 7) * 3", COUNTDOWN), answer)
    assert found.score == score
    assert bool(found.reason) == (score < 1)


@pytest.mark.slow
def test_a_family_that_makes_no_answer_knows_the_right_ones() -> None:
    made = load_benchmark("reasoning-gym/graph_color").problems(1)[0]
    asked = problem("None", json.loads(json.dumps(dict(made.fields))))
    assert graded(asked, "None").score == 0
    puzzle = asked.fields["metadata"]["puzzle"]
    colours: dict[int, int] = {}
    for vertex in puzzle["vertices"]:
        # Whether greedy colouring finds one depends on the graph; that of this seed is kind.
        taken = {colours.get(b if a == vertex else a) for a, b in puzzle["edges"] if vertex in (a, b)}
        colours[vertex] = next(colour for colour in puzzle["color_options"] if colour not in taken)
    assert graded(asked, json.dumps({str(vertex): colour for vertex, colour in colours.items()})).score == 1


def test_a_family_that_compares_texts_needs_no_program() -> None:
    asked = problem("Bob", {"family": "leg_counting", "metadata": {}})
    assert graded(asked, "Bob").score == 1
    assert graded(asked, "Bobby").score == 0


def test_without_an_answer_or_a_family() -> None:
    grader = parse_grader("reasoning_gym")
    found = run_sync(grader.grade(problem("4", COUNTDOWN), "I do not know.", PATIENT))
    assert (found.score, found.reason) == (0.0, "There is no answer in the text.")
    with pytest.raises(ConfigError, match="needs the field 'family'"):
        graded(problem("4", {}), "4")
    with pytest.raises(ConfigError, match="no family 'count_down'"):
        graded(problem("4", {"family": "count_down", "metadata": {}}), "5")


def test_the_card_asks_the_family() -> None:
    assert [b.card.grader_kind for b in list_benchmarks() if b.name == "reasoning-gym"] == ["reasoning_gym"]
