"""A grader of generated problems: the family that made a problem says what answers it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, ClassVar

from archon.answers import RegexAnswer
from archon.errors import ConfigError, SandboxError
from evals.graders.base import Grade, Grader, Problem, Tools
from evals.graders.fields import field_of, shown
from evals.sources.generated import gym_families

# What reasoning-gym has instead of an answer where a family makes none.
NO_ANSWER = "None"
# A scorer may evaluate the answer as Python, so it runs where programs do. Only the family's own module is loaded: all
# of reasoning-gym takes longer than a program may. A scorer that does not know the answer it was made with has lost
# something on the way here, and is not asked further.
PROGRAM = """
import importlib, json, sys, types

asked = json.load(sys.stdin)
for name, folder in asked["packages"]:
    stub = sys.modules[name] = types.ModuleType(name)
    stub.__path__ = [folder]
module = importlib.import_module(asked["module"])
scorer = getattr(module, asked["dataset"])(getattr(module, asked["config"])(seed=0, size=1))

def score(answer):
    try:
        return float(scorer.score_answer(answer, dict(asked["entry"])))
    except Exception:
        return 0.0

reference = asked["entry"]["answer"]
known = reference is None or score(reference) >= 1
print("known" if known else "unknown", flush=True)
if known:
    print(f"\\n{score(asked['answer'])}")
"""


class ReasoningGym(Grader):
    """The family of reasoning-gym that made the problem counts the answer as a full solution.

    Where several answers are right, as in ``countdown``, so is each of them. What the family gives partial credit for,
    such as the right form, is wrong. The answer that the problem was made with is always right.

    Attributes:
        pattern: What finds the answer: its first group if it has one, else all of it.
    """

    kind: ClassVar[str] = "reasoning_gym"
    pattern: str = r"(?s)<answer>\s*(.*?)\s*</answer>"

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where the answer solves the problem, else 0; a text without an answer is wrong.

        Raises:
            ConfigError: The problem is none of reasoning-gym's, or reasoning-gym is not installed.
            SandboxError: The family's scorer cannot run.
        """
        family = str(field_of(problem, self.kind, "family"))
        answer = RegexAnswer(pattern=self.pattern).extract(text)
        if answer is None:
            return Grade(0.0, "There is no answer in the text.", {"answer": None})
        reference = None if problem.reference == NO_ANSWER else problem.reference
        if reference is not None and answer == reference.strip():
            return Grade(1.0, "", {"answer": answer})
        where = _scorer(family)
        if where is not None and await self._solves(problem, where, answer, reference, tools):
            return Grade(1.0, "", {"answer": answer})
        wrong = f"{shown(answer)} does not solve the problem" if reference is None else f"not {shown(reference)}"
        return Grade(0.0, f"The answer is {shown(answer)}: {wrong}.", {"answer": answer})

    async def _solves(
        self, problem: Problem, where: dict[str, Any], answer: str, reference: str | None, tools: Tools
    ) -> bool:
        """Whether the family counts the answer in full."""
        entry = {
            "question": problem.fields.get("question"),
            "answer": reference,
            "metadata": field_of(problem, self.kind, "metadata"),
        }
        asked = json.dumps({**where, "entry": entry, "answer": answer}, default=str)
        done = await tools.sandbox.run(PROGRAM, stdin=asked)
        lines = done.stdout.splitlines()
        if not lines or lines[0] not in ("known", "unknown"):
            reason = (done.stderr.strip().splitlines() or [done.kind])[-1][:200]
            raise SandboxError(f"Problem {problem.id}: the family's scorer cannot run: {reason}.")
        # Whatever else the program met, it met in the answer.
        try:
            return done.kind == "ok" and float(lines[-1]) >= 1
        except ValueError:
            return False


@cache
def _scorer(family: str) -> dict[str, Any] | None:
    """Where a family's scorer is; ``None`` for one that only compares texts.

    Raises:
        ConfigError: There is no such family, or reasoning-gym is not installed.
    """
    gym, families = gym_families()
    if family not in families:
        raise ConfigError(f"The grader 'reasoning_gym' knows no family '{family}'.")
    dataset, config = families[family]
    if dataset.score_answer is gym.dataset.ProceduralDataset.score_answer:
        return None
    root = gym.__path__[0]
    parts = dataset.__module__.split(".")[1:-1]
    packages = [("reasoning_gym", root)]
    for part in parts:
        name, folder = packages[-1]
        packages.append((f"{name}.{part}", f"{folder}/{part}"))
    return {
        "packages": packages,
        "module": dataset.__module__,
        "dataset": dataset.__name__,
        "config": config.__name__,
    }
