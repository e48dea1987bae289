"""How often a text, written on to its end, comes to the answer most continuations come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from archon.answers import equivalence_classes
from archon.concurrency import gather
from archon.errors import ConfigError, ModelError
from archon.knobs import IntKnob
from archon.reward import RewardField, SampledReward
from archon.state import Candidate, Failure, Message, State
from archon.technique import Ask, Context


class Rollout(SampledReward, kind="rollout"):
    """How often a text, written on to its end, comes to the right answer, or to the one most continuations come to.

    A model continues every candidate ``n`` times from where it breaks off. Without ``reward``, the answer that most
    continuations of all candidates come to is taken for the right one, and a candidate's score is the share of its own
    that come to it (where several answers are the commonest, the mean of their shares); a continuation without an
    answer misses it. With ``reward``, such as a verifier, the score is the mean reward of the completed texts. Calls
    that failed are missing; the standard error of a share p is √(p(1−p)/n). The model's endpoint has to continue
    assistant messages. Cost: n completions per candidate, plus the reward's.

    Source: Wang et al. 2023 (Math-Shepherd, arXiv:2312.08935), soft estimation.

    Example:
        rollout: {model: solver, n: 4}
    """

    calls: ClassVar[str] = "n per candidate, plus the reward's"

    n: Annotated[int, Field(ge=1), IntKnob(1, 16, log=True)] = 4
    reward: RewardField | None = None

    @property
    def scores_beginnings(self) -> bool:
        """It is made for them."""
        return True

    async def measure(self, state: State, context: Context) -> list[float | Failure]:
        """Continue every candidate and look where that leads.

        Raises:
            ConfigError: The endpoint does not continue assistant messages.
        """
        if context.capabilities(self.model).prefix == "unsupported":
            raise ConfigError(
                f"{context.layer}: the endpoint of '{self.model}' is not known to continue assistant messages, which "
                "rollout needs; `archon models probe` finds out whether it does."
            )
        rolled = await gather(
            self._continue(state, candidate, context.fork(index)) for index, candidate in enumerate(state.candidates)
        )
        ends = [[text for text in texts if isinstance(text, str)] for texts in rolled]
        if self.reward is None:
            answers = [[context.answers.extract(text) for text in texts] for texts in ends]
            groups = equivalence_classes([answer for own in answers for answer in own], context.answers)
            scores = [*majority_shares(groups, [len(own) for own in answers])]
            missing = [Failure(context.layer, "parse", "no continuation holds an answer")] * len(ends)
        else:
            scores, missing = await self._verified(self.reward, state, ends, context.fork("reward"))
        failed = (next((f for f in texts if isinstance(f, Failure)), None) for texts in rolled)
        return [
            (reason if texts or lost is None else lost) if score is None else score
            for score, reason, texts, lost in zip(scores, missing, ends, failed, strict=True)
        ]

    def plan(self, candidates: int) -> tuple[Ask, ...] | None:
        """``n`` continuations of each; not known if a model judges them, whose prompts are longer than candidates."""
        if self.reward is not None and self.reward.plan(candidates * self.n) != ():
            return None
        ask = Ask(self.model, requests=candidates, draws=self.n, reads=1, remarks=False, max_tokens=self.max_tokens)
        return (ask,)

    async def _continue(self, state: State, candidate: Candidate, context: Context) -> list[str | Failure]:
        begun = (Message("assistant", candidate.text),) if candidate.text else ()
        outcomes = await context.attempt(self.model, (*state.task.messages, *begun), n=self.n, **self.overrides)
        return [
            Failure.of(context.layer, outcome) if isinstance(outcome, ModelError) else candidate.text + outcome.text
            for outcome in outcomes
        ]

    async def _verified(
        self, reward: RewardField, state: State, ends: Sequence[Sequence[str]], context: Context
    ) -> tuple[list[float | None], list[Failure]]:
        """The mean reward of every candidate's completed texts, and why there is none."""
        completed = [
            replace(candidate, text=text)
            for candidate, texts in zip(state.candidates, ends, strict=True)
            for text in texts
        ]
        given = iter(await reward.score(state.with_candidates(completed), context))
        means: list[float | None] = []
        reasons: list[Failure] = []
        for texts in ends:
            own = [next(given) for _ in texts]
            known = [score for score in own if not isinstance(score, Failure)]
            means.append(sum(known) / len(known) if known else None)
            unknown = Failure(context.layer, "parse", "no continuation has a score")
            reasons.append(next((score for score in own if isinstance(score, Failure)), unknown))
        return means, reasons


def majority_shares(groups: Sequence[Sequence[int]], counts: Sequence[int]) -> list[float | None]:
    """The share of every candidate's continuations that come to the commonest answer.

    Args:
        groups: Which continuations, numbered through all candidates, come to the same answer.
        counts: How many continuations each candidate has.

    Returns:
        The share for each, the mean over the commonest answers if there are several; ``None`` for a candidate without
        continuations, and for all if no continuation comes to an answer.
    """
    if not groups:
        return [None] * len(counts)
    most = max(map(len, groups))
    commonest = [set(group) for group in groups if len(group) == most]
    shares: list[float | None] = []
    first = 0
    for count in counts:
        own = set(range(first, first + count))
        shares.append(sum(len(own & group) for group in commonest) / (len(commonest) * count) if count else None)
        first += count
    return shares
