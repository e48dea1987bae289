"""Answers that are numbers or mathematical expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from archon.answers.base import AnswerFormat
from archon.answers.math_equality import NOT_PROSE, NUM, boxes, numeral, same, tidy

_NUMBER = re.compile(
    r"(?:(?<![\w)}\].])[-−])?(?:\\?[$€£]\s?[-−]?)?(?<![A-Za-z_.0-9])"
    rf"(?:(?:[0-9]+\s?)?\\[dt]?frac\s*\{{\s*-?{NUM}\s*\}}\s*\{{\s*{NUM}\s*\}}|[0-9]+\s[0-9]+/[0-9]+|{NUM}(?:\s?/\s?{NUM})?)"
    r"(?:\s*(?:\\times|\\cdot|×)\s*10(?=\s*\^))?(?:\s*\^\s*(?:\{-?[0-9]+\}|-?[0-9]+))?(?:\s?\\?%)?"
)
_HASHES = re.compile(r"^[ \t]*####[ \t]*([^\n]{1,400})", re.MULTILINE)
_STATEMENT = re.compile(
    r"\banswers?\b[^.:=?\n]{0,60}?(?:[:=]|\b(?:is|are|equals?|(?:would|must|should|will)[ ]be)\b:?)[\s*_:]*"
    r"|<answer>",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:approximately|about|around|roughly|therefore|thus|hence|simply|exactly|just|equal to)\b[\s:,]*)+",
    re.IGNORECASE,
)
_SPAN = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<!\\)\$([^$\n]+)(?<!\\)\$", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=\S)[.;?](?:\s|$)|</")
_COMMAND = re.compile(r"\\\w+\s*\{[^{}]*\}")
_EXCLAIMED = re.compile(r"(?<=\w)!$")
_DOLLARS = re.compile(r"^(-?)\\?\$\s*|\\?\$$")
_WORD = re.compile(r"\w")
_PROSE = re.compile(
    r"[^\W\d_]{4}|[^\W\d_a-zA-Z\u0370-\u03ff]|\b(?:as|at|by|he|if|in|is|it|no|not|of|on|so|to|we|she|the|for|are|was|has|can"
    r"|you|but|per|all|one|two|six|ten|day|cm|mm|km|kg|ft|am|pm|yes)\b",
    re.IGNORECASE,
)


def _candidates(text: str) -> Iterator[str | None]:
    """Everything that may be the final answer, best first."""
    yield from reversed(boxes(text))
    for match in reversed(list(_HASHES.finditer(text)) if "####" in text else ()):
        line = match.group(1).strip(" \t*$")
        # "#### Step 2" and "#### 2. Conclude" are Markdown headings.
        if numeral(tidy(line)) is not None or not _PROSE.search(NOT_PROSE.sub("", line)):
            yield _stated(line)
    for end in _statements(text):
        yield _stated(text[end : end + 400])
    yield _last_number(text)


def _statements(text: str) -> Iterator[int]:
    """Where the words end that announce an answer, last first."""
    # Looking for the word from the end is many times faster than searching with the pattern: the last one decides.
    lowered = text.replace("İ", "I").lower()  # the only letter that becomes two in lower case
    start = len(text)
    while (start := lowered.rfind("answer", 0, start)) >= 0:
        tag = start - 1 if start and text[start - 1] == "<" else start
        if match := _STATEMENT.match(text, tag) or _STATEMENT.match(text, start):
            yield match.end()


def _last_number(text: str) -> str | None:
    text = re.sub(r"(?<=[0-9])(?:\{,\}|\\[,!]|,\\!)(?=[0-9]{3})", ",", text)
    matches = [match.group() for match in _NUMBER.finditer(text)]
    return re.sub(r"[$€£]|\\(?=[$%])", "", matches[-1]).replace("−", "-").strip() if matches else None


def _stated(text: str) -> str | None:
    """The answer at the start of ``text``, which follows "the answer is"; ``None`` if it is only prose."""
    text = text.lstrip(" \t\n*_:`")
    text = text[filler.end() :] if (filler := _FILLER.match(text)) else text
    for span in _SPAN.finditer(text.split("\n\n")[0]) if "$" in text or "\\" in text else ():
        inner = next(group for group in span.groups() if group is not None).strip().rstrip(".,")
        prose = _PROSE.search(_without_commands(inner))
        if inner and not prose and not _NUMBER.match(text[: span.start()]):
            return inner
    text = _SENTENCE_END.split(text.split("\n")[0] + "\n", maxsplit=1)[0].strip(" \t\n*_`")
    text = _EXCLAIMED.sub("", text).rstrip(".,;:")
    before, _, after = text.rpartition("=")
    text = after.lstrip() if after and not re.search(r"[a-zA-Z<>]", before) else text
    bare = _without_commands(text)
    if _PROSE.search(bare):
        if number := _NUMBER.match(text):
            return _last_number(number.group())
        return _last_number(text) or (text if re.fullmatch(r"(?!not?\b)\S+(?: \S+){0,2}|no \S+", text) else None)
    return _DOLLARS.sub(r"\1", text.strip()) if "$" in text else text.strip()


def _without_commands(text: str) -> str:
    """The text without LaTeX commands and the words of mathematics, none of which make it prose."""
    return NOT_PROSE.sub("", _COMMAND.sub("", text) if "\\" in text else text)


class MathAnswer(AnswerFormat):
    r"""A number or expression: the last ``\boxed{}``, else ``#### x``, "answer is x" or the last number.

    Two plain numerals are compared exactly, as fractions: ``1,000`` is 1000, ``0.5`` is 1/2, 0.3 is not 1/3.
    Currency, degree and percent signs and unit words are labels that do not count, so ``50%`` is 50 and not
    0.5. Lists and sets are compared regardless of order, tuples and intervals place by place, words as text.
    Everything else is compared by math-verify, both ways round because its rules are one-sided, except that
    expressions too large to evaluate safely are equal only if they are written alike.
    """

    kind: ClassVar[str] = "math"

    def extract(self, text: str) -> str | None:
        """The final answer as it was written, without its box, dollar signs and surrounding words."""
        candidates = (candidate.strip() for candidate in _candidates(text) if candidate)
        return next((candidate for candidate in candidates if _WORD.search(candidate)), None)

    def equal(self, a: str, b: str) -> bool:
        """Exact equality of numerals, else mathematical equality.

        Raises:
            ConfigError: The comparison needs math-verify and it is not installed.
        """
        if a == b:
            return True
        try:
            return same(*sorted((tidy(a), tidy(b))))
        except RecursionError:
            return False
