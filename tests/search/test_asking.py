"""How architectures are asked about a benchmark's problems, and what their models by themselves are."""

from __future__ import annotations

import asyncio

import pytest

from archon.architecture import Architecture
from archon.source import parse_architecture
from archon.testing import ScriptedModel
from evals.benchmark import load_benchmark
from evals.contest import ProblemSet
from search.asking import BenchmarkEvaluator
from search.choice import singles


def asking(use: str, temperature: float = 0.5, rest: str = "") -> Architecture:
    return parse_architecture(
        f"name: a\nmodels: {{m: {{use: {use}}}}}\n"
        f"layers: [{{generate: {{model: m, n: {3 if rest else 1}, temperature: {temperature}}}}}{rest}]\nanswer: math\n"
    )


@pytest.mark.parametrize(("use", "most"), [("local/qwen2.5-coder-0.5b", 1), ("openai/gpt-4o-mini", 10)])
def test_a_model_of_this_machine_is_asked_one_question_at_a_time(use: str, most: int) -> None:
    benchmark = load_benchmark("two-digit-addition")
    model = ScriptedModel("The answer is 40.", latency=0.01)
    problems = ProblemSet.of(benchmark, benchmark.problems(10))
    evaluator = BenchmarkEvaluator(problems, models={"m": model})
    outcomes = asyncio.run(evaluator.evaluate(asking(use), range(10)))
    assert len(outcomes) == 10
    assert model.most_in_flight == most


def test_a_model_by_itself_has_the_settings_that_were_tried_by_themselves() -> None:
    both = [asking("openai/a", 0.9, ", vote"), asking("openai/b", 0.8, ", vote"), asking("openai/a", 0.2)]
    found = {single.name: single.layers[0][0] for single in singles(both)}
    assert {name: (part.n, part.temperature) for name, part in found.items()} == {  # type: ignore[attr-defined]
        "single-a": (1, 0.2),
        "single-b": (1, 0.8),
    }
