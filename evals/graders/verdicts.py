"""What judges are shown, and what is read off their replies: pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archon.state import Message

ROLES = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant"}
POINTS = {"1": 1.0, "2": 0.0, "tie": 0.5}

_PLACE = re.compile(r"\{([a-z]+)\}")
_RATING = r"(10(?:\.0+)?|[1-9](?:\.[0-9]+)?)(?![\d.]*\d)(?!\s*(?:-|–|to\b)\s*\d)"
_NAMED = r"\b(?:rating|score|grade)\b(?:\s*\(1\s*(?:-|–|to)\s*10\))?"
_RATINGS = (
    re.compile(rf"{_NAMED}[^\w\n.\-−]{{0,20}}{_RATING}", re.IGNORECASE),
    re.compile(rf"\[\s*{_RATING}\s*(?:/\s*10\s*)?\]"),
    re.compile(rf"(?<![\d.\-−]){_RATING}\s*(?:/|out\s+of)\s*10\b", re.IGNORECASE),
    re.compile(rf"\A[^\w\-−]*{_RATING}\W*\Z"),
)
_MARK = re.compile(r"\[\s{0,3}(1|2|tie)\s{0,3}\]", re.IGNORECASE)
_BARE = re.compile(
    r"\W*(?:(?:final|verdict|winner|better|best|answer|response|the|is)\W{1,4}){0,6}(1|2|tie)\W*", re.IGNORECASE
)


def fill(template: str, **values: str) -> str:
    """Put values into ``{name}`` places; other braces, and those within values, stay as they are."""
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), template)


def conversation(messages: Sequence[Message]) -> str:
    """What was asked: the question alone, or every turn with who said it."""
    if len(messages) == 1:
        return messages[0].content.strip()
    return "\n\n".join(f"{ROLES[message.role]}:\n{message.content.strip()}" for message in messages)


def parse_rating(reply: str) -> float | None:
    """The rating from 1 to 10 in a reply, ``None`` if it gives none.

    The last number behind the word rating, score or grade counts; else the last in square brackets, the last that is
    said to be out of 10, or a reply that is nothing else.
    """
    for form in _RATINGS:
        found = [float(match[1]) for match in form.finditer(reply)]
        if found and found[-1] <= 10:
            return found[-1]
    return None


def parse_verdict(reply: str) -> float | None:
    """The points of the response shown first: 1, 0, or 0.5 for a tie; ``None`` if the reply gives no verdict.

    The marks ``[1]``, ``[2]`` or ``[tie]`` of the last line count, or that line if it is little else, or else all marks
    of the reply; where they contradict one another there is none.
    """
    last = reply.rstrip().rpartition("\n")[2]
    bare = _BARE.fullmatch(last)
    for found in (_MARK.findall(last), [bare[1]] if bare else [], _MARK.findall(reply)):
        verdicts = {mark.lower() for mark in found}
        if verdicts:
            return POINTS[verdicts.pop()] if len(verdicts) == 1 else None
    return None
