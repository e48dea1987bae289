"""Graders: what decides whether an answer is right."""

from __future__ import annotations

from collections.abc import Mapping

from archon.suggest import unknown
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
    kind, settings = value, None
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, settings),) = value.items()
    if not isinstance(kind, str) or not isinstance(settings, Mapping | None):
        raise ValueError(
            f"a grader is a kind ({', '.join(_KINDS)}) or one kind with its settings, such as "
            f"{{code: {{seconds: 10}}}}, not {value!r}."
        )
    if kind not in _KINDS:
        raise ValueError(unknown("grader", kind, _KINDS))
    return _KINDS[kind].model_validate(dict(settings or {}))
