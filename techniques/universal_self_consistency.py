"""Let a model choose the candidate that agrees best with the others."""

from __future__ import annotations

import re
from typing import ClassVar

from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render

PROMPT = """\
Below are a question and {count} numbered responses to it.

Question:
{question}

Responses:
{candidates}

Which response is the most consistent with the others, that is, says what most of them say? Judge by their content \
alone, not by their wording, length or order. Compare them briefly, and end with one line that holds the number of \
your choice in square brackets and nothing else, like this: [2]"""

CHOICE = re.compile(r"\[\s{0,9}(\d{1,6})\s{0,9}\]")
NAMED = re.compile(r"\bresponse\s{0,9}#?(\d{1,6})\b", re.IGNORECASE)
BARE = re.compile(r"\W{0,9}(\d{1,6})\W{0,9}")


class UniversalSelfConsistency(Sampled, kind="universal_self_consistency"):
    """Let a model choose the candidate that agrees best with the others.

    Self-consistency where answers cannot be compared by rule, such as free text: the model sees all candidates and
    names the most consistent one, which alone stays. A reply that names none is recorded and leaves the first.
    Cost: 1 completion, none for one candidate.

    Source: Chen et al. 2023 (Universal Self-Consistency, arXiv:2311.17311).
    """

    calls: ClassVar[str] = "1"

    model: ModelRef
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Keep the candidate that the model chooses."""
        if len(state.candidates) == 1:
            return state
        prompt = render(
            self.prompt or PROMPT,
            count=str(len(state.candidates)),
            question=as_shown(state).question,
            candidates=listing(state.candidates),
        )
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        choice = parse_choice(reply.text, len(state.candidates))
        if choice is None:
            failure = Failure(context.layer, "parse", "the reply names no candidate; the first one was kept")
            return state.with_candidates(state.candidates[:1]).with_failures([failure])
        return state.with_candidates([state.candidates[choice]])

    def plan(self, candidates: int) -> Plan:
        """One request about all of them, none about a single one."""
        if candidates == 1:
            return Plan((), 1)
        ask = Ask(self.model, words=self.prompt or PROMPT, reads=candidates, max_tokens=self.max_tokens)
        return Plan((ask,), 1)


def parse_choice(reply: str, count: int) -> int | None:
    """The index of the chosen one of ``count`` candidates, ``None`` if none is named.

    The last number in square brackets that a candidate has, or without one the last ``Response 2``, or a number that
    is all there is.
    """
    bare = BARE.fullmatch(reply.strip())
    for numbers in (CHOICE.findall(reply), NAMED.findall(reply), [bare[1]] if bare else []):
        possible = [int(number) for number in numbers if 1 <= int(number) <= count]
        if possible:
            return possible[-1] - 1
    return None
