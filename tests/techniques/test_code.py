from __future__ import annotations

import ast
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.programs import blocks, parsed
from techniques.code import parse_code_tests, program_of, stub_of

STUB = 'from typing import List\n\n\ndef total(numbers: List[int]) -> int:\n    """Add them."""\n'
PIECES = st.lists(
    st.sampled_from(
        [
            "```",
            "````",
            "```python",
            "```py",
            "\n",
            "def total(x):\n    return x",
            "assert total(1) == 2",
            "def test_it():\n    assert total(1)",
            "import os",
            "    return 3",
            "if __name__ == '__main__':\n    assert 1",
            "words in between",
            "  ",
            "x = 0x" + "f" * 9000,
            "\x00",
            "\ud800",
            "(" * 300,
        ]
    )
).map("\n".join)
TEXTS = st.text() | st.text(alphabet="`\n ap") | PIECES


@settings(deadline=None)
@given(TEXTS)
def test_blocks_stand_in_order_and_hold_what_is_in_the_text(text: str) -> None:
    found = blocks(text)
    assert [block.end for block in found] == sorted({block.end for block in found})
    assert all(block.closed for block in found[:-1])
    lines = {line.strip() for line in text.split("\n")}
    for block in found:
        assert {line.strip() for line in block.code.split("\n")} <= {*lines, ""}
        if block.closed:
            assert text[: block.end].rstrip(" \t").endswith("```")
            assert text[block.end : block.end + 1] in ("\n", "")
        else:
            assert block.end == len(text)


@given(st.text(alphabet="ab` \n").filter(lambda code: "```" not in code), st.sampled_from(["python", "py", "", "text"]))
def test_what_is_fenced_is_found_as_it_stands(code: str, language: str) -> None:
    (block,) = blocks(f"Here it is:\n```{language}\n{code}\n```\nThat is all.")
    assert (block.code, block.language, block.closed) == (code, language, True)
    assert block.python == language.startswith("py")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        ("no fence", []),
        ("```python\na", ["a"]),
        ("```python", [""]),
        ("1. So:\n   ```Python\n   if a:\n       b\n   ```\n2. Done", ["if a:\n    b"]),
        ("````md\n```python\na\n```\n````\n```\nb\n```", ["```python\na\n```", "b"]),
        ("```python\na\n```\nthen\n```py title=x\nb\n```", ["a", "b"]),
        ("see ```this``` here", []),
    ],
)
def test_fences(text: str, codes: list[str]) -> None:
    assert [block.code for block in blocks(text)] == codes


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_program_is_python_or_nothing(answer: str, question: str) -> None:
    program = program_of(answer, question)
    assert program is None or all(parsed(part) is not None for part in program)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 4), TEXTS)
def test_tests_are_programs_that_assert_something(reply: str, most: int, question: str) -> None:
    tests = parse_code_tests(reply, most, question)
    assert len(tests) == len(set(tests)) <= most
    for test in tests:
        assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(test))) or ".debug()" in test


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("def f():\n    return 1", ("def f():\n    return 1",)),
        ("I do not know.", None),
        ("", None),
        ("```python\n```", None),
        ("```python\ndef f(:\n```", None),
        (
            "```python\nf = 1\n```\nor\n```python\ndef f(): ...\n```\nuse\n```python\nprint(f(1, 2, 3))\n```",
            ("def f(): ...",),
        ),
        ("```\nx = 1\n```\n```python\nx = 22\n```", ("x = 22",)),
        ("```sh\npip install x\n```\n```py\nx = 1\n```", ("x = 1",)),
        ("```python\ndef f():\n    return 1", ("def f():\n    return 1",)),
    ],
)
def test_the_program_of_an_answer(answer: str, program: tuple[str, ...] | None) -> None:
    assert program_of(answer, "Write a function.") == program


