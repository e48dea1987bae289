"""The share of comparisons with the other responses that a response wins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Annotated, ClassVar

from archon.concurrency import gather
from archon.errors import ModelError
from archon.reward import SampledReward
from archon.state import Failure, State
from archon.technique import Ask, Context
from techniques.prompts import as_shown, conversation, render, requires

PROMPT = """\
Below are a question and two responses to it.

Question:
{question}

[1]
{first}

[2]
{second}

Which response is better? Being correct counts most, then being complete and clear; length and order mean nothing. \
Reply with [1] or [2], or with [tie] if neither is better, and nothing else."""

CHOICE = re.compile(r"\[\s*(1|2|tie)\s*\]", re.IGNORECASE)
BARE = re.compile(r"\A\W*(?:response\s+)?(1|2|tie)\W*\Z", re.IGNORECASE)
WON = {"1": 1.0, "2": 0.0, "tie": 0.5}


class Pairwise(SampledReward, kind="pairwise"):
    """The share of comparisons with the other responses that a response wins.

    Every pair is judged in both orders, and the two count half each: a judge that prefers a place rather than a
    response gives everyone the same. A tie is half a win. Where every pair is judged, shares of wins order the
    candidates as Bradley-Terry strengths would. A pair of which one order is missing does not count, and a candidate
    without any pair has no score; one candidate alone scores one half. The score is relative to the other candidates:
    it cannot be compared between questions. Cost: candidates × (candidates - 1) completions.

    Source: Zheng et al. 2023 (arXiv:2306.05685), pairwise comparison with swapped positions.
    """

    calls: ClassVar[str] = "candidates × (candidates − 1)"

    prompt: Annotated[str | None, requires("question", "first", "second")] = None

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Compare every candidate with every other one, in both orders, all at the same time."""
        count = len(state.candidates)
        orders = list(permutations(range(count), 2))
        outcomes = await gather(self._compare(state, i, j, context.fork(f"{i}-{j}")) for i, j in orders)
        won = {order: outcome for order, outcome in zip(orders, outcomes, strict=True) if isinstance(outcome, float)}
        failures = dict(zip(orders, outcomes, strict=True))
        scores: list[float | Failure] = []
        for i, share in enumerate(win_shares(won, count)):
            missing = (failures[order] for order in orders if i in order)
            scores.append(next(f for f in missing if isinstance(f, Failure)) if share is None else share)
        return scores

    def plan(self, candidates: int) -> tuple[Ask, ...]:
        """One completion per ordered pair."""
        ask = Ask(
            self.model,
            requests=candidates * (candidates - 1),
            words=self.prompt or PROMPT,
            reads=2,
            remarks=False,
            max_tokens=self.max_tokens,
        )
        return (ask,)

    async def _compare(self, state: State, first: int, second: int, context: Context) -> float | Failure:
        prompt = render(
            self.prompt or PROMPT,
            question=as_shown(state).question,
            first=state.candidates[first].text.strip(),
            second=state.candidates[second].text.strip(),
        )
        try:
            (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        except ModelError as error:
            return Failure.of(context.layer, error)
        won = parse_choice(reply.text)
        return Failure(context.layer, "parse", f"no choice in {reply.text[:60]!r}") if won is None else won


def win_shares(won: dict[tuple[int, int], float], count: int) -> Sequence[float | None]:
    """The mean outcome of every candidate's pairs, both orders counting the same.

    Args:
        won: By (first, second): 1 if the one shown first won, 0 if the other did, one half for a tie. A pair of which
            one order is missing does not count.
        count: How many candidates there are.

    Returns:
        A share for each, ``None`` where no pair counts; one half for a candidate without others.
    """
    if count == 1:
        return [0.5]
    shares: list[float | None] = []
    for i in range(count):
        pairs = [(won[i, j] + 1.0 - won[j, i]) / 2 for j in range(count) if (i, j) in won and (j, i) in won]
        shares.append(sum(pairs) / len(pairs) if pairs else None)
    return shares


def parse_choice(reply: str) -> float | None:
    """1 if a reply prefers the first response, 0 the second, one half for a tie; ``None`` if it does not say.

    Its last line counts, or else all of it; contradictions are no choice.
    """
    for part in (reply.strip().rpartition("\n")[2], reply):
        chosen = {choice.lower() for choice in [*CHOICE.findall(part), *BARE.findall(part)]}
        if len(chosen) == 1:
            return WON[chosen.pop()]
    return None
