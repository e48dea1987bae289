"""What all searches over steps have in common: their settings, and how a search becomes candidates."""

from __future__ import annotations

import re
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
from techniques.stepwise.proposal import STEP, Form, StepPrompt, Steps, writing
from techniques.stepwise.scorer import ProcessReward
from techniques.stepwise.search import Exhausted, Limit, Search


def _scores_beginnings(reward: Reward) -> Reward:
    reward.for_beginnings()
    return reward


StepReward = Annotated[RewardField, AfterValidator(_scores_beginnings)]
"""A reward that can score the beginning of an answer."""


class Stepping(Answering, ABC):
    """A technique that writes its answer step by step.

    Attributes:
        model: Who writes the steps; temperature, top_p and max_tokens are those of one step, or of a whole answer where
            answers are split.
        steps: How steps are written. ``continue`` has the endpoint continue its own answer, ``complete`` has it
            continue a text, which is the conversation and the answer so far as the model's ``template`` lays them out,
            ``ask`` asks for the next step with the answer so far in the question, and ``split`` draws whole answers and
            takes them apart. ``auto`` is ``continue`` where the endpoint is known to do that, else ``complete`` where
            it is known to do that, and ``ask`` elsewhere.
        delimiter: What ends a step; it takes the place of stop strings of the model's own.
        ends: A regular expression; the first step in which it is found is an answer's last.
        max_steps: The last step of an answer this long runs to the answer's end.
        limit: What a search on one question may use; a step is begun if the most tokens it can take are left, which are
            those of a whole answer where answers are split.
        system: Instructions, after the caller's own system message.
        step_prompt: The prompt of ``ask``, which ``split`` uses as well where the endpoint does not continue.
    """

    model: ModelRef
    steps: Steps = "auto"
    delimiter: Annotated[str, Field(min_length=1)] = "\n\n"
    ends: re.Pattern[str] | None = None
    max_steps: Annotated[int, Field(ge=1), IntKnob(4, 40)] = 20
    limit: Limit = Limit()
    system: str | None = None
    step_prompt: StepPrompt = None

    @abstractmethod
    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """Search.

        Returns:
            Answers, best first. They need not be complete; complete ones go first.

        Raises:
            Exhausted: There is no more to spend; the best found so far is taken.
        """

    @abstractmethod
    def scorer(self, state: State, context: Context) -> Scorer:
        """What scores beginnings."""

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
        candidates = [self._candidate(partial, search, context) for partial in best]
        return state.with_candidates(candidates).with_failures(search.failures)

    def begin(self, state: State, context: Context, aggregate: Aggregate = "last") -> Search:
        """A search on a state's question."""
        return Search(
            self.proposal(state, context),
            self.scorer(state, context),
            rng=context.rng,
            limit=self.limit,
            aggregate=aggregate,
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
        form = Form(
            delimiter=self.delimiter,
            most_steps=self.max_steps,
            longest=self.max_tokens,
            sampling=self.sampling,
            ends=self.ends,
            prompt=self.step_prompt or STEP,
        )
        messages = opening(as_shown(state), self.system)
        capabilities = context.capabilities(model)
        written = writing(self.steps, context.fork(f"steps {model}"), model, messages, form, capabilities)
        if written is None and self.steps == "complete":
            raise ConfigError(
                f"{context.layer}: `steps: complete` needs the chat template of '{model}': name one in the model's "
                "settings, as in `template: chatml`, or give its pieces."
            )
        if written is None:
            raise ConfigError(
                f"{context.layer}: the endpoint of '{model}' is not known to continue assistant messages; "
                "`archon models probe` finds out whether it does, and `steps: ask` or `steps: split` do without."
            )
        return written

    @property
    def sampling(self) -> dict[str, Any]:
        """How to draw steps."""
        return self.overrides

    def _candidate(self, partial: Partial, search: Search, context: Context) -> Candidate:
        origin = f"{context.layer}/{self.model}#{partial.node}"
        return Candidate(partial.text.strip(), origin, score=worth(partial, search.aggregate))


class Stepwise(Stepping, ABC):
    """A search over the steps of an answer that a reward guides.

    Attributes:
        reward: What scores beginnings of answers.
        aggregate: How the scores of an answer's beginnings become its score.
    """

    reward: StepReward
    aggregate: Annotated[Aggregate, ChoiceKnob(("last", "min", "mean", "product"))] = "last"

    def begin(self, state: State, context: Context, aggregate: Aggregate | None = None) -> Search:
        """A search on a state's question."""
        return super().begin(state, context, aggregate or self.aggregate)

    def scorer(self, state: State, context: Context) -> Scorer:
        """What scores beginnings."""
        return ProcessReward(
            self.reward,
            state,
            context.fork("reward"),
            delimiter=self.delimiter,
            whole=self.aggregate == "whole",
        )
