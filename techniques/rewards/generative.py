"""The share of several reasoned verdicts that find a response correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.kinds import Overrides
from archon.knobs import IntKnob
from archon.models.base import Completion
from techniques.rewards.asking import Asking
from techniques.verify import parse_verdict

PROMPT = """\
Below are a question and a response to it.

Question:
{question}

Response:
{candidate}{note}

Check the response. Work the question out for yourself, compare step by step, and test every claim the response \
relies on. It may be right or wrong: do not assume either. End your reply with your verdict on a line of its own: \
"Verdict: [Correct]" or "Verdict: [Incorrect]"."""

VERDICT = re.compile(r"\bverdict\b\W{0,10}((?:\w|n['’]t\b|\s){1,30}correct|correct)\b", re.IGNORECASE)


class Generative(Asking, Overrides, kind="generative"):
    """The share of several reasoned verdicts that find a response correct.

    A model reasons about every candidate ``k`` times and ends each time with a verdict. Verdicts that cannot be read
    and calls that failed are missing, not against the candidate; without any verdict it has no score. Draw at a
    temperature above 0, or all ``k`` are the same. Cost: k completions per candidate.

    Source: Zhang et al. 2024 (Generative Verifiers, arXiv:2408.15240), chain-of-thought verification with several
    votes.
    """

    calls: ClassVar[str] = "k per candidate"
    words: ClassVar[str] = PROMPT

    k: Annotated[int, Field(ge=1), IntKnob(1, 16, log=True)] = 4

    @property
    def draws(self) -> int:
        """``k``."""
        return self.k

    @property
    def sampling(self) -> Mapping[str, Any]:
        """The settings given."""
        return self.overrides

    def read(self, replies: Sequence[Completion]) -> float | None:
        """The share of Correct among the verdicts there are."""
        verdicts = [verdict for reply in replies if (verdict := parse_last_verdict(reply.text)) is not None]
        return sum(verdicts) / len(verdicts) if verdicts else None


def parse_last_verdict(reply: str) -> bool | None:
    """The verdict at the end of a reply: the last that is called so, or else that of the last line.

    ``None`` if there is none, or if the line gives both.
    """
    named = VERDICT.findall(reply)
    lines = [line for line in reply.splitlines() if line.strip()]
    return parse_verdict(named[-1] if named else lines[-1] if lines else "")
