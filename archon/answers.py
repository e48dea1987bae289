"""How a task's final answers are found in a reply, and when two of them are the same answer.

A format is written in YAML as its kind (``answer: math``) or with its settings
(``answer: {choice: {options: ABCD}}``). Nothing here raises on any text, with one exception: a
:class:`~archon.errors.ConfigError` when two mathematical expressions cannot be compared because the optional
package math-verify is not installed.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, islice
from math import prod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

from archon.errors import ConfigError
from archon.suggest import unknown


class AnswerFormat(BaseModel, ABC):
    """How to extract a final answer and how to compare two.

    Class attributes:
        kind: The format's name in YAML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""

    @abstractmethod
    def extract(self, text: str) -> str | None:
        """The final answer that ``text`` gives, or ``None`` if it gives none."""

    @abstractmethod
    def equal(self, a: str, b: str) -> bool:
        """Whether two extracted answers are the same: reflexive and symmetric, not always transitive."""


class TextAnswer(AnswerFormat):
    """The whole text, compared regardless of Unicode form, case, whitespace and surrounding punctuation."""

    kind: ClassVar[str] = "text"

    def extract(self, text: str) -> str | None:
        """The whole text without surrounding whitespace; ``None`` if nothing is left."""
        return text.strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the normalised texts."""
        return a == b or _plain(a) == _plain(b)


class RegexAnswer(AnswerFormat):
    """The last match of a pattern: its first group if it has one that took part, else all of it.

    The pattern is the user's own and is not guarded against slow backtracking.
    """

    kind: ClassVar[str] = "regex"
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"the pattern {pattern!r} is not a valid regular expression: {error}.") from None
        return pattern

    def extract(self, text: str) -> str | None:
        """The last match, stripped; ``None`` if there is none or it is empty."""
        found = None
        for match in re.finditer(self.pattern, text):
            whole = match.group()
            found = whole if not match.re.groups or match.group(1) is None else match.group(1)
        return (found or "").strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the stripped texts."""
        return a.strip() == b.strip()


class JsonAnswer(AnswerFormat):
    """The last JSON value, compared by value: key order does not matter, 1 is 1.0, ``true`` is not 1.

    An object or array counts anywhere; a number, string, boolean or null only when it is the whole text, a
    whole fenced block or the whole last line, so that prose is not mistaken for data.
    """

    kind: ClassVar[str] = "json"

    def extract(self, text: str) -> str | None:
        """The last value, as it was written."""
        if _load_json(text):
            return text.strip()
        spans = [*_json_containers(text), *_json_scalars(text)]
        start, end = max(spans, default=(0, 0))
        return text[start:end].strip() or None

    def equal(self, a: str, b: str) -> bool:
        """Equality of the values; of the texts if they are not both JSON."""
        left, right = _load_json(a), _load_json(b)
        if a == b or not left or not right:
            return a == b
        try:
            return _same_json(left[0], right[0])
        except RecursionError:
            return False


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
            raise ValueError(
                f"options must be two or more distinct letters or digits such as 'ABCD', not {options!r}."
            )
        return letters

    def extract(self, text: str) -> str | None:
        """The option in upper case, or ``None`` if none is stated."""
        text = _MARKUP.sub("", _WRAPPED.sub(r"\2", unicodedata.normalize("NFKC", text)))
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
        return a == b or _plain(a) == _plain(b)


