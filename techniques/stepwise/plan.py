"""What a search that goes round by round will ask."""

from __future__ import annotations

import math
from dataclasses import replace

from archon.technique import Ask, Plan
from techniques.stepwise.base import Stepwise
from techniques.stepwise.proposal import NEXT, STEP

EXPECTED_STEPS = 4
"""How many steps an answer is expected to have while no run has shown it: an assumption, as that of 256 tokens per
completion is one. Runs teach how far off it was."""


def plan_of_rounds(search: Stepwise, first: tuple[int, int], later: tuple[int, int], candidates: int) -> Plan | None:
    """Rounds of steps, of which each is scored before the next begins.

    As many rounds as an answer is expected to have steps, and at most ``max_steps``, or as many as a limit of calls
    bears. Steps that are the same are scored once and beginnings that are the same asked for together, which is not
    counted on.

    Args:
        search: The search.
        first: How many beginnings are asked for in the first round, and how many next steps of each.
        later: The same in every other round; no more steps in all.
        candidates: How many candidates it is expected to leave, which are the most it can.

    Returns:
        The plan; ``None`` if the reward cannot say what it will ask, or answers are split, so that some steps are paid
        for by the rounds before.
    """
    draws = math.prod(first)
    calls = search.limit.calls
    most = search.max_steps if calls is None else min(search.max_steps, math.ceil(calls / draws))
    expected = min(EXPECTED_STEPS, most)
    scoring = search.reward.for_beginnings().plan(draws)
    if scoring is None or search.steps == "split":
        return None
    length = 2 + max((ask.step for ask in scoring), default=-1)
    asking = "" if search.steps in ("continue", "complete") else (search.step_prompt or STEP) + NEXT
    words = {0: search.system or "", 1: asking}
    writes: list[Ask] = []
    scores: list[Ask] = []
    for number in range(most):
        requests, each = later if number else first
        write = Ask(
            search.model,
            requests=requests if number < expected else 0,
            most=requests,
            draws=each,
            step=number * length,
            words=words.get(number, ""),
            goes_on=number > 0,
            max_tokens=search.max_tokens,
            makes="candidates",
        )
        writes.append(write)
        scores += [
            replace(
                ask,
                requests=ask.requests if number < expected else 0,
                most=ask.bound,
                step=number * length + 1 + ask.step,
            )
            for ask in scoring
        ]
    # Only a request that comes right after another can go on from it.
    return Plan((*writes, *scores), candidates, joins=True)
