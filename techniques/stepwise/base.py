"""What all searches over steps have in common: their settings, and how a search becomes candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from archon.errors import ConfigError
from archon.knobs import ChoiceKnob, IntKnob
from archon.reward import Reward, RewardField
from archon.state import Candidate, Failure, State
from archon.stepwise import Partial, Proposal, Scorer
from archon.technique import Context, ModelRef
from techniques.generate import opening
from techniques.prompts import as_shown
from techniques.steps import Answering
from techniques.stepwise.aggregate import Aggregate, worth
from techniques.stepwise.proposal import Continue
from techniques.stepwise.scorer import ProcessReward
from techniques.stepwise.search import Exhausted, Limit, Search


def _scores_beginnings(reward: Reward) -> Reward:
    reward.for_beginnings()
    return reward


StepReward = Annotated[RewardField, AfterValidator(_scores_beginnings)]
"""A reward that can score the beginning of an answer."""


class Stepwise(Answering, ABC):
    """A search over the steps of an answer.

    Attributes:
        model: Who writes the steps; temperature, top_p and max_tokens are those of one step.
        reward: What scores beginnings of answers.
        delimiter: What ends a step.
        max_steps: The last step of an answer this long runs to the answer's end.
        aggregate: How the scores of an answer's beginnings become its score.
        limit: What a search on one question may use.
        system: Instructions, after the caller's own system message.
    """

    model: ModelRef
    reward: StepReward
    delimiter: Annotated[str, Field(min_length=1)] = "\n\n"
    max_steps: Annotated[int, Field(ge=1), IntKnob(4, 40)] = 20
    aggregate: Annotated[Aggregate, ChoiceKnob(("last", "min", "mean", "product"))] = "last"
    limit: Limit = Limit()
    system: str | None = None

    @abstractmethod
    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """Search.

        Returns:
            Answers, best first. They need not be complete; complete ones go first.

        Raises:
            Exhausted: There is no more to spend; the best found so far is taken.
        """

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by the answers that the search finds, best first.

        Raises:
            ModelError: There is no answer, nor the beginning of one; the first error.
        """
        search = self.begin(state, context)
        try:
            found = list(await self.search(search, context))
        except Exhausted as exhausted:
            search.failures.append(Failure(context.layer, "budget", str(exhausted)))
            found = search.answers()
        complete = [partial for partial in found if partial.complete]
        best = complete or found[:1] or search.answers()[:1] or search.beginnings()[:1]
        if not best:
            if search.errors:
                raise search.errors[0]
            return state.with_candidates(()).with_failures(search.failures)
        if not best[0].complete:
            unfinished = Failure(context.layer, "parse", "no answer was completed; the best beginning was kept")
            search.failures.append(unfinished)
        search.mark(best[:1], "chosen")
        return state.with_candidates(self._candidate(partial, context) for partial in best).with_failures(
            search.failures
        )

    def begin(self, state: State, context: Context) -> Search:
        """A search on a state's question."""
        return Search(
            self.proposal(state, context),
            self.scorer(state, context),
            rng=context.rng,
            limit=self.limit,
            aggregate=self.aggregate,
            ahead=self.ahead(state, context),
            layer=context.layer,
            record=context.record,
        )

    def ahead(self, state: State, context: Context) -> Proposal | None:
        """What writes the steps that are only looked at, for searches that look ahead."""
        return None

    def proposal(self, state: State, context: Context, model: str | None = None) -> Proposal:
        """What writes steps.

        Raises:
            ConfigError: The model's endpoint cannot be brought to.
        """
        model = model or self.model
        if context.capabilities(model).prefix == "unsupported":
            raise ConfigError(
                f"{context.layer}: the endpoint of '{model}' is not known to continue assistant messages, which "
                f"{self.kind} needs; `archon models probe` finds out whether it does."
            )
        return Continue(
            context.fork(f"steps {model}"),
            model,
            opening(as_shown(state), self.system),
            delimiter=self.delimiter,
            most_steps=self.max_steps,
            longest=self.max_tokens,
            sampling=self.sampling,
        )

    def scorer(self, state: State, context: Context) -> Scorer:
        """What scores beginnings."""
        return ProcessReward(
            self.reward,
            state,
            context.fork("reward"),
            delimiter=self.delimiter,
            whole=self.aggregate == "whole",
        )

    @property
    def sampling(self) -> dict[str, Any]:
        """How to draw steps."""
        return self.overrides

    def _candidate(self, partial: Partial, context: Context) -> Candidate:
        origin = f"{context.layer}/{self.model}#{partial.node}"
        return Candidate(partial.text.strip(), origin, score=worth(partial, self.aggregate))