class MathAnswer(AnswerFormat):
    r"""A number or expression: the last ``\boxed{}``, else ``#### x``, "answer is x" or the last number.

    Two plain numerals are compared exactly, as fractions: ``1,000`` is 1000, ``0.5`` is 1/2, 0.333 is not 1/3.
    Currency, degree and percent signs and unit words are labels that do not count, so ``50%`` is 50 and not
    0.5. Lists and sets are compared regardless of order, tuples and intervals place by place, words as text.
    Everything else is compared by math-verify, in both directions because its rules are one-sided, except that
    expressions too large to evaluate safely are equal only if they are written alike.
    """

    kind: ClassVar[str] = "math"

    def extract(self, text: str) -> str | None:
        """The final answer as it was written, without its box, dollar signs and surrounding words."""
        if boxes := _boxes(text):
            return boxes[-1]
        for match in reversed(list(_HASHES.finditer(text))):
            line = match.group(1).strip(" \t*$")
            if number := _NUMBER.match(line):
                if (
                    not _PROSE.search(_NOT_PROSE.sub("", line[number.end() :]))
                    or _numeral(_tidy(line)) is not None
                ):
                    return _stated(line)
            elif line and not _PROSE.search(_NOT_PROSE.sub("", line)):
                return line
        for match in reversed(list(_STATEMENT.finditer(text))):
            if stated := _stated(text[match.end() : match.end() + 400]):
                return stated
        return _last_number(text)

    def equal(self, a: str, b: str) -> bool:
        """Exact equality of numerals, else mathematical equality.

        Raises:
            ConfigError: The comparison needs math-verify and it is not installed.
        """
        if a == b:
            return True
        try:
            return _same(*sorted((_tidy(a), _tidy(b))))
        except RecursionError:
            return False


_KINDS: Mapping[str, type[AnswerFormat]] = {
    cls.kind: cls for cls in (MathAnswer, ChoiceAnswer, JsonAnswer, TextAnswer, RegexAnswer)
}


def parse_answer_format(value: object) -> AnswerFormat:
    """Read a format: an ``AnswerFormat``, a kind such as ``"math"``, or ``{"choice": {"options": "ABCD"}}``.

    Raises:
        ValueError: The kind is unknown or its settings are wrong (pydantic's ``ValidationError`` is one).
    """
    if isinstance(value, AnswerFormat):
        return value
    kind, settings = value, None
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, settings),) = value.items()
    if not isinstance(kind, str) or not isinstance(settings, Mapping | None):
        raise ValueError(
            f"an answer format is a kind ({', '.join(_KINDS)}) or one kind with its settings, such as "
            f"{{choice: {{options: ABCD}}}}, not {value!r}."
        )
    if kind not in _KINDS:
        raise ValueError(unknown("answer format", kind, _KINDS))
    return _KINDS[kind].model_validate(dict(settings or {}))


def answer_format_to_data(fmt: AnswerFormat) -> str | dict[str, Any]:
    """The inverse of :func:`parse_answer_format`: the bare kind if every setting has its default."""
    settings = fmt.model_dump(exclude_defaults=True)
    return {fmt.kind: settings} if settings else fmt.kind


def equivalence_classes(answers: Sequence[str | None], fmt: AnswerFormat) -> list[list[int]]:
    """Partition the indices of the answers that are not ``None`` by the transitive closure of ``fmt.equal``.

    The closure makes the partition independent of the order of the answers. Only distinct texts are compared.

    Returns:
        Classes of ascending indices, ordered by their first index.
    """
    places: dict[str, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is not None:
            places.setdefault(answer, []).append(index)
    parent = {answer: answer for answer in places}

    def root(answer: str) -> str:
        while parent[answer] != answer:
            parent[answer] = answer = parent[parent[answer]]
        return answer

    for a, b in combinations(places, 2):
        if root(a) != root(b) and fmt.equal(a, b):
            parent[root(b)] = root(a)
    classes: dict[str, list[int]] = {}
    for answer, indices in places.items():
        classes.setdefault(root(answer), []).extend(indices)
    return sorted(sorted(indices) for indices in classes.values())


# --- text ---------------------------------------------------------------------------------------------------

_QUOTES = " \"'`*_()[]{}“”‘’«»„‹›「」『』"


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())
    # A leading "." or "-" may belong to a number, so only the end loses its punctuation marks.
    return text.lstrip(_QUOTES + "¡¿").rstrip(_QUOTES + ".,;:!?…。、！？") or text


# --- json ---------------------------------------------------------------------------------------------------

_OPENING = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*[\"\[\]{0-9tfn-])")
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


def _not_json(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_not_json)


def _load_json(text: str) -> tuple[Any] | None:
    """The value in a tuple, because ``null`` is a value."""
    try:
        return (_DECODER.decode(text),)
    except (ValueError, RecursionError):
        return None


