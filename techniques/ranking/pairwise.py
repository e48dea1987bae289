"""One comparison of two responses: the prompt, the verdict in a reply, and what two verdicts make."""

from __future__ import annotations

import re

PROMPT = """\
Below are a question and two responses to it.

Question:
{question}

Responses:
{candidates}

Which response is better? What counts is first whether it is correct and then how helpful it is; the order above and \
the length mean nothing. Compare the two in a few sentences. Then end with a line that holds the verdict and nothing \
else: [1] or [2] for the better response, or [tie] if neither is better."""

POINTS = {"1": 1.0, "2": 0.0, "tie": 0.5}
MARK = re.compile(r"\[\s{0,3}(1|2|tie)\s{0,3}\]", re.IGNORECASE)
BETTER = re.compile(
    r"\[\s{0,3}([12])\s{0,3}\]\W{0,4}(?:>|≻|(?:is|was|seems)\s(?:(?:the|much|clearly|slightly)\s)?better|beats\b|wins\b)",
    re.IGNORECASE,
)
BARE = re.compile(
    r"(?:(?:final|verdict|winner|better|best|answer|response|the|is)\W{1,4}){0,6}\[?\s{0,3}(1|2|tie)\b\W*",
    re.IGNORECASE,
)
LETTER = re.compile(r"\w")
START = re.compile(r"\w|\[")


def parse_preference(reply: str) -> float | None:
    """The points of the first response: 1, 0, or 0.5 for a tie; ``None`` if the reply gives no verdict.

    The verdict stands at the end of the last line (``... so the better one is [2]``), says there who is better
    (``[1] is better than [2]``), or fills a line of its own; several such lines must agree. A reply that was cut off
    while it spoke of both responses gives none.
    """
    lines = [line for line in reply.splitlines() if LETTER.search(line)]
    if not lines:
        return None
    better = {found.lower() for found in BETTER.findall(lines[-1])}
    if better:
        return POINTS[better.pop()] if len(better) == 1 else None
    marks = list(MARK.finditer(lines[-1]))
    if marks and len({mark[1].lower() for mark in marks}) == 1 and not LETTER.search(lines[-1][marks[-1].end() :]):
        return POINTS[marks[-1][1].lower()]
    alone = {verdict for line in lines if (verdict := _alone(line)) is not None}
    return alone.pop() if len(alone) == 1 else None


def _alone(line: str) -> float | None:
    """The verdict that fills a line."""
    start = START.search(line)
    filled = BARE.fullmatch(line[start.start() :]) if start else None
    return POINTS[filled[1].lower()] if filled else None


def settle(forwards: float | None, backwards: float | None) -> float | None:
    """The points of the first of two responses that were shown in both orders.

    What a judge gives to a place in the prompt cancels: one who always prefers the first place, or contradicts itself
    in any other way, makes a tie. Without both verdicts there is none.

    Args:
        forwards: The points of the response shown first, when that was the first of the two.
        backwards: The points of the response shown first, when that was the second of the two.
    """
    return None if forwards is None or backwards is None else (forwards + 1 - backwards) / 2
