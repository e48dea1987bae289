"""Mathematical answers: what is found in a text, and when two of them are the same."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.answers import (
    AnswerFormat,
    ChoiceAnswer,
    JsonAnswer,
    MathAnswer,
    RegexAnswer,
    TextAnswer,
)
from archon.errors import ConfigError

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


# --- math: extraction ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So we get \boxed{42}.", "42"),
        (r"\boxed{1} is wrong, so \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\sqrt{\frac{a}{b}}}", r"\sqrt{\frac{a}{b}}"),
        (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\fbox{7}", "7"),
        (r"\boxed 9", "9"),
        (r"\boxed{} and then 4", "4"),
        (r"The box \boxed{12 was never closed", "12"),
        (r"\boxed{3} before the answer is 4", "3"),
        ("She has 5 - 2 = 3 left.\n#### 3", "3"),
        ("#### 1,234", "1,234"),
        ("#### $18", "18"),
        ("#### -7\nThe answer is 8.", "-7"),
        ("#### 12 apples", "12"),
        ("#### Step 1: Set up\n2+2 = 4\n#### 2. Conclude\nThe answer is 4.", "4"),
        ("The answer is 3 apples.", "3"),
        ("The answer is 42. I hope it is correct.", "42"),
        ("The answer is $45.", "45"),
        ("The answer is $\\frac{3}{4}$.", r"\frac{3}{4}"),
        (r"The final answer is \(x^2 + 1\).", "x^2 + 1"),
        ("Final answer:\n\\[\n\\sqrt{2}\n\\]", r"\sqrt{2}"),
        ("**Answer:** 17", "17"),
        ("**Final Answer**: **1,234.50**", "1,234.50"),
        ("answer = -3.5", "-3.5"),
        ("The answer is 4. No wait, the answer is 5.", "5"),
        ("The answer to question 2 is 9 because 3 * 3 = 9 and 9 > 8.", "9"),
        ("The answer is that she pays $12 in total.", "12"),
        ("The answer is approximately 3.14.", "3.14"),
        ("The answer is therefore $x = 5$.", "x = 5"),
        ("The answer is 2 + 3 = 5.", "5"),
        ("The answer is (3, -4).", "(3, -4)"),
        ("The answer is [2, 5).", "[2, 5)"),
        ("The answer is 3x + 2.", "3x + 2"),
        ("The answer is 3 or 4.", "3 or 4"),
        ("The answer is 42!", "42"),
        ("The answer is 50%.", "50%"),
        ("The answer is 12 - 5 = 7 apples.", "7"),
        ("The answer is 3 1/2 cups", "3 1/2"),
        ("The answer is x = 5 or x = -5", "x = 5 or x = -5"),
        (r"<answer>\frac{1}{2}</answer>", r"\frac{1}{2}"),
        ("Answer: $18 per day and $5 in tips", "18"),
        ("He pays $45 and she pays $5, so the answer is $45 and no more.", "45"),
        ("The answer is not obvious. We get 6 * 7 = 42", "42"),
        ("Answer: Evelyn", "Evelyn"),
        ("So there are 3 apples.", "3"),
        ("a total of $1,234.50", "1,234.50"),
        ("it falls to -12", "-12"),
        ("it falls to −12", "-12"),
        ("10-3", "3"),
        ("which is 3/4 of it", "3/4"),
        (r"giving \frac{3}{4}", r"\frac{3}{4}"),
        (r"giving 1\frac{3}{4}", r"1\frac{3}{4}"),
        (r"10{,}000 in all", "10,000"),
        ("it grew by 12%, he said", "12%"),
        (r"about 1.5 \times 10^3 m", r"1.5 \times 10^3"),
        ("H2O has no price", None),
        ("nothing here", None),
        ("The answer is: ?", None),
        ("12\n#### ---", "12"),
        ("", None),
    ],
)
def test_math_extracts(text: str, answer: str | None) -> None:
    assert MATH.extract(text) == answer


# --- math: equality -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1,000", "1000"),
        ("1 000", "1000"),
        (r"10{,}000", "10000"),
        (r"10,\!000", "10000"),
        ("0.5", "1/2"),
        ("1/2", r"\frac{1}{2}"),
        (".5", r"\dfrac12"),
        (r"\frac1{2}", r"\tfrac{2}{4}"),
        ("-1/2", r"-\frac{1}{2}"),
        (r"\frac{-1}{2}", "-0.5"),
        ("1 1/2", r"1\frac{1}{2}"),
        ("$45", "45"),
        (r"\$45.00", "45"),
        ("-$5", "-5"),
        ("€1,200", "1200"),
        ("50%", "50"),
        (r"50\%", "50 percent"),
        ("3.0", "3"),
        ("007", "7"),
        ("+3", "3"),
        ("−3", "-3"),
        ("42.", "42"),
        ("$42$", r"\(42\)"),
        ("3 apples", "3"),
        (r"12\text{ cm}", "12"),
        (r"12\,\mathrm{cm}^2", "12 cm²"),
        ("60 miles per hour", "60 mph"),
        (r"90^\circ", "90"),
        ("90°", r"90^{\circ}"),
        ("2 million", "2,000,000"),
        ("1.5e3", r"1.5 \times 10^{3}"),
        ("x = 5", "5"),
        ("½", "0.5"),
        ("(1, 2)", r"\left(1,\,2\right)"),
        ("(1/2, 3)", "(0.5, 3.0)"),
        ("{1, 2}", r"\{2, 1\}"),
        ("1, 2", "2 and 1"),
        ("x = 1 or x = 2", "1, 2"),
        (r"x \in [1, 2.0]", "[1, 2]"),
        ("Evelyn", r"\text{evelyn}"),
        (r"\boxed{5}", "5"),
        ("0", "-0"),
    ],
)
def test_math_equal_without_math_verify(monkeypatch: pytest.MonkeyPatch, a: str, b: str) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    assert MATH.equal(a, b)
    assert MATH.equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1", "2"),
        ("50%", "0.5"),
        ("0.333", "1/3"),
        ("3", "-3"),
        ("x = 5", "6"),
        ("(1, 2)", "(2, 1)"),
        ("(3, 1)", "(5, 2)"),
        ("(1, 2)", "[1, 2]"),
        ("(1, 2)", "(1, 2, 3)"),
        ("{1, 2}", "{1, 3}"),
        ("x = 1, y = 2", "x = 2, y = 1"),
        ("listen", "silent"),
        ("10 million", "10"),
        ("3", "three"),
        ("5 pm", "5 am"),
    ],
)
def test_math_unequal_without_math_verify(monkeypatch: pytest.MonkeyPatch, a: str, b: str) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    assert not MATH.equal(a, b)
    assert not MATH.equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x^2 + 2x + 1", "(x+1)^2"),
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
        ("2√3", r"\sqrt{12}"),
        ("sqrt(12)", r"2\sqrt{3}"),
        ("pi/2", r"\frac{\pi}{2}"),
        ("2π", r"2\pi"),
        (r"3 \cdot 4", "12"),
        ("2^{10}", "1024"),
        ("3!", "6"),
        (r"\binom{5}{2}", "10"),
        ("2 < x < 5", "(2, 5)"),
        (r"(1, 2), (3, \sqrt{4})", "(3, 2), (1, 2)"),
        ("0.5x", r"\frac{x}{2}"),
        ("y = 2x + 3", "2x + 3"),
        (r"(-\infty, 3] \cup [5, \infty)", r"(-∞,3]∪[5,∞)"),
        (r"\pm 3", "3, -3"),
        (r"x \le 3", "x ≤ 3"),
        ("3 + 4i", "4i + 3"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
        (r"(\sqrt{4}, \pi)", r"(2, \pi)"),
        (r"\log 8 - \log 4", r"\log 2"),
        ("x^{2023}", "x^{2022} x"),
        ("log(2)", r"\log(2)"),
    ],
)
def test_math_equal_symbolically(a: str, b: str) -> None:
    pytest.importorskip("math_verify")
    assert MATH.equal(a, b)
    assert MATH.equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x + 1", "x + 2"),
        (r"\sqrt{2}", "1.4"),
        (r"\pi", "22/7"),
        ("x < 3", "x > 3"),
        (r"\frac{x}{y}", r"\frac{y}{x}"),
        ("(1, 2)", "3"),
        ("}{", "x"),
        ("1/0", "1"),
        (r"\infty", r"-\infty"),
    ],
)
def test_math_unequal_symbolically(a: str, b: str) -> None:
    pytest.importorskip("math_verify")
    assert not MATH.equal(a, b)
    assert not MATH.equal(b, a)


MONSTERS = [
    "9^9^9^9",
    "9^{9^{9^9}}",
    "9**9**9**9",
    "(((10^{99})^{99})^{99})^{99}",
    "99999999!",
    "(9!)!",
    r"\sum_{i=1}^{10^9} i",
    r"\binom{10^9}{10^8}",
    "2^{999999999}",
    "(x+y)^{5000}",
    "9^{(9)^{9}}9^{9}",
    "(" * 150 + "x" + ")" * 150,
    "{" * 5000 + "1,2" + "}" * 5000,
    "(1," * 90 + "1" + ")" * 90,
]


@pytest.mark.parametrize("monster", MONSTERS)
def test_monsters_are_compared_as_text(monster: str) -> None:
    pytest.importorskip("math_verify")
    start = time.perf_counter()
    assert MATH.equal(monster, monster + " ")
    assert not MATH.equal(monster, "x + 7")
    assert time.perf_counter() - start < 3


def in_thread(work: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(30)
    return results[0]


def test_math_works_off_the_main_thread() -> None:
    pytest.importorskip("math_verify")
    assert in_thread(lambda: MATH.equal("(z+1)^2", "z^2 + 2z + 1")) is True
    assert in_thread(lambda: MATH.equal("z + 9^9^9^9", "z + 1")) is False


def test_math_without_math_verify_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(ConfigError, match=r"pip install 'archon-inference\[evals\]'"):
        MATH.equal("a + 17", "17 + a")


@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from(["{}", "${}$", r"\boxed{{{}}}", "The answer is {}.", "#### {}"]),
)
def test_numerals_survive_separators_and_wrapping(number: int, wrapping: str) -> None:
    answer = MATH.extract(wrapping.format(f"{number:,}"))
    assert answer is not None
    assert MATH.equal(answer, str(number))
    assert not MATH.equal(answer, str(number + 1))


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(1, 9))
def test_fractions_equal_their_multiples(top: int, bottom: int, factor: int) -> None:
    assert MATH.equal(f"{top}/{bottom}", rf"\frac{{{top * factor}}}{{{bottom * factor}}}")