def _json_containers(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while opening := _OPENING.search(text, start):
        try:
            _, start = _DECODER.raw_decode(text, opening.start())
            yield opening.start(), start
        except ValueError:
            start = opening.end()
        except RecursionError:
            # What is nested in it fails alike, and trying each would take quadratic time.
            inner = next(islice(_OPENING.finditer(text, start), 500, None), None)
            start = inner.start() if inner else len(text)


def _json_scalars(text: str) -> Iterator[tuple[int, int]]:
    spans = [match.span(1) for match in _FENCE.finditer(text)]
    end = len(text.rstrip())
    spans.append((text.rfind("\n", 0, end) + 1, end))
    yield from (span for span in spans if _load_json(text[span[0] : span[1]]))


def _same_json(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same_json(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same_json, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


# --- choice -------------------------------------------------------------------------------------------------

_MARKUP = re.compile(r"[*_`$]|\\[()\[\]]")
_WRAPPED = re.compile(r"\\(text\w*|math(?:rm|bf|it|sf|tt)|mbox)\s*\{([^{}]*)\}")


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
        r"(?:[:=]|\b(?:is|(?:would|must|should|has[ ]to|will)[ ]be)\b)|\b(?:choose|pick|select|go[ ]with)\b)"
    )
    explicit = (
        rf"\\(?:boxed|fbox)\s*\{{\s*\(?\s*(?P<a>{both})(?=\s*[)}}.:,])"
        rf"|{head}[\s:]*{filler}(?:\\\w+\{{)?\(?\s*(?P<b>{both})(?:(?=\s*[)}}\]])|{chosen})"
        rf"|(?<![\w'])\(?(?P<c>{upper})\)?\s+(?i:is|must\s+be)\s+(?i:the\s+)?(?i:correct|right|best|answer|true)\b"
    )
    lone = (
        rf"(?:^|\n)\W*({both})\W*\Z|\(({both})\)\W*\Z|(?<![\w'’./-])(?<!or )(?<!and )({upper})[\s.!)\]}}]*\Z"
    )
    label = rf"\(({upper})\)|(?:^|\n)[ \t]*({upper})[).:](?=\s)"
    return re.compile(explicit), re.compile(lone), re.compile(label)


# --- math: extraction ---------------------------------------------------------------------------------------

_NUM = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_NUMBER = re.compile(
    r"(?:(?<![\w)}\].])[-−])?(?:\\?[$€£]\s?[-−]?)?(?<![A-Za-z_.0-9])"
    rf"(?:(?:[0-9]+\s?)?\\[dt]?frac\s*\{{\s*-?{_NUM}\s*\}}\s*\{{\s*{_NUM}\s*\}}|{_NUM}(?:\s?/\s?{_NUM})?)"
    r"(?:\s*(?:\\times|\\cdot|×)\s*10(?=\s*\^))?(?:\s*\^\s*(?:\{-?[0-9]+\}|-?[0-9]+))?(?:\s?\\?%)?"
)
_HASHES = re.compile(r"^[ \t]*####[ \t]*([^\n]{1,400})", re.MULTILINE)
_STATEMENT = re.compile(
    r"\banswers?\b[^.:=?\n]{0,60}?(?:[:=]|\b(?:is|are|equals?|(?:would|must|should|will)[ ]be)\b:?)[\s*_:]*",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:approximately|about|around|roughly|therefore|thus|hence|simply|exactly|just|equal to)\b[\s:,]*)+",
    re.IGNORECASE,
)
_SPAN = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<!\\)\$([^$\n]+)(?<!\\)\$", re.DOTALL)
_NOT_PROSE = re.compile(
    r"\\(?:begin|end|operatorname)\s*\{[a-zA-Z*]*\}|\\[a-zA-Z]+"
    r"|\b(?:and|or|sqrt|(?:arc)?(?:sin|cos|tan)h?|log|ln|exp|pi|inf(?:inity)?|mod|gcd|lcm|max|min)\b"
)
_PROSE = re.compile(
    r"[^\W\d_]{4}|[^\W\d_a-zA-Z\u0370-\u03ff]|\b(?:as|at|by|he|if|in|is|it|no|not|of|on|so|to|we|she|the|for|are|was|has|can"
    r"|you|but|per|all|one|two|six|ten|day|cm|mm|km|kg|ft|am|pm|yes)\b",
    re.IGNORECASE,
)


