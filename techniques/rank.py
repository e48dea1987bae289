"""Order candidates by quality with one listwise judgement and keep the best."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render

PROMPT = """\
Below are a question and {count} numbered responses to it.

Question:
{question}

Responses:
{candidates}

Rank the responses from best to worst by how correct and how helpful they are. Their order above means nothing. \
Reply with one line that holds every number exactly once, best first, like this: [2] > [1] > [3]. Do not explain."""

NUMBER = re.compile(r"\[\s*(\d{1,6})\s*\]")
LINK = r"(?:\[\s*)?\d{1,6}(?:\s*\])?"
CHAIN = re.compile(rf"{LINK}(?:\s*[>≻]\s*{LINK})+")


class Rank(Sampled, kind="rank"):
    """Order candidates by quality with one listwise judgement and keep the best.

    The judge sees every candidate with the remarks on it. Candidates it leaves out follow in their earlier order;
    a reply that names none is recorded and leaves the order as it was. Cost: 1 completion, none for one candidate.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; listwise prompting as in Sun et al. 2023
    (RankGPT, arXiv:2304.09542).
    """

    calls: ClassVar[str] = "1"

    model: ModelRef
    keep: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 5
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Put the candidates in the judge's order and keep the first ``keep``."""
        if len(state.candidates) == 1:
            return state
        prompt = render(
            self.prompt or PROMPT,
            count=str(len(state.candidates)),
            question=as_shown(state).question,
            candidates=listing(state.candidates),
        )
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        order = parse_ranking(reply.text, len(state.candidates))
        if order is None:
            failure = Failure(context.layer, "parse", "the ranking names no candidate; the order was kept")
            return state.with_candidates(state.candidates[: self.keep]).with_failures([failure])
        return state.with_candidates(state.candidates[index] for index in order[: self.keep])

    def plan(self, candidates: int) -> Plan:
        """One request about all of them, none about a single one."""
        if candidates == 1:
            return Plan((), 1)
        ask = Ask(self.model, words=self.prompt or PROMPT, reads=candidates, max_tokens=self.max_tokens)
        return Plan((ask,), min(self.keep, candidates))


def parse_ranking(reply: str, count: int) -> list[int] | None:
    """The ranking in a reply as a permutation of ``range(count)``, best first.

    Of the chains such as ``[2] > [1]`` the one that names most candidates counts (the last of several, so that
    ``5 > 3`` in an explanation does no harm), or without one all bracketed numbers. Repeated and impossible numbers
    are passed over; candidates not named follow in their earlier order. ``None`` if none is named.
    """
    chains = [_named(re.findall(r"\d+", chain), count) for chain in reversed(CHAIN.findall(reply))]
    named = max(chains, key=len, default=[]) or _named(NUMBER.findall(reply), count)
    if not named:
        return None
    return named + [index for index in range(count) if index not in set(named)]


def _named(numbers: Iterable[str], count: int) -> list[int]:
    return list(dict.fromkeys(int(number) - 1 for number in numbers if 1 <= int(number) <= count))
