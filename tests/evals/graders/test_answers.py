"""Graders that compare, and how all graders are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ConfigError
from evals.graders import graders, parse_grader
from tests.evals.graders.grading import Scripted, grade, problem

IFEVAL: dict[str, Any] = {
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_sentences", "detectable_format:title"],
    "kwargs": [{}, {"num_sentences": 2, "relation": "at least"}, None],
}
TESTS: dict[str, Any] = {"entry_point": "f", "prompt": "def f(x):\n", "test": "def check(f):\n    assert f(1) == 1"}


@pytest.mark.parametrize(
    ("grader", "reference", "text", "score"),
    [
        ("math", "#### 1,234", "So it is $1234.", 1.0),
        ("math", "x^2 + 1", r"Thus \boxed{1 + x^2}.", 1.0),
        ("math", "x^2 + 1", "The answer is 1.", 0.0),
        ("math", r"We get \boxed{\frac12}", "The answer is 0.5", 1.0),
        ("math", "1/3", "The answer is 0.333", 0.0),
        ("math", "3", "I do not know.", 0.0),
        ("choice", "B", "The answer is (B).", 1.0),
        ("choice", "(b)", "The answer is C.", 0.0),
        ({"choice": {"options": "ABCDEFGHIJ"}}, "J", "The answer is J", 1.0),
        ("text", "New York", "  new   york. ", 1.0),
        ("text", "New York", "York", 0.0),
        ("exact", "New York", " New York\n", 1.0),
        ("exact", "New York", "new york", 0.0),
        ("contains", "New York", "I would say new\nyork, in the east.", 1.0),
        ("contains", "York", "Yorkshire", 0.0),
        ("contains", "(a+b)", "it is (a+b)?", 1.0),
        ({"regex": {"pattern": "<a>(.*?)</a>"}}, "7", "<a>6</a> no, <a>7</a>", 1.0),
        ({"regex": {"pattern": "<a>(.*?)</a>"}}, "7", "7", 0.0),
        ("json", '{"a": [1, 2]}', 'Here: ```json\n{"a": [1.0, 2]}\n```', 1.0),
        ("json", '{"a": [1, 2]}', '{"a": [2, 1]}', 0.0),
        ("json", '{"a": 1}', '{"a": true}', 0.0),
        ("json", "{}", "none", 0.0),
        ({"json": {"schema": {"required": ["a"]}, "equal": False}}, None, '{"a": 3}', 1.0),
        ({"json": {"schema": {"required": ["a"]}, "equal": False}}, None, '{"b": 3}', 0.0),
        ({"json": {"schema": {"required": ["b"]}}}, '{"a": 3}', '{"a": 3}', 0.0),
    ],
)
def test_comparisons(grader: object, reference: str | None, text: str, score: float) -> None:
    given = grade(grader, problem(reference=reference), text)
    assert given.score == score
    assert bool(given.reason) == (score < 1)


def test_a_problem_may_bring_its_own_schema() -> None:
    asked = problem(schema='{"type": "array"}')
    assert grade({"json": {"equal": False}}, asked, "[1]").score == 1
    wrong = grade({"json": {"equal": False}}, asked, '{"a": 1}')
    assert (wrong.score, "at $" in wrong.reason) == (0, True)


@pytest.mark.parametrize("kind", ["math", "choice", "text", "exact", "contains", "json"])
def test_without_a_reference_there_is_no_grade(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"^Problem p1: .*reference.*\.$"):
        grade(kind, problem(), "42")


@pytest.mark.parametrize("kind", ["judge", "pairwise"])
def test_without_a_judge_there_is_no_grade(kind: str) -> None:
    with pytest.raises(ConfigError, match="name one as the judge"):
        grade(kind, problem(baseline="x"), "42")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"json": {"schema": {"type": "nonsense"}}}, "not a JSON Schema"),
        ({"regex": {"pattern": "("}}, "not a valid regular expression"),
        ({"choice": {"options": "A"}}, "two or more"),
        ({"code": {"secnds": 1}}, "secnds"),
        ({"judge": {"samples": 0}}, "samples"),
    ],
)
def test_settings_are_checked(settings: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        parse_grader(settings)


def test_a_grader_is_named_by_its_kind_or_given() -> None:
    for kind, cls in graders().items():
        given = {kind: {"pattern": "x"}} if kind == "regex" else kind
        grader = parse_grader(given)
        assert type(grader) is cls
        assert parse_grader(grader) is grader
    assert parse_grader({"code": None}) == parse_grader("code")
    with pytest.raises(ValueError, match="did you mean 'math'"):
        parse_grader("maths")
    with pytest.raises(ValueError, match="a grader is a kind"):
        parse_grader(["math"])


MARKS = r"\boxed{ } #### answer is ``` ```python def f(x): return [1] Rating: {} << >> *** { [ (B) 1/0 9^9^9 \frac{ ß ŉ"
PIECES = st.sampled_from([*MARKS.split(), "\n", "    ", '"', "\x00", "\ud800"])
TEXTS = st.text(max_size=40) | st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS)
def test_no_text_makes_a_grader_fail(text: str, reference: str) -> None:
    judge = Scripted(text)
    for kind in ("math", "choice", "text", "exact", "contains", "judge"):
        given = grade(kind, problem(reference=reference), text, judge)
        assert given.score is None or 0 <= given.score <= 1
    assert grade({"regex": {"pattern": "(.)"}}, problem(reference=reference), text).score in (0.0, 1.0)
    assert grade({"json": {"schema": {"type": "object"}}}, problem(reference="[1]"), text).score in (0.0, 1.0)
    assert grade("instructions", problem(**IFEVAL), text).score in (0.0, 1.0)
    compared = grade("pairwise", problem(baseline=reference), text, judge).score
    assert compared in (None, 0.5), "a judge who says the same in both orders prefers nobody"


@settings(max_examples=5, deadline=None)
@given(TEXTS)
def test_no_program_makes_the_sandbox_fail(text: str) -> None:
    assert grade("code", problem(**TESTS), text).score in (0.0, 1.0)