def _boxes(text: str) -> list[str]:
    """The contents of the complete, non-empty boxes, in the order in which they open."""
    open_braces: list[int | None] = []
    found: dict[int, str] = {}
    for token in re.finditer(r"\\(?:boxed|fbox)\s*\{|\\boxed\s+(\w+)|\\.|[{}]", text, re.DOTALL):
        if token.group(1):
            found[token.end()] = token.group(1)
        elif token.group().endswith("{") and token.group() != r"\{":
            open_braces.append(token.end() if len(token.group()) > 1 else None)
        elif token.group() == "}" and open_braces and (start := open_braces.pop()) is not None:
            found[start] = text[start : token.start()].strip()
    return [found[start] for start in sorted(found) if found[start]]


def _last_number(text: str) -> str | None:
    text = re.sub(r"(?<=[0-9])(?:\{,\}|\\[,!]|,\\!)(?=[0-9]{3})", ",", text)
    matches = [match.group() for match in _NUMBER.finditer(text)]
    return re.sub(r"[$€£]|\\(?=[$%])", "", matches[-1]).replace("−", "-").strip() if matches else None


def _stated(text: str) -> str | None:
    """The answer at the start of ``text``, which follows "the answer is"; ``None`` if it is only prose."""
    text = text.lstrip(" \t\n*_:`")
    text = text[filler.end() :] if (filler := _FILLER.match(text)) else text
    for span in _SPAN.finditer(text.split("\n\n")[0]):
        inner = next(group for group in span.groups() if group is not None).strip().rstrip(".,")
        prose = _PROSE.search(_NOT_PROSE.sub("", re.sub(r"\\\w+\s*\{[^{}]*\}", "", inner)))
        if inner and not prose and not _NUMBER.match(text[: span.start()]):
            return inner
    text = re.split(r"(?<=\S)[.;?](?:\s|$)", text.split("\n")[0] + "\n")[0].strip(" \t\n*_`")
    text = re.sub(r"(?<=\w)!$", "", text).rstrip(".,;:")
    bare = _NOT_PROSE.sub("", re.sub(r"\\\w+\s*\{[^{}]*\}", "", text))
    if _PROSE.search(bare):
        if number := _NUMBER.match(text):
            return _last_number(number.group())
        return _last_number(text) or (
            text if re.fullmatch(r"(?!not?\b)\S+(?: \S+){0,2}|no \S+", text) else None
        )
    before, _, after = text.rpartition("=")
    text = after if after and not re.search(r"[a-zA-Z<>]", before) else text
    return re.sub(r"^(-?)\\?\$\s*|\\?\$$", r"\1", text.strip()) or None


# --- math: equality -----------------------------------------------------------------------------------------

