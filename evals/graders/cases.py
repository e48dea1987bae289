"""Tests of whole programs: what they read, what they should write, and when two outputs are the same."""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archon.errors import ConfigError
from evals.graders.base import Problem

JSON_FIELDS = ("public_test_cases", "private_test_cases")
TABLE_FIELDS = ("public_tests", "private_tests", "generated_tests")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a program.

    Attributes:
        given: What it reads from standard input; or, for a function, its arguments as JSON, one a line.
        wanted: What it should write; or, for a function, its value as JSON.
        function: Whether a function is called instead of a program run.
    """

    given: str
    wanted: str
    function: bool = False


def has_cases(problem: Problem) -> bool:
    """Whether the problem's tests are inputs and outputs."""
    return any(problem.fields.get(name) is not None for name in (*JSON_FIELDS, *TABLE_FIELDS))


def cases_of(problem: Problem) -> list[Case]:
    """The tests of a problem, public ones first.

    They are read from the fields of LiveCodeBench (``public_test_cases``, ``private_test_cases``: lists of ``input``,
    ``output`` and ``testtype``, as JSON or packed) and of CodeContests (``public_tests``, ``private_tests``,
    ``generated_tests``: a list of inputs and one of outputs).

    Raises:
        ConfigError: A field holds something else.
    """
    cases: list[Case] = []
    for name in (*JSON_FIELDS, *TABLE_FIELDS):
        value = problem.fields.get(name)
        try:
            cases += _rows(value) if value is not None else ()
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise ConfigError(f"Problem {problem.id}: the field '{name}' holds no tests: {error!r}.") from None
    return cases


def same_output(got: str, wanted: str, tolerance: float) -> bool:
    """Whether two outputs have the same words, separated by whatever blanks.

    Where a decimal number is wanted, another number is as good within the tolerance, absolute or relative.
    """
    words, others = got.split(), wanted.split()
    return len(words) == len(others) and all(
        word == other or _close(word, other, tolerance) for word, other in zip(words, others, strict=True)
    )


def _close(got: str, wanted: str, tolerance: float) -> bool:
    if not re.search(r"[.eE]", wanted) or not (_NUMBER.fullmatch(got) and _NUMBER.fullmatch(wanted)):
        return False
    x, y = float(got), float(wanted)
    return abs(x - y) <= tolerance * max(1.0, abs(y))


def _rows(value: Any) -> Iterator[Case]:
    if isinstance(value, str):
        value = json.loads(value if value.lstrip()[:1] in ("[", "{") else _unpacked(value))
    if isinstance(value, Mapping):
        pairs = zip(value["input"], value["output"], strict=True)
        yield from (Case(str(given), str(wanted)) for given, wanted in pairs)
        return
    for row in value:
        yield Case(str(row["input"]), str(row["output"]), row.get("testtype") == "functional")


def _unpacked(text: str) -> str:
    """The JSON in LiveCodeBench's packed column: base64 of zlib of a pickled string.

    The string is read off the pickle's opcodes; nothing is unpickled, because that could run anything.
    """
    try:
        data = zlib.decompress(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError(f"it is neither JSON nor packed ({error})") from None
    found = next((argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)), None)
    if found is None:
        raise ValueError("what is packed in it is no text")
    return found
