"""Equality of mathematical answers agrees with pairs that people labelled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evals.graders.grading import grade, problem

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "math_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
# Both are told in docs/graders.md: a degree sign is a label, and i is a letter like any other.
EXCEPTIONS = {(r"\sin(30^\circ)", r"\frac12"), ("i^2", "-1")}


def test_grades_agree_with_the_labels_but_for_known_exceptions() -> None:
    pytest.importorskip("math_verify")
    assert len(PAIRS) >= 100
    disagreements = set()
    for pair in PAIRS:
        for wanted, said in ((pair["left"], pair["right"]), (pair["right"], pair["left"])):
            given = grade("math", problem(reference=wanted), rf"So it is \boxed{{{said}}}.")
            if given.score != pair["equal"]:
                disagreements.add((pair["left"], pair["right"]))
    assert disagreements == EXCEPTIONS
