"""Graders: what decides whether an answer is right."""

from __future__ import annotations

from collections.abc import Mapping

from archon.suggest import named_kind
from evals.graders.answers import Choice, Contains, Exact, Math, Regex, Text
from evals.graders.base import Asks, Grade, Grader, Problem, Tools
from evals.graders.code import Code
from evals.graders.gym import ReasoningGym
from evals.graders.instructions import Instructions
from evals.graders.json_value import Json
from evals.graders.judge import Judge
from evals.graders.pairwise import Pairwise

__all__ = ["Asks", "Grade", "Grader", "Problem", "Tools", "graders", "parse_grader"]

_KINDS: Mapping[str, type[Grader]] = {
    cls.kind: cls
    for cls in (Math, Choice, Text, Exact, Contains, Regex, Json, Code, Instructions, Judge, Pairwise, ReasoningGym)
}


def graders() -> dict[str, type[Grader]]:
    """Every grader there is, by kind."""
    return dict(_KINDS)


def parse_grader(value: object) -> Grader:
    """Read a grader: a ``Grader``, a kind such as ``"math"``, or ``{"code": {"seconds": 10}}``.

    Raises:
        ValueError: The kind is unknown or its settings are wrong (pydantic's ``ValidationError`` is one).
    """
    if isinstance(value, Grader):
        return value
    kind, settings = named_kind(value, _KINDS, "a grader", "{code: {seconds: 10}}")
    return _KINDS[kind].model_validate(settings)
