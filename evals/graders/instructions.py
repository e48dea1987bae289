"""A grader of verifiable instructions, such as those of IFEval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from archon.errors import ConfigError
from archon.suggest import unknown
from evals.graders.base import Grade, Grader, Problem, Tools
from evals.graders.fields import field_of
from evals.graders.verifiable import INSTRUCTIONS, follows, follows_loosely


class Instructions(Grader):
    """The text follows every instruction of the problem, taken strictly.

    The problem's fields are those of IFEval: ``instruction_id_list`` and ``kwargs``, one set of arguments for each
    instruction. The detail has what the four accuracies of the paper need: ``prompt_strict`` and ``prompt_loose`` of
    the problem, and strict and loose for each of its ``instructions``.

    Source: Zhou et al. 2023 (arXiv:2311.07911).
    """

    kind: ClassVar[str] = "instructions"

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where every instruction is followed strictly, else 0; the reason names those that are not.

        Raises:
            ConfigError: A field, an instruction or an argument is missing, or langdetect is needed and is.
        """
        asked = _asked(problem)
        told = [
            {"id": name, "strict": follows(name, text, given), "loose": follows_loosely(name, text, given)}
            for name, given in asked
        ]
        strict, loose = (all(one[how] for one in told) for how in ("strict", "loose"))
        missed = ", ".join(str(one["id"]) for one in told if not one["strict"])
        detail = {"prompt_strict": strict, "prompt_loose": loose, "instructions": told}
        return Grade(float(strict), f"Not followed: {missed}." if missed else "", detail)


def _asked(problem: Problem) -> list[tuple[str, Mapping[str, Any]]]:
    """The instructions of a problem with their arguments.

    Raises:
        ConfigError: They cannot be read.
    """
    names = field_of(problem, "instructions", "instruction_id_list")
    arguments = field_of(problem, "instructions", "kwargs")
    if len(names) != len(arguments) or not names:
        raise ConfigError(
            f"Problem {problem.id}: 'instruction_id_list' has {len(names)} instructions, 'kwargs' {len(arguments)}; "
            "there must be one set of arguments for each, and at least one."
        )
    asked: list[tuple[str, Mapping[str, Any]]] = []
    for name, given in zip(names, arguments, strict=True):
        if name not in INSTRUCTIONS:
            raise ConfigError(f"Problem {problem.id}: {unknown('instruction', str(name), INSTRUCTIONS)}")
        missing = [argument for argument in INSTRUCTIONS[name][1] if (given or {}).get(argument) is None]
        if missing:
            raise ConfigError(f"Problem {problem.id}: the instruction '{name}' needs {', '.join(missing)} in 'kwargs'.")
        # Tables fill the arguments of other instructions with nothing.
        asked.append((name, {argument: given[argument] for argument in INSTRUCTIONS[name][1]}))
    return asked
