"""Labels for the steps of answers, to train process reward models on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archon.reward import Reward, RewardField
from archon.state import Candidate, Failure, State
from archon.stepwise import Partial, Scorer
from archon.technique import Context
from techniques.stepwise.base import Stepwise
from techniques.stepwise.first_error import Unknown, bisect, record_label
from techniques.stepwise.rollouts import roll_out
from techniques.stepwise.search import Exhausted, Search


class OmegaPRM(Stepwise, kind="omega_prm"):
    """Collect labels for the steps of answers: which of them are right, and which is the first error.

    Of every beginning that is examined, `k` rollouts are drawn, and the share of them that are right is its MC. In each
    of `searches` rounds a wrong rollout of a beginning with 0 < MC < 1 is chosen, the one with the highest
    alpha^(1 - MC) · beta^(tokens / length) + exploration · √(ΣN) / (1 + N), where N counts how often rollouts of a
    beginning were chosen; halving finds the first step after which no rollout is right any more; and all beginnings
    examined on the way join the tree. The reward judges whole answers: they are right if it is at least `right`, as for
    a `reference` or a `python` verifier. Every label goes to the trace, whence ``archon labels RUN`` takes the data
    set; a candidate is left as well, an answer with the highest reward. The search is over when there is nothing left
    to choose. Cost: at most k × (1 + searches × ⌈log2 max_steps⌉) rollouts of up to max_steps steps, and their rewards.

    Steps end where the delimiter stands; in the paper, halving makes them. Tokens that nobody counted are counted as
    words.

    Source: Luo et al. 2024 (OmegaPRM, arXiv:2406.06592); the form of its exploration term is not verified.

    Example:
        - omega_prm: {model: solver, searches: 8, k: 8, reward: {python: {function: "my_answers:right"}}}
    """

    calls: ClassVar[str] = "at most k × max_steps × (1 + searches × ⌈log2 max_steps⌉), plus the reward's"

    # Unlike in other searches, it need not score beginnings.
    reward: RewardField
    searches: Annotated[int, Field(ge=1)] = 16
    k: Annotated[int, Field(ge=2)] = 8
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.5
    beta: Annotated[float, Field(gt=0, le=1)] = 0.9
    length: Annotated[int, Field(ge=1)] = 500
    exploration: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.125
    right: Annotated[float, Field(allow_inf_nan=False)] = 0.5

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """Collect labels; the best answer that came up meanwhile is left."""
        collection = Collection(search, k=self.k, right=self.right, record=context.record)
        try:
            await collection.grow(
                self.searches, alpha=self.alpha, beta=self.beta, length=self.length, exploration=self.exploration
            )
        except Exhausted as exhausted:
            # What was found out until then is in the trace already.
            search.failures.append(Failure(context.layer, "budget", str(exhausted)))
        return search.answers()[:1]

    def scorer(self, state: State, context: Context) -> Scorer:
        """The verifier."""
        return Verifier(self.reward, state, context.fork("reward"))


class Verifier:
    """Scores whole answers with a reward; an :class:`archon.stepwise.Scorer` for ends alone.

    Args:
        reward: The reward.
        state: The task.
        context: Where to draw.
    """

    def __init__(self, reward: Reward, state: State, context: Context) -> None:
        self._reward = reward
        self._state = state
        self._context = context

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        """Their rewards."""
        candidates = [Candidate(partial.text, f"{self._context.layer}#{partial.node}") for partial in partials]
        return await self._reward.score(self._state.with_candidates(candidates), self._context)


@dataclass(slots=True)
class Examined:
    """A beginning whose rollouts are known.

    Attributes:
        partial: The beginning.
        mc: The share of its rollouts that are right.
        wrong: Those that are not and have not been searched.
        chosen: How often one of them was.
    """

    partial: Partial
    mc: float
    wrong: list[Partial] = field(default_factory=list)
    chosen: int = 0


class Collection:
    """The tree of beginnings that were examined.

    Args:
        search: What to draw and score with.
        k: Rollouts per beginning.
        right: The least reward of a right answer.
        record: Where labels go.

    Attributes:
        examined: Every beginning whose rollouts are known, by its steps, in the order of examination.
    """

    def __init__(
        self, search: Search, *, k: int, right: float, record: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self.examined: dict[tuple[str, ...], Examined] = {}
        self._search = search
        self._k = k
        self._right = right
        self._record = record
        self._known_errors: set[tuple[str, ...]] = set()
        self._drawn: dict[tuple[str, ...], Partial] = {}
        self._indexed = 0

    async def grow(self, searches: int, *, alpha: float, beta: float, length: int, exploration: float) -> None:
        """Look for the first errors of so many wrong rollouts, or of all there are.

        Raises:
            Exhausted: There is no more to spend.
        """
        try:
            await self.examine(self._search.root)
        except Unknown:
            return
        for _ in range(searches):
            pool = [
                (self.priority(state, rollout, alpha, beta, length, exploration), state, rollout)
                for state in self.examined.values()
                if 0 < state.mc < 1
                for rollout in state.wrong
            ]
            if not pool:
                return
            _, state, rollout = max(pool, key=lambda entry: entry[0])
            state.chosen += 1
            state.wrong.remove(rollout)
            try:
                await self.locate(state, rollout)
            except Unknown:
                continue

    def priority(
        self, state: Examined, rollout: Partial, alpha: float, beta: float, length: int, exploration: float
    ) -> float:
        """Q + U of a rollout: wrong although its beginning mostly leads to right answers, short, seldom chosen."""
        tokens = sum(
            len(step.steps[-1].split()) if step.tokens is None else step.tokens
            for step in self._way_to(rollout, len(state.partial.steps))
        )
        chosen = sum(other.chosen for other in self.examined.values())
        promise = math.pow(alpha, 1 - state.mc) * math.pow(beta, tokens / length)
        return promise + exploration * math.sqrt(chosen) / (1 + state.chosen)

    async def locate(self, state: Examined, rollout: Partial) -> int:
        """Find the first error of a wrong rollout of a beginning that can still be right.

        Returns:
            The number of the step.

        Raises:
            Unknown: Of some beginning no rollout could be scored.
        """
        way = {len(step.steps): step for step in self._way_to(rollout, len(state.partial.steps))}

        async def right(number: int) -> bool:
            return (await self.examine(way[number])).mc > 0

        number = await bisect(len(state.partial.steps), len(rollout.steps), right)
        if number == len(rollout.steps) and rollout.steps not in self._known_errors:
            # No rollouts are needed to know where a wrong answer leads that is at its end.
            self._known_errors.add(rollout.steps)
            record_label(self._record, rollout.steps, 0.0, right=False)
        return number

    async def examine(self, partial: Partial) -> Examined:
        """Estimate how often a beginning leads to right answers, unless that is known."""
        if (known := self.examined.get(partial.steps)) is not None:
            return known
        (ends,) = await roll_out(self._search, [(partial, self._k)])
        scored = [end for end in await self._search.score(ends) if end is not None]
        if not scored:
            raise Unknown
        wrong = [end for end in scored if (end.score or 0.0) < self._right]
        state = Examined(partial, 1 - len(wrong) / len(scored), list({end.text: end for end in wrong}.values()))
        self.examined[partial.steps] = state
        if partial.steps:
            record_label(self._record, partial.steps, state.mc, right=state.mc > 0)
        return state

    def _way_to(self, rollout: Partial, after: int) -> list[Partial]:
        """The beginnings of a rollout with more than so many steps, itself included, as they were drawn."""
        for partial in self._search.partials[self._indexed :]:
            self._drawn.setdefault(partial.steps, partial)
        self._indexed = len(self._search.partials)
        return [self._drawn[rollout.steps[:number]] for number in range(after + 1, len(rollout.steps) + 1)]
