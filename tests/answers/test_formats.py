from __future__ import annotations

import json
import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.answers import (
    AnswerFormat,
    ChoiceAnswer,
    JsonAnswer,
    MathAnswer,
    RegexAnswer,
    TextAnswer,
    answer_format_to_data,
    equivalence_classes,
    parse_answer_format,
)

MATH = MathAnswer()
CHOICE = ChoiceAnswer()
JSON = JsonAnswer()
TEXT = TextAnswer()
REGEX = RegexAnswer(pattern=r"<answer>(.*?)</answer>")
FORMATS: list[AnswerFormat] = [MATH, CHOICE, JSON, TEXT, REGEX]

FRAGMENTS = (
    r"\boxed{ \frac{ { } ( ) [ ] $ \( \) #### answer is : = , . ; - ! ^ _ \\ % & 1 22 3,000 0.5 1/2 x pi \pi "
    r"\text{ A B (C) a option ``` ```json null true { \} \sqrt \left \{ or and √ ² ½ 𝟙 ß İ ſ"
)
PIECES = st.sampled_from(FRAGMENTS.split())
MESSY = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(PIECES, st.just(" "), st.just("\n"), st.text(max_size=3)), max_size=25).map("".join),
)


# --- choice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (B).", "B"),
        ("Answer: B", "B"),
        ("**Answer:** C", "C"),
        (r"\boxed{B}", "B"),
        (r"\boxed{\text{(D)}}", "D"),
        (r"\boxed{B. 42}", "B"),
        ("The answer is $\\textbf{(E)}$", "E"),
        ("answer is b", "B"),
        ("the answer is (b)", "B"),
        ("B", "B"),
        ("b)", "B"),
        ("  **C**  ", "C"),
        ("It must be heavier, so C.", "C"),
        ("B. Paris", "B"),
        ("(B) Paris", "B"),
        ("The answer is A. Wait, no. The answer is D.", "D"),
        (r"\boxed{A} was wrong, the answer is (C)", "C"),
        ("The correct option is D because it floats", "D"),
        ("Option B is correct, since A is false.", "B"),
        ("I choose C", "C"),
        ("The answer to this question is: (A) 12 apples", "A"),
        ("The answer is A because it is first.", "A"),
        ("The answer is A.", "A"),
        ("The answer is 'B'.", "B"),
        ("The best answer is “C”: it floats", "C"),
        ("<answer>B</answer>", "B"),
        ("Both A and B", None),
        ("The answer is a prime number, namely (C).", "C"),
        ("The answer is a prime number.", None),
        ("Answer: A train is faster", None),
        ("A train leaves at noon.", None),
        ("Answer: e.g. apples", None),
        ("The answer is A or B", None),
        ("The answer is not clear", None),
        ("Options: A) one B) two C) three", None),
        ("A) one\nB) two\nC) three", None),
        ("Because of that", None),
        ("Answer: F", None),
        ("", None),
    ],
)
def test_choice_extracts(text: str, answer: str | None) -> None:
    assert CHOICE.extract(text) == answer


def test_choice_options() -> None:
    assert ChoiceAnswer(options="abcdefghij").extract("Answer: J") == "J"
    assert ChoiceAnswer(options="AB").extract("Answer: C") is None
    assert ChoiceAnswer(options="1234").extract("The answer is (3)") == "3"
    assert CHOICE.equal("(b)", "B")
    assert not CHOICE.equal("A", "B")
    for wrong in ("", "A", "AA", "aA", "A B", "A,B"):
        with pytest.raises(ValidationError, match="two or more distinct"):
            ChoiceAnswer(options=wrong)


# --- json ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('First {"a": 1}, then {"b": [2, 3]}.', '{"b": [2, 3]}'),
        ('```json\n{"a": {"b": 1}}\n```\nDone.', '{"a": {"b": 1}}'),
        ("```\n42\n```", "42"),
        ("The value is\ntrue", "true"),
        ("null", "null"),
        ('"text"', '"text"'),
        ("broken {a: 1} but [1, 2]", "[1, 2]"),
        ('[1, {"a": 2}, [3]]', '[1, {"a": 2}, [3]]'),
        ("the answer is 5", None),
        ("{", None),
        ("NaN", None),
        ("[" * 3000, None),
        ("", None),
    ],
)
def test_json_extracts(text: str, answer: str | None) -> None:
    assert JSON.extract(text) == answer


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1", "1.0", True),
        ('{"a": 1, "b": [2]}', '{"b":[2.0],"a":1}', True),
        ("true", "1", False),
        ("[true]", "[1]", False),
        ("0", "false", False),
        ("null", "0", False),
        ('"1"', "1", False),
        ("[1, 2]", "[2, 1]", False),
        ('{"a": 1}', '{"a": 1, "b": null}', False),
        ('"é"', '"\\u00e9"', True),
        ("not json", "not json", True),
        ("not json", "1", False),
    ],
)
def test_json_compares_by_value(a: str, b: str, same: bool) -> None:
    assert JSON.equal(a, b) is same
    assert JSON.equal(b, a) is same


# --- text and regex -----------------------------------------------------------------------------------------


def test_text() -> None:
    assert TEXT.extract("  hello \n") == "hello"
    assert TEXT.extract(" \n ") is None
    assert TEXT.equal("“The  Eiffel\nTower.”", "the eiffel tower")
    assert TEXT.equal("ﬁne", "FINE!")
    assert TEXT.equal("Straße", "STRASSE")
    assert not TEXT.equal("-5", "5")
    assert not TEXT.equal("50%", "50")
    assert not TEXT.equal("...", "!?")


