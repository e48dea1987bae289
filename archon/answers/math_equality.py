"""When two mathematical answers are the same: exactly for numerals, by math-verify for the rest."""

from __future__ import annotations

import logging
import re
import threading
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

from archon.answers.base import WRAPPED, plain
from archon.errors import ConfigError

NUM = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
NOT_PROSE = re.compile(
    r"\\(?:begin|end|operatorname)\s*\{[a-zA-Z*]*\}|\\[a-zA-Z]+"
    r"|\b(?:and|or|sqrt|(?:arc)?(?:sin|cos|tan)h?|log|ln|exp|pi|inf(?:inity)?|mod|gcd|lcm|max|min)\b"
)
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
        (r"\\varnothing(?![a-zA-Z])|∅", r"\\emptyset "),
    )
]
_FORM = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>[0-9]+)(?:\s*(?=\\frac)|\s(?=[0-9]+\s?/)))?"
    rf"(?:\\frac\s*\{{\s*(?P<minus>[-+]?)\s*(?P<p>{NUM})\s*\}}\s*\{{\s*(?P<q>{NUM})\s*\}}"
    rf"|(?P<n>{NUM}|[0-9]{{1,3}}(?: [0-9]{{3}})+)(?:\s?/\s?(?P<d>{NUM}))?"
    r"(?:(?:[eE]|\s*\\(?:times|cdot)\s*10\s*\^)\s*(?P<exp>\{[-+]?[0-9]{1,3}\}|[-+]?[0-9]{1,3}))?)\s*%?"
    r"(?P<unit>(?:\s*(?:cm|mm|km|kg|mg|ml|mph|ft|m/s)(?![a-zA-Z])|(?:\s+|/)(?!(?:am|pm)\b)[a-zA-Z]{2,})"
    r"(?:(?:\s+|\s?/\s?)[a-zA-Z]+)*(?:\s?\^\s?\{?[23]\}?)?)?"
)
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_VARIABLE = re.compile(r"([a-zA-Z])\s*(?:=|\\in(?![a-zA-Z]))\s*([^=]+)")
_UNIT = re.compile(
    r"(?<=\S)\s+(?:(?:square|cubic)\s+)?(?:cm|mm|km|kg|mg|ml|ft|units?|inch(?:es)?|f(?:oo|ee)t|miles?"
    r"|(?:centi|milli|kilo)?met(?:er|re)s?|degrees?|radians?|dollars?|hours?|minutes?|seconds?)(?:\s?\^\s?\{?[23]\}?)?$"
)
_CHAIN = re.compile(
    r"([^<\\]+|\\(?!le)[^<]+?)\s*(<=?|\\leq?(?![a-zA-Z]))\s*[a-zA-Z]\s*(<=?|\\leq?(?![a-zA-Z]))\s*([^<]+)"
)
_IN_BASE = re.compile(r"([0-9a-zA-Z]+)\s*_\s*\{?\s*([0-9]+)\s*\}?")
_MATH_LIMIT = 300
# Seconds of the clock, not of the processor: a busy machine must not make equal answers unequal.
_TIMEOUT = 10


@lru_cache(maxsize=8192)
def tidy(text: str) -> str:
    """The answer without layout, currency and degree signs; idempotent enough to compare strings."""
    while (boxed := boxes(text)[-1:]) and text.strip().startswith((r"\boxed", r"\fbox")):
        text = boxed[0]
    text = WRAPPED.sub(r" \2 ", text.translate(_UNICODE))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split()).strip("*_` ").rstrip(".,;: ")


@lru_cache(maxsize=8192)
def numeral(text: str) -> Fraction | None:
    """The exact value of a tidy plain numeral, its unit left out."""
    match = _FORM.fullmatch(text) if len(text) <= _MATH_LIMIT else None
    if not match:
        return None
    words = (match["unit"] or "").lower().split()
    if words and not re.search("[a-zA-Z]{2}|m/s", NOT_PROSE.sub("", match["unit"])):
        return None
    top = Fraction(re.sub("[, ]", "", match["p"] or match["n"]))
    bottom = Fraction((match["q"] or match["d"] or "1").replace(",", ""))
    if not bottom:
        return None
    value = top / bottom * (-1 if match["minus"] == "-" else 1) + int(match["whole"] or 0)
    value *= Fraction(10) ** int((match["exp"] or "0").strip("{}")) * _SCALES.get(words[0] if words else "", 1)
    return -value if match["sign"] == "-" else value


@lru_cache(maxsize=8192)
def same(a: str, b: str) -> bool:
    """Whether two tidy answers are equal; symmetric."""
    if re.sub(r"\s", "", a) == re.sub(r"\s", "", b):
        return True
    left, right = _VARIABLE.fullmatch(a), _VARIABLE.fullmatch(b)
    if left and right and left[1] != right[1]:
        if numeral(left[2]) is not None and numeral(right[2]) is not None:
            return False
    elif left or right:
        return same(left[2] if left else a, right[2] if right else b)
    x, y = numeral(a), numeral(b)
    if x is not None and y is not None:
        return x == y
    of_base, with_base = _IN_BASE.fullmatch(a), _IN_BASE.fullmatch(b)
    if of_base and with_base:
        return of_base.groups() == with_base.groups()
    a, b = (_as_interval(_UNIT.sub("", text)) for text in (a, b))
    if _wordy(a) or _wordy(b):
        return plain(a) == plain(b)
    (kind, parts), (other, others) = _parts(a), _parts(b)
    if kind and other:
        if kind != other:
            return False
        if kind != "set":
            return len(parts) == len(others) and all(map(same, parts, others))
        table = [[same(*sorted((part, with_part))) for with_part in others] for part in parts]
        return all(map(any, table)) and all(map(any, zip(*table, strict=True)))
    return _tame(a) and _tame(b) and _verify(a, b)


def _as_interval(text: str) -> str:
    r"""``2 < x \le 7`` as ``(2, 7]``, and anything else as it is."""
    chain = _CHAIN.fullmatch(text) if len(text) <= _MATH_LIMIT else None
    if not chain:
        return text
    opening, closing = "(" if chain[2] == "<" else "[", ")" if chain[3] == "<" else "]"
    return f"{opening}{chain[1].strip()}, {chain[4].strip()}{closing}"


def _wordy(text: str) -> bool:
    """Whether the answer is words: as a product of letters, ``listen`` would equal ``silent``."""
    bare = NOT_PROSE.sub(" ", text)
    words = r"[^\W\d_]{4}|[^\W\d_a-zA-Z\u0370-\u03ff]|\b[ap]m\b"
    return bool(re.search(words, bare) or re.fullmatch(r"[^\W\d_]{3,}", bare))


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

    A timeout is no substitute: off the main thread there is none, and on it one cannot interrupt arithmetic
    on huge integers. So towers of powers, large powers, factorials, integers, sums and integrals are refused.
    """
    text = re.sub(r"\\[dt]?binom\s*\{[0-9]{1,3}\}\s*\{[0-9]{1,3}\}", "99", text)
    monsters = r"\\(?:int|sum|prod|lim|[dt]?binom)|[0-9]{21}|[0-9]{3,}\s*!|[)}!]\s*!"
    if len(text) > _MATH_LIMIT or re.search(monsters, text):
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


def boxes(text: str) -> list[str]:
    """The contents of the complete, non-empty boxes, in the order in which they open."""
    if "box" not in text:
        return []
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
