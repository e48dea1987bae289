"""Graders that find an answer in the text and compare it with the reference."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import field_validator

from archon.answers import AnswerFormat, ChoiceAnswer, MathAnswer, RegexAnswer, TextAnswer
from archon.answers.base import plain
from evals.graders.base import Grade, Grader, Problem, Tools
from evals.graders.fields import reference_of, shown


class Compared(Grader, ABC):
    """A grader that finds an answer in the text and compares it with the reference."""

    @property
    @abstractmethod
    def answers(self) -> AnswerFormat:
        """How answers are found and compared."""

    def wanted(self, reference: str) -> str:
        """The right answer that a reference states."""
        return self.answers.extract(reference) or reference.strip()

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where the answer equals the reference, else 0; a text without an answer is wrong.

        Raises:
            ConfigError: The problem has no reference, or a package that compares is missing.
        """
        wanted = self.wanted(reference_of(problem, self.kind))
        answer = self.answers.extract(text)
        if answer is None:
            return Grade(0.0, "There is no answer in the text.", {"answer": None})
        right = self.answers.equal(answer, wanted)
        reason = "" if right else f"The answer is {shown(answer)}, not {shown(wanted)}."
        return Grade(float(right), reason, {"answer": answer})


class Math(Compared):
    """The final answer equals the reference, as mathematics.

    Numerals are compared exactly, as fractions, whatever their form: nothing is tolerated, and a rounded answer is
    right only where the reference is rounded alike. Units, currency and percent signs are labels. Other expressions
    are compared by math-verify. The rules are those of :class:`archon.answers.MathAnswer`.
    """

    kind: ClassVar[str] = "math"

    @property
    def answers(self) -> AnswerFormat:
        """Numbers and expressions."""
        return MathAnswer()

    def wanted(self, reference: str) -> str:
        r"""The whole reference, or what it marks as its answer by ``\boxed{}`` or ``####``."""
        # Looking for an answer in "x^2 + 1" would find the 1.
        return super().wanted(reference) if re.search(r"\\f?box|####", reference) else reference.strip()


class Choice(Compared):
    """The option that the text settles on is that of the reference.

    Attributes:
        options: The letters or digits of the options.
    """

    kind: ClassVar[str] = "choice"
    options: str = "ABCDE"

    @field_validator("options")
    @classmethod
    def _distinct(cls, options: str) -> str:
        return ChoiceAnswer(options=options).options

    @property
    def answers(self) -> AnswerFormat:
        """One of the options."""
        return ChoiceAnswer(options=self.options)


class Text(Compared):
    """The whole text is the reference, regardless of case, spacing, quotes and final punctuation."""

    kind: ClassVar[str] = "text"

    @property
    def answers(self) -> AnswerFormat:
        """The whole text."""
        return TextAnswer()


class Regex(Compared):
    """The last match of a pattern is the reference as it is written.

    Attributes:
        pattern: What finds the answer: its first group if it has one, else all of it.
    """

    kind: ClassVar[str] = "regex"
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return RegexAnswer(pattern=pattern).pattern

    @property
    def answers(self) -> AnswerFormat:
        """What the pattern finds."""
        return RegexAnswer(pattern=self.pattern)

    def wanted(self, reference: str) -> str:
        """The reference as it is."""
        return reference.strip()


class Exact(Grader):
    """The text is the reference, character by character, but for blanks around it."""

    kind: ClassVar[str] = "exact"

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where the two are the same, else 0.

        Raises:
            ConfigError: The problem has no reference.
        """
        wanted, answer = reference_of(problem, self.kind).strip(), text.strip()
        reason = "" if answer == wanted else f"The text is {shown(answer)}, not {shown(wanted)}."
        return Grade(float(answer == wanted), reason, {"answer": answer})


class Contains(Grader):
    """The reference stands somewhere in the text as whole words, regardless of case and spacing."""

    kind: ClassVar[str] = "contains"

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where the reference is found, else 0.

        Raises:
            ConfigError: The problem has no reference.
        """
        wanted = plain(reference_of(problem, self.kind))
        found = bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", plain(text)))
        return Grade(float(found), "" if found else f"The text does not contain {shown(wanted)}.")