_UNICODE = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "⁄": "/",
        "％": "%",
        "×": r"\times ",
        "÷": "/",
        "·": r"\cdot ",
        "π": r"\pi ",
        "∞": r"\infty ",
    }
    | {"°": "", "²": "^2", "³": "^3", "≤": r"\le ", "≥": r"\ge ", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm "}
    | {"½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}"}
)
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r"(?<!\\)\\[()\[\]]|\\?[$€£¥₹]|\\!|\\(?:left|right|displaystyle|degree)(?![a-zA-Z])|\^\s*\{?\\circ\}?",
            "",
        ),
        (r"(?<=[0-9])\\,(?=[0-9]{3})", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad(?![a-zA-Z])", " "),
        (r"\{,\}", ","),
        (r"\\%", "%"),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\frac\s*([0-9])\s*(?:([0-9])|(?=\{))", r"\\frac{\1}{\2}"),
        (r"(\\frac\{[0-9]\})\{\}(?=\{)", r"\1"),
        (r"(\\frac\s*\{[^{}]*\})\s*([0-9])", r"\1{\2}"),
        (r"√\s*(\w+)|√\s*\(([^()]*)\)|(?<![\\a-zA-Z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1\2\3}"),
        (r"(?<![\\a-zA-Z])(pi|log|ln|exp|(?:arc)?(?:sin|cos|tan)h?)(?![a-zA-Z])", r"\\\1 "),
        (r"(?<![\\a-zA-Z])(?:infinity|inf|oo)(?![a-zA-Z])", r"\\infty "),
    )
]
_FORM = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>[0-9]+)(?:\s*(?=\\frac)|\s(?=[0-9]+\s?/)))?"
    rf"(?:\\frac\s*\{{\s*(?P<minus>[-+]?)\s*(?P<p>{_NUM})\s*\}}\s*\{{\s*(?P<q>{_NUM})\s*\}}"
    rf"|(?P<n>{_NUM}|[0-9]{{1,3}}(?: [0-9]{{3}})+)(?:\s?/\s?(?P<d>{_NUM}))?"
    r"(?:(?:[eE]|\s*\\(?:times|cdot)\s*10\s*\^)\s*(?P<exp>\{[-+]?[0-9]{1,3}\}|[-+]?[0-9]{1,3}))?)\s*%?"
    r"(?P<unit>(?:\s*(?:cm|mm|km|kg|mg|ml|mph|ft)(?![a-zA-Z])|(?:\s+|/)(?!(?:am|pm)\b)[a-zA-Z]{2,})"
    r"(?:(?:\s+|\s?/\s?)[a-zA-Z]+)*(?:\s?\^\s?\{?[23]\}?)?)?"
)
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_VARIABLE = re.compile(r"([a-zA-Z])\s*(?:=|\\in(?![a-zA-Z]))\s*([^=]+)")
_MATH_LIMIT = 300
_TIMEOUT = 3


@lru_cache(maxsize=8192)
def _tidy(text: str) -> str:
    """The answer without layout, currency and degree signs; idempotent enough to compare strings."""
    while (boxed := _boxes(text)[-1:]) and text.strip().startswith((r"\boxed", r"\fbox")):
        text = boxed[0]
    text = _WRAPPED.sub(r" \2 ", text.translate(_UNICODE))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split()).strip("*_` ").rstrip(".,;: ")


@lru_cache(maxsize=8192)
def _numeral(text: str) -> Fraction | None:
    """The exact value of a tidy plain numeral, its unit left out."""
    match = _FORM.fullmatch(text) if len(text) <= _MATH_LIMIT else None
    if not match:
        return None
    words = (match["unit"] or "").lower().split()
    if words and not re.search("[a-zA-Z]{2}", _NOT_PROSE.sub("", match["unit"])):
        return None
    top = Fraction(re.sub("[, ]", "", match["p"] or match["n"]))
    bottom = Fraction((match["q"] or match["d"] or "1").replace(",", ""))
    if not bottom:
        return None
    value = top / bottom * (-1 if match["minus"] == "-" else 1) + int(match["whole"] or 0)
    value *= Fraction(10) ** int((match["exp"] or "0").strip("{}")) * _SCALES.get(
        words[0] if words else "", 1
    )
    return -value if match["sign"] == "-" else value


@lru_cache(maxsize=8192)
def _same(a: str, b: str) -> bool:
    """Whether two tidy answers are equal; symmetric."""
    if re.sub(r"\s", "", a) == re.sub(r"\s", "", b):
        return True
    left, right = _VARIABLE.fullmatch(a), _VARIABLE.fullmatch(b)
    if left and right and left[1] != right[1]:
        if _numeral(left[2]) is not None and _numeral(right[2]) is not None:
            return False
    elif left or right:
        return _same(left[2] if left else a, right[2] if right else b)
    x, y = _numeral(a), _numeral(b)
    if x is not None and y is not None:
        return x == y
    if _wordy(a) or _wordy(b):
        return _plain(a) == _plain(b)
    (kind, parts), (other, others) = _parts(a), _parts(b)
    if kind and other:
        if kind != other:
            return False
        if kind != "set":
            return len(parts) == len(others) and all(map(_same, parts, others))
        table = [[_same(*sorted((part, with_part))) for with_part in others] for part in parts]
        return all(map(any, table)) and all(map(any, zip(*table, strict=True)))
    return _tame(a) and _tame(b) and _verify(a, b)