def test_regex() -> None:
    assert REGEX.extract("<answer> 1 </answer><answer>2</answer>") == "2"
    assert REGEX.extract("<answer> </answer>") is None
    assert REGEX.extract("none") is None
    assert RegexAnswer(pattern=r"\d+").extract("1 22 333 x") == "333"
    assert RegexAnswer(pattern=r"x(\d)|none").extract("none") == "none"
    assert REGEX.equal("a ", "a")
    assert not REGEX.equal("a", "A")
    with pytest.raises(ValidationError, match="is not a valid regular expression"):
        RegexAnswer(pattern="(")


# --- configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "fmt"),
    [
        ("math", MATH),
        ("choice", CHOICE),
        ("json", JSON),
        ("text", TEXT),
        ({"choice": {"options": "ABCD"}}, ChoiceAnswer(options="ABCD")),
        ({"regex": {"pattern": "x"}}, RegexAnswer(pattern="x")),
    ],
)
def test_formats_round_trip(data: object, fmt: AnswerFormat) -> None:
    assert parse_answer_format(data) == fmt
    assert parse_answer_format(fmt) is fmt
    assert answer_format_to_data(fmt) == data
    assert parse_answer_format(json.loads(json.dumps(answer_format_to_data(fmt)))) == fmt


def test_empty_settings_are_the_defaults() -> None:
    assert parse_answer_format({"math": None}) == parse_answer_format({"math": {}}) == MATH


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("maths", "did you mean 'math'.*Known: choice, json, math, regex, text"),
        ({"choices": {}}, "did you mean 'choice'"),
        ({"choice": {"option": "AB"}}, "option"),
        ("regex", "pattern"),
        ({"math": 3}, "an answer format is"),
        ({"math": {}, "text": {}}, "an answer format is"),
        (None, "an answer format is"),
        ([], "an answer format is"),
        ({1: {}}, "an answer format is"),
    ],
)
def test_bad_formats_are_value_errors(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_answer_format(value)


def test_formats_are_frozen_and_hashable() -> None:
    assert len({MathAnswer(), MathAnswer(), ChoiceAnswer(options="AB")}) == 2
    with pytest.raises(ValidationError):
        CHOICE.options = "AB"  # type: ignore[misc]


# --- laws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.kind)
def test_extraction_is_total_and_equality_reflexive_and_symmetric(fmt: AnswerFormat) -> None:
    if fmt == MATH:
        pytest.importorskip("math_verify")

    @settings(max_examples=100, deadline=None)
    @given(MESSY, MESSY)
    def law(first: str, second: str) -> None:
        found = [answer for text in (first, second) if (answer := fmt.extract(text)) is not None]
        assert all(found)
        assert all(fmt.equal(answer, answer) for answer in found)
        for a, b in [found[:2], [first, second]] if len(found) == 2 else [[first, second]]:
            assert fmt.equal(a, b) == fmt.equal(b, a)

    law()


class Near(AnswerFormat):
    """Numbers that differ by at most one: symmetric, but not transitive."""

    kind = "near"

    def extract(self, text: str) -> str | None:
        return text or None

    def equal(self, a: str, b: str) -> bool:
        return abs(int(a) - int(b)) <= 1


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 12).map(str)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_equivalence_classes_are_a_permutation_invariant_partition(
    answers: list[str | None], rng: random.Random
) -> None:
    classes = equivalence_classes(answers, Near())
    assert sorted(i for members in classes for i in members) == [i for i, a in enumerate(answers) if a is not None]
    assert classes == sorted(sorted(members) for members in classes)
    for members in classes:
        values = sorted(int(answers[i] or 0) for i in members)
        assert all(b - a <= 1 for a, b in pairwise(values))
    order = list(range(len(answers)))
    rng.shuffle(order)
    shuffled = equivalence_classes([answers[i] for i in order], Near())
    assert {frozenset(order[i] for i in members) for members in shuffled} == {frozenset(c) for c in classes}


def test_equivalence_classes_compare_distinct_strings_only() -> None:
    calls = []

    class Counting(Near):
        def equal(self, a: str, b: str) -> bool:
            calls.append((a, b))
            return super().equal(a, b)

    assert equivalence_classes(["1", "5"] * 500, Counting()) == [
        list(range(0, 1000, 2)),
        list(range(1, 1000, 2)),
    ]
    assert calls == [("1", "5")]


def test_equivalence_classes_of_mathematical_answers() -> None:
    answers = ["0.5", "2", None, r"\frac{1}{2}", "2.0", "1/2", "3"]
    assert equivalence_classes(answers, MATH) == [[0, 3, 5], [1, 4], [6]]
    assert equivalence_classes([], MATH) == []


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.kind)
@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "answer is ",
        "{",
        "[1,",
        "1,111,",
        "(",
        "\n",
        "A) ",
        "$",
        "\\frac{",
        "1 ",
        "#### 1\n",
        "```\n",
        "- ",
        "aa ",
    ],
)
def test_long_texts_are_read_quickly(fmt: AnswerFormat, piece: str) -> None:
    start = time.perf_counter()
    fmt.extract(piece * (60_000 // len(piece)))
    assert time.perf_counter() - start < 2
