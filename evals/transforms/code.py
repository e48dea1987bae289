"""Programs and their tests.

The columns that graders read keep their published names. Tests of whole programs, which read and write text, are put in
one more column, ``tests``: a list of ``{input, output, testtype}`` as LiveCodeBench writes them, where ``testtype`` is
``stdin`` or, for a function called ``func_name``, ``functional`` with one JSON value per argument, one a line.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import zlib
from collections.abc import Mapping
from random import Random
from typing import Any, NoReturn

IMAGE = re.compile(r"<image>|\[image\]", re.IGNORECASE)


def mbpp(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """MBPP and MBPP+: adds ``question``, ``shown`` (the published tests, one a line) and ``entry_point``.

    The task stands in ``text`` in the full dataset and in ``prompt`` in the sanitised one and in MBPP+.
    """
    shown = [str(test) for test in row["test_list"]]
    question = str(row["prompt"] if "prompt" in row else row["text"]).strip()
    return {**row, "question": question, "shown": "\n".join(shown), "entry_point": _called(shown, str(row["code"]))}


def _called(tests: list[str], solution: str) -> str | None:
    """The function of the published solution that the tests call."""
    called = re.findall(r"([A-Za-z_]\w*)\s*\(", "\n".join(tests))
    defined = set(re.findall(r"^def\s+(\w+)", solution, re.MULTILINE))
    return next((name for name in called if name in defined), None)


def code_contests(row: dict[str, Any], rng: Random) -> dict[str, Any] | None:
    """CodeContests: joins public, private and generated tests, and passes over statements that need their images.

    ``time_limit`` becomes seconds.
    """
    if IMAGE.search(row["description"]):
        return None
    tests = [
        {"input": given, "output": wanted, "testtype": "stdin"}
        for kind in ("public_tests", "private_tests", "generated_tests")
        for given, wanted in _pairs(row[kind])
    ]
    return {**row, "tests": tests, "time_limit": _seconds(row.get("time_limit"))}


def _pairs(tests: Any) -> list[tuple[str, str]]:
    if not tests:
        return []
    if isinstance(tests, Mapping):
        return list(zip(tests["input"], tests["output"], strict=True))
    return [(test["input"], test["output"]) for test in tests]


def _seconds(limit: Any) -> float | None:
    if isinstance(limit, Mapping):
        return float(limit.get("seconds") or 0) + float(limit.get("nanos") or 0) / 1e9
    return None if limit is None else float(limit)


def livecodebench(row: dict[str, Any], rng: Random) -> dict[str, Any]:
    """LiveCodeBench: decodes the tests and says how a solution has to look.

    Adds ``tests``, ``func_name`` (``None`` for programs that read standard input), ``form`` (for the prompt).
    """
    metadata = row["metadata"]
    metadata = json.loads(metadata) if isinstance(metadata, str) and metadata else metadata or {}
    tests = [*_decoded(row["public_test_cases"]), *_decoded(row["private_test_cases"])]
    starter = str(row.get("starter_code") or "").strip()
    if starter:
        form = f"Complete this code; it is called as it stands:\n\n```python\n{starter}\n```"
    else:
        form = "Read the input from standard input and print the answer to standard output."
    return {**row, "tests": tests, "func_name": metadata.get("func_name"), "form": form, "starter_code": starter}


def _decoded(cases: Any) -> list[dict[str, Any]]:
    """Test cases: a list, JSON, or the compressed pickle of JSON text in which the private ones are published."""
    if not isinstance(cases, str):
        return list(cases)
    try:
        return list(json.loads(cases))
    except ValueError:
        packed = zlib.decompress(base64.b64decode(cases))
    return list(json.loads(_TextOnly(io.BytesIO(packed)).load()))


class _TextOnly(pickle.Unpickler):
    """Reads a pickle of plain values; one that names anything to be called is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"a published test may hold nothing but text, not {module}.{name}")
