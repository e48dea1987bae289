"""What graders read from problems, with one sentence for whatever is missing."""

from __future__ import annotations

from typing import Any

from archon.errors import ConfigError
from evals.graders.base import Asks, Problem, Tools

SHOWN = 80


def reference_of(problem: Problem, kind: str) -> str:
    """The reference of a problem.

    Raises:
        ConfigError: It has none.
    """
    if problem.reference is None:
        raise ConfigError(f"Problem {problem.id}: the grader '{kind}' needs a reference, and the problem has none.")
    return problem.reference


def field_of(problem: Problem, kind: str, name: str) -> Any:
    """A field of a problem that the grader cannot do without.

    Raises:
        ConfigError: It is not there.
    """
    value = problem.fields.get(name)
    if value is None:
        raise ConfigError(f"Problem {problem.id}: the grader '{kind}' needs the field '{name}'.")
    return value


def known_answer(problem: Problem) -> str | None:
    """What a judge is shown as right: the reference, or that of this turn if the field ``reference`` has several."""
    by_turn = problem.fields.get("reference")
    if problem.reference is not None or not isinstance(by_turn, list):
        return problem.reference
    turn = sum(message.role == "user" for message in problem.messages) - 1
    return str(by_turn[turn]) if turn < len(by_turn) and by_turn[turn] is not None else None


def judge_of(tools: Tools, kind: str) -> Asks:
    """What asks the judge model.

    Raises:
        ConfigError: The benchmark names none.
    """
    if tools.judge is None:
        raise ConfigError(f"The grader '{kind}' asks a model: name one as the judge of the benchmark.")
    return tools.judge


def shown(text: str) -> str:
    """The beginning of a text, quoted, for a reason."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