@pytest.mark.parametrize("question", [STUB, f"Complete it:\n\n{STUB}", f"Complete:\n```python\n{STUB}```\nThanks."])
@pytest.mark.parametrize(
    "answer",
    [
        "    return sum(numbers)",
        "return sum(numbers)",
        "```python\n    return sum(numbers)\n```",
        "```python\nreturn sum(numbers)\n```",
        f"```python\n{STUB}    return sum(numbers)\n```",
        "```python\ndef total(numbers: List[int]) -> int:\n    return sum(numbers)\n```\n```python\ntotal([1])\n```",
    ],
)
def test_a_stub_and_its_completion_are_one_program(question: str, answer: str) -> None:
    names: dict[str, object] = {}
    program = program_of(answer, question)
    assert program is not None
    for part in program:
        exec(part, names)
    assert names["total"]([1, 2, 3]) == 6  # type: ignore[operator]


def test_of_a_stub_only_definitions_are_run_below_an_answer() -> None:
    question = "Make it end:\n```python\ndef f():\n    pass\nwhile True:\n    f()\n```"
    assert stub_of(question) is not None
    assert program_of("```python\ndef f():\n    exit()\n```", question) == (
        "def f():\n    pass",
        "def f():\n    exit()",
    )


def test_prose_is_no_stub() -> None:
    for question in ("What is 2 + 2?", "import what you like", "from the list take three", "```python\nx = 1\n```", ""):
        assert stub_of(question) is None


QUESTION = "Write a function add(a, b) that adds."


@pytest.mark.parametrize(
    ("reply", "tests"),
    [
        ("", []),
        ("I would test it.", []),
        (
            "```python\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n```",
            ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        ),
        ("assert add(1, 2) == 3", ["assert add(1, 2) == 3"]),
        ("[1] `assert add(1, 2) == 3`\n[2] assert add(", ["assert add(1, 2) == 3"]),
        ("- assert add(1, 2) == 3\n- I assert that", ["assert add(1, 2) == 3"]),
        ("```python\nassert add(1, 2) == 3\nassert add(1,", ["assert add(1, 2) == 3"]),
        ("```python\nassert 1\n```\n```python\nassert 1\nassert 2\n```", ["assert 1", "assert 2"]),
        ("```python\nimport math\nassert add(math.pi, 0)\n```", ["import math\nassert add(math.pi, 0)"]),
        ("```python\nfrom x import add, b\nassert add(b, 0)\n```", ["from x import b\nassert add(b, 0)"]),
        ("```python\nfrom solution import add\nassert add(1, 0)\n```", ["assert add(1, 0)"]),
        ("```python\ndef add(a, b):\n    return a + b\nassert add(1, 0)\n```", ["assert add(1, 0)"]),
        (
            "```python\nx = 1\ndef test_x():\n    assert add(x, 0)\ntest_x()\n```",
            ["x = 1\n\ndef test_x():\n    assert add(x, 0)"],
        ),
        (
            "```python\ndef check(f):\n    assert f(1, 0)\ncheck(add)\n```",
            ["def check(f):\n    assert f(1, 0)\ncheck(add)"],
        ),
        ("```python\ndef test_with(fixture):\n    assert fixture\n```", []),
        (
            "```python\nfor n in range(3):\n    assert add(n, 0) == n\n```",
            ["for n in range(3):\n    assert add(n, 0) == n"],
        ),
        ("```python\nif __name__ == '__main__':\n    assert add(1, 0)\n```", ["assert add(1, 0)"]),
        (
            "```python\nimport unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
            "        self.assertTrue(add)\n```",
            [
                "import unittest\n\nclass T(unittest.TestCase):\n\n    def test(self):\n        self.assertTrue(add)\n"
                "T('test').debug()"
            ],
        ),
        ("```python\nclass Test:\n    pass\n```", []),
    ],
)
def test_code_tests(reply: str, tests: list[str]) -> None:
    assert parse_code_tests(reply, 9, QUESTION) == tests


def test_warnings_of_what_models_write_are_not_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parsed("x = '\\d'\nassert (1, 'always')\n1 is 1") is not None


def test_finding_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in ("`" * 100_000, "```\n" * 20_000, "assert " * 20_000, "\n" * 100_000, " " * 100_000, "def\n" * 20_000):
        blocks(text)
        parse_code_tests(text, 3, text)
        program_of(text, text)
    assert time.perf_counter() - started < 4
