"""Make observations on the question, plan from different sets of them, and answer by each plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, cycle, islice
from typing import Annotated, ClassVar

from pydantic import Field

from archon.concurrency import gather
from archon.errors import BudgetExhausted, ModelError
from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan
from techniques.prompts import as_shown, conversation, render, requires
from techniques.steps import Answering, Outcome, draw, settle
from techniques.unit_tests import parse_tests as parse_numbered

OBSERVE = """\
Below is a question.

Question:
{question}

Do not answer it. Write {count} observations that could help to solve it: non-obvious, true and useful, each in one or \
two sentences and as different from the others as possible. Number them in square brackets, like this, and write \
nothing else:

[1] ...
[2] ..."""

DERIVE = """\
Below are a question and some observations on it.

Question:
{question}

Observations:
{observations}

Do not answer it. Write down new observations that follow from these, alone or together, and lead further."""

PLAN = """\
Below are a question and observations on it.

Question:
{question}

Observations:
{observations}

Write a plan in plain language for solving it that builds on these observations: every step in its order, precise \
enough to be followed without further ideas. Do not carry it out. If an observation is wrong, do without it."""

ANSWER = """\
{question}

Follow this plan, and depart from it only where it is wrong:
{plan}

Give the whole answer, in the form the question asks for."""

# The paper combines at most two observations at a time.
LARGEST_SET = 2


class PlanSearch(Answering, kind="plan_search"):
    """Make observations on the question, plan from different sets of them, and answer by each plan.

    One call writes ``observations`` observations. Each of ``n`` branches takes another one or two of them (the seed
    decides which; once all sets are used, they come again), derives further observations, writes a plan and answers
    by it. So candidates differ in their ideas, not only in their wording. A branch that fails is recorded, and the
    layer fails only if all of them do; if no observation can be read, that is recorded, and the branches start from
    none. Where there is a budget, one branch comes to its answer before the others begin; if the budget does not bear
    even that, the question is answered as it stands. Cost: 3 x n completions, plus 1.

    Source: Wang et al. 2024 (PlanSearch, arXiv:2409.03733), there for code, with pseudocode between plan and answer.
    """

    calls: ClassVar[str] = "3 × n, plus 1"

    model: ModelRef
    n: Annotated[int, Field(ge=1), IntKnob(1, 16)] = 4
    observations: Annotated[int, Field(ge=1), IntKnob(2, 10)] = 5
    observe_prompt: Annotated[str | None, requires("question")] = None
    derive_prompt: Annotated[str | None, requires("question", "observations")] = None
    plan_prompt: Annotated[str | None, requires("question", "observations")] = None
    answer_prompt: Annotated[str | None, requires("question", "plan")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by ``n`` answers, each by a plan of its own."""
        try:
            return await self._search(state, context)
        except BudgetExhausted as error:
            # A plain answer may fit where the steps on the way to one do not.
            (answer,) = await draw(context.fork("plain"), self.model, as_shown(state).messages, **self.overrides)
            if isinstance(answer, ModelError):
                raise
            return state.with_candidates([answer]).with_failures([Failure.of(context.layer, error)])

    async def _search(self, state: State, context: Context) -> State:
        observed = await self._say(state, context, self.observe_prompt or OBSERVE, count=str(self.observations))
        observations = parse_numbered(observed, self.observations)
        if len(observations) < self.observations:
            reason = f"asked for {self.observations} observations and got {len(observations)}"
            state = state.with_failures([Failure(context.layer, "parse", reason)])
        sets = choose_sets(observations, self.n, context.rng)
        # Side by side, many beginnings could use up a budget before any of them has led to an answer.
        alone = 1 if context.bounded else 0
        outcomes: list[Outcome] = []
        for part in (range(alone), range(alone, self.n)):
            outcomes += await gather(self._branch(state, sets[index], context.fork(index), index) for index in part)
        return settle(state, outcomes, context)

    def plan(self, candidates: int) -> Plan:
        """The observations, then three steps for every answer."""
        observing = Ask(self.model, words=self.observe_prompt or OBSERVE, max_tokens=self.max_tokens)
        deriving = replace(observing, requests=self.n, step=1, words=self.derive_prompt or DERIVE, replies=1)
        planning = replace(deriving, step=2, words=self.plan_prompt or PLAN, replies=2)
        answering = replace(deriving, step=3, words=self.answer_prompt or ANSWER, makes="candidates")
        return Plan((observing, deriving, planning, answering), self.n)

    async def _branch(self, state: State, chosen: Sequence[str], context: Context, index: int) -> Outcome:
        listed = "\n".join(f"- {observation}" for observation in chosen) or "(none)"
        try:
            derived = await self._say(state, context, self.derive_prompt or DERIVE, observations=listed)
            together = f"{listed}\n{derived}".strip()
            plan = await self._say(state, context, self.plan_prompt or PLAN, observations=together)
        except ModelError as error:
            return error
        prompt = render(self.answer_prompt or ANSWER, question=as_shown(state).question, plan=plan)
        (outcome,) = await draw(context, self.model, conversation(state.task, prompt), first=index, **self.overrides)
        return outcome

    async def _say(self, state: State, context: Context, template: str, **values: str) -> str:
        prompt = render(template, question=as_shown(state).question, **values)
        (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
        return reply.text.strip()


def choose_sets(observations: Sequence[str], n: int, rng: random.Random) -> list[tuple[str, ...]]:
    """``n`` sets of one or two observations in random order, none twice before all were there; empty without any.

    For the same randomness, a smaller ``n`` gives the beginning of what a larger one gives.
    """
    sizes = range(1, LARGEST_SET + 1)
    sets = [chosen for size in sizes for chosen in combinations(observations, size)] or [()]
    rng.shuffle(sets)
    return list(islice(cycle(sets), n))
