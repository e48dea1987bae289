"""Answers that are one of several lettered options."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import ClassVar

from pydantic import field_validator

from archon.answers.base import WRAPPED, AnswerFormat, plain

_MARKUP = re.compile(r"[*_`$\"“”‘]|\\[()\[\]]")


@lru_cache(maxsize=64)
def _choice_patterns(options: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Statements (groups a, b and c), a lone letter at the end, and labels such as ``(B)`` or ``B.``."""
    upper, both = f"[{options}]", f"[{options}{options.lower()}]"
    article = "".join(set(options) & set("AI")) + options.lower()
    # "a prime", "I think", "A or B" and "e.g." do not choose; "A because" does.
    chosen = (
        rf"(?!\w|[-'’.]\w|\)?\s*(?i:or|and|/|&)\s*\(?{both}\b)"
        rf"(?:(?<![{article}])|(?!\s+[^\W\d])|(?=\s+(?i:because|since|as|is|for|which|due|given|based)\b))"
    )
    filler = r"(?:(?i:the|option|choice|letter|definitely|clearly|therefore|thus|likely|most|probably)\s+)*"
    head = (
        r"(?i:\b(?:answers?\b[^.:=?\n]{0,60}?|(?:option|choice|solution|conclusion)\s*)"
        r"(?:[:=]|\b(?:is|(?:would|must|should|has[ ]to|will)[ ]be)\b)"
        r"|\b(?:choose|pick|select|go[ ]with)\b|<answer>)"
    )
    explicit = (
        rf"\\(?:boxed|fbox)\s*\{{\s*\(?\s*(?P<a>{both})(?=\s*[)}}.:,])"
        rf"|{head}[\s:]*{filler}(?:\\\w+\{{)?['(\[]?\s*(?P<b>{both})(?:(?=\s*[)}}\]])|{chosen})"
        rf"|(?<![\w'])\(?(?P<c>{upper})\)?\s+(?i:is|must\s+be)\s+(?i:the\s+)?(?i:correct|right|best|answer|true)\b"
    )
    lone = rf"(?:^|\n)\W*({both})\W*\Z|\(({both})\)\W*\Z|" + (
        rf"(?<![A-Za-z0-9'’./-])(?<!or )(?<!and )({upper})[\s.!)\]}}]*\Z"
    )
    label = rf"\(({upper})\)|(?:^|\n)[ \t]*({upper})[).:](?=\s)"
    return re.compile(explicit), re.compile(lone), re.compile(label)


class ChoiceAnswer(AnswerFormat):
    """The letter of an option; the last statement of an answer wins, and the article "a" is not option A.

    Attributes:
        options: The letters or digits of the options, in any case.
    """

    kind: ClassVar[str] = "choice"
    options: str = "ABCDE"

    @field_validator("options")
    @classmethod
    def _distinct(cls, options: str) -> str:
        letters = options.upper()
        if len(letters) < 2 or len(set(letters)) < len(letters) or not re.fullmatch("[A-Z0-9]+", letters):
            raise ValueError(f"options must be two or more distinct letters or digits such as 'ABCD', not {options!r}.")
        return letters

    def extract(self, text: str) -> str | None:
        """The option in upper case, or ``None`` if none is stated."""
        text = _MARKUP.sub("", WRAPPED.sub(r"\2", unicodedata.normalize("NFKC", text)))
        explicit, lone, label = _choice_patterns(self.options)
        letter: str | None = None
        for match in explicit.finditer(text):
            groups = match.groupdict()
            letter = groups["a"] or groups["b"] or groups["c"] or letter
        if letter is None and (last := lone.search(text.rstrip()[-400:])):
            letter = last.group(last.lastindex or 0)
        if letter is None:
            labels = {match.group(match.lastindex or 0) for match in label.finditer(text)}
            letter = labels.pop() if len(labels) == 1 else None
        return letter.upper() if letter else None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the letters; ``b``, ``B`` and ``(B)`` are one."""
        return a == b or plain(a) == plain(b)