def _wordy(text: str) -> bool:
    """Whether the answer is words: as a product of letters, ``listen`` would equal ``silent``."""
    bare = _NOT_PROSE.sub(" ", text)
    return bool(
        re.search(r"[^\W\d_]{4}|[^\W\d_a-zA-Z\u0370-\u03ff]", bare) or re.fullmatch(r"[^\W\d_]{3,}", bare)
    )


def _parts(text: str) -> tuple[str, list[str]]:
    """``("set", elements)`` for a set or list, the brackets for a tuple or interval, ``""`` for neither."""
    if len(text) > _MATH_LIMIT:
        return "", []
    inner, kind = text, "set"
    if (pair := re.fullmatch(r"(\\?\{|[(\[])(.*?)(\\\}|[)\]}])", text, re.DOTALL)) and _balanced(pair[2]):
        inner = pair[2]
        kind = "set" if pair[1].endswith("{") and pair[3].endswith("}") else pair[1] + pair[3]
    inner = re.sub(r",?\s(?:and|or)\s", ",", inner)
    parts, depth, start = [], 0, 0
    for at, char in enumerate(inner + ","):
        depth += (char in "([{") - (char in ")]}")
        if char in ",;" and depth == 0:
            parts.append(inner[start:at].strip())
            start = at + 1
    return (kind, parts) if depth == 0 and 1 < len(parts) <= 16 and all(parts) else ("", [])


def _balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _tame(text: str) -> bool:
    """Whether evaluating the expression is surely cheap.

    A timeout is no substitute: off the main thread there is none, and on it one cannot interrupt arithmetic on
    huge integers. So towers of powers, large powers, factorials, integers, sums and integrals are refused.
    """
    if len(text) > _MATH_LIMIT or re.search(
        r"\\(?:int|sum|prod|lim|binom)|[0-9]{21}|[0-9]{4,}\s*!|[)}!]\s*!", text
    ):
        return False
    powers = []
    for base, exponent in re.findall(
        r"(.?)\s*(?:\^|\*\*)\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\((?:[^()]|\([^()]*\))*\)|\\?\w+|.?)", text
    ):
        numbers = [int(number) for number in re.findall("[0-9]+", exponent)]
        if re.search(r"\^|\*\*|!", exponent):
            return False
        if not base.isalpha():
            powers.append(prod(numbers))
    # One letter to a large power is not expanded; (x+y)^1000 and 2^{10^9} are.
    limit = 10_000 if not re.search(r"(?<![\\a-zA-Z])[a-zA-Z]", text) else 200
    return prod(power for power in powers if power) <= limit


@lru_cache(maxsize=4096)
def _expressions(text: str) -> list[Any]:
    """The symbolic reading of a tidy and tame answer, empty if there is none."""
    import math_verify

    latex = math_verify.LatexExtractionConfig(boxed_match_priority=0)
    found: list[Any] = math_verify.parse(
        rf"\boxed{{{text}}}", [latex], fallback_mode="no_fallback", parsing_timeout=_timeout()
    )
    return found


@lru_cache(maxsize=8192)
def _verify(a: str, b: str) -> bool:
    try:
        import math_verify
        from math_verify.errors import TimeoutException
    except ImportError:
        raise ConfigError(
            "Comparing mathematical expressions needs math-verify: pip install 'archon-inference[evals]'."
        ) from None
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    try:
        x, y = _expressions(a), _expressions(b)
        return any(math_verify.verify(*pair, timeout_seconds=_timeout()) for pair in ((x, y), (y, x)))
    except (Exception, TimeoutException):
        return False


def _timeout() -> int | None:
    """Seconds, or ``None`` off the main thread, where the alarms that math-verify uses are not allowed."""
    return _TIMEOUT if threading.current_thread() is threading.main_thread() else None
