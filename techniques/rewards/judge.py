"""A rating from 1 to 10 against a rubric."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from archon.kinds import Overrides
from archon.models.base import Completion
from techniques.prompts import render
from techniques.rewards.asking import Asking

RUBRIC = """\
1-2: wrong, or beside the question
3-4: mostly wrong, with useful parts
5-6: partly right, or right with a serious gap
7-8: right, with small mistakes or omissions
9-10: right, complete and clear"""

PROMPT = """\
Below are a question and a response to it.

Question:
{question}

Response:
{candidate}{note}

Rate the response from 1 to 10:
{rubric}

Say in a sentence or two what is right and what is wrong about it, without being impressed by its length or its tone. \
End your reply with the rating on a line of its own, like this:

Rating: [5]"""

RATING = r"(10(?:\.0+)?|[1-9](?:\.\d+)?)(?![\d.]*\d)(?!\s*(?:-|–|to\b)\s*\d)"
NAMED = r"\b(?:rating|score|grade)\b(?:\s*\(1\s*(?:-|–|to)\s*10\))?"
FORMS = (
    re.compile(rf"{NAMED}[^\w\n.\-−]{{0,20}}{RATING}", re.IGNORECASE),
    re.compile(rf"\[\s*{RATING}\s*(?:/\s*10\s*)?\]"),
    re.compile(rf"{NAMED}[^\d\n.\-−]{{0,20}}{RATING}", re.IGNORECASE),
    re.compile(rf"(?<![\d.\-−]){RATING}\s*(?:/|out\s+of)\s*10\b", re.IGNORECASE),
    re.compile(rf"\A[^\w\-−]*{RATING}\W*\Z"),
)


class Judge(Asking, Overrides, kind="judge"):
    """A rating from 1 to 10 against a rubric, scaled to 0 to 1.

    One completion per candidate says what is right and wrong and then rates: 1 counts 0, 10 counts 1. A reply without
    a rating leaves the candidate without a score. Judges favour long and confident responses; compare with
    ``generative`` or ``pairwise`` where that matters.

    Source: Zheng et al. 2023 (LLM-as-a-judge, arXiv:2306.05685), single-answer grading.
    """

    calls: ClassVar[str] = "1 per candidate"
    words: ClassVar[str] = PROMPT

    rubric: str = RUBRIC

    @property
    def sampling(self) -> Mapping[str, Any]:
        """The settings given."""
        return self.overrides

    @property
    def _template(self) -> str:
        return render(super()._template, rubric=self.rubric)

    def read(self, replies: Sequence[Completion]) -> float | None:
        """The rating on the scale from 0 to 1."""
        rating = parse_rating(replies[0].text)
        return None if rating is None else (rating - 1) / 9


def parse_rating(reply: str) -> float | None:
    """The rating from 1 to 10 in a reply, ``None`` if it gives none.

    The last number right behind the word rating, score or grade counts, or else the last in square brackets, or else
    the last a few words behind such a word, or the last that is said to be out of 10, or a reply that is nothing else.
    """
    for form in FORMS:
        found = [float(match[1]) for match in form.finditer(reply)]
        if found and found[-1] <= 10:
            return found[-1]
    return None
