"""Order candidates by comparing them two at a time and keep the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archon.bradley_terry import Pair, best_first, shares_of
from archon.concurrency import gather
from archon.errors import BudgetExhausted, ModelError
from archon.knobs import ChoiceKnob, IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render
from techniques.ranking.pairwise import PROMPT, parse_preference, settle
from techniques.ranking.schedules import Schedule, advance, all_pairs, knockout, pivot, rounds, swiss

SWISS_COMPARISONS = 3


class Tournament(Sampled, kind="tournament"):
    """Order candidates by comparing them two at a time and keep the best.

    The judge sees two candidates in both orders, with the remarks on them; if it contradicts itself, that is a tie. It
    compares before it decides, so ``max_tokens`` has to leave room for a few sentences. Who meets whom is the
    ``method``'s, for n candidates:

    - ``swiss``: a knockout, then neighbours in the standings; 3 n comparisons, or ``comparisons`` if given
    - ``all_pairs``: everybody meets everybody, all at once; n (n - 1) / 2 comparisons
    - ``knockout``: single elimination; n - 1 comparisons
    - ``pivot``: a knockout, then everybody meets the k = ``pivots`` that stood longest; n - 1 + k (n - k) +
      k (k - 1) / 2 comparisons at most

    No pair meets twice, and ``comparisons`` bounds them all. Candidates are ordered by Bradley-Terry strength, equal
    ones as they were; the score is the probability of beating another candidate, averaged over the others. A
    comparison that fails or cannot be read is recorded and counts for neither. When a budget is used up, the
    comparisons made so far decide; if there are none, the layer fails. Cost: 2 completions per comparison.

    Source: knockout and all pairs as in Chen et al. 2024 (arXiv:2411.19477); both orders as in Qin et al. 2023
    (Pairwise Ranking Prompting, arXiv:2306.17563); Swiss refinement as in Singh et al. 2026 (arXiv:2603.04304); pivots
    after the llm-verifier package, with a knockout in place of its ring (unverified).

    Example:
        - generate: {model: solver, n: 8}
        - tournament: {model: judge, method: knockout, keep: 1}
    """

    calls: ClassVar[str] = "2 per comparison"

    model: ModelRef
    method: Annotated[
        Literal["swiss", "all_pairs", "knockout", "pivot"], ChoiceKnob(("swiss", "all_pairs", "knockout", "pivot"))
    ] = "swiss"
    comparisons: Annotated[int | None, Field(ge=1)] = None
    pivots: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 2
    keep: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 5
    prompt: CandidatesPrompt = None

    async def __call__(self, state: State, context: Context) -> State:
        """Play the tournament and keep the first ``keep``."""
        count = len(state.candidates)
        if count == 1:
            return state
        schedule, left = self._schedule(count), self._most(count)
        outcomes: dict[Pair, float] = {}
        missing: list[ModelError | Failure] = []
        pairs = advance(schedule)[:left]
        while pairs and not any(isinstance(what, BudgetExhausted) for what in missing):
            left -= len(pairs)
            # The two orders of a pair are asked next to each other, so that a budget ends between pairs if it can.
            asked = [shown for pair in pairs for shown in (pair, pair[::-1])]
            verdicts = await gather(self._compare(state, shown, context) for shown in asked)
            missing += [verdict for verdict in verdicts if not isinstance(verdict, float)]
            points = [verdict if isinstance(verdict, float) else None for verdict in verdicts]
            settled = zip(pairs, map(settle, points[::2], points[1::2]), strict=True)
            new = {pair: won for pair, won in settled if won is not None}
            outcomes |= new
            pairs = advance(schedule, new)[:left]
        return self._outcome(state, context.layer, outcomes, missing)

    def plan(self, candidates: int) -> Plan:
        """Two requests per comparison, one step per round; none about a single candidate."""
        if candidates < 2:
            return Plan((), candidates)
        most = self._most(candidates)
        asks: list[Ask] = []
        for step, size in enumerate(self._rounds(candidates, most)):
            ask = Ask(
                self.model,
                requests=2 * size,
                step=step,
                words=self.prompt or PROMPT,
                reads=2,
                max_tokens=self.max_tokens,
            )
            asks.append(ask)
        certain = sum(ask.requests for ask in asks[:-1])
        asks[-1] = replace(asks[-1], most=2 * most - certain)
        return Plan(tuple(asks), min(self.keep, candidates))

    def _schedule(self, count: int) -> Schedule:
        match self.method:
            case "swiss":
                return swiss(count)
            case "all_pairs":
                return all_pairs(count)
            case "knockout":
                return knockout(count)
            case "pivot":
                return pivot(count, self.pivots)

    def _most(self, count: int) -> int:
        """How many comparisons there may be."""
        every, k = count * (count - 1) // 2, min(self.pivots, count)
        by_method = {
            "swiss": SWISS_COMPARISONS * count if self.comparisons is None else self.comparisons,
            "all_pairs": every,
            "knockout": count - 1,
            "pivot": count - 1 + k * (count - k) + k * (k - 1) // 2,
        }
        return min(every, by_method[self.method], every if self.comparisons is None else self.comparisons)

    def _rounds(self, count: int, most: int) -> list[int]:
        """How many comparisons each round is expected to have."""
        # To play out a Swiss tournament would be to fit a model in every round.
        swiss_rounds = chain(rounds(knockout(count)), repeat(count // 2))
        later: Iterable[int] = swiss_rounds if self.method == "swiss" else rounds(self._schedule(count))
        sizes: list[int] = []
        for size in later:
            sizes.append(min(size, most - sum(sizes)))
            if sum(sizes) == most:
                break
        return sizes

    async def _compare(self, state: State, shown: Pair, context: Context) -> float | ModelError | Failure:
        """The points of the candidate that is shown first, or why there are none."""
        prompt = render(
            self.prompt or PROMPT,
            question=as_shown(state).question,
            candidates=listing([state.candidates[index] for index in shown]),
        )
        branch = context.fork(f"{shown[0]}-{shown[1]}")
        try:
            (reply,) = await branch.sample(self.model, conversation(state.task, prompt), **self.overrides)
        except ModelError as error:
            return error
        points = parse_preference(reply.text)
        return Failure(context.layer, "parse", f"no preference in {reply.text[-60:]!r}") if points is None else points

    def _outcome(
        self, state: State, layer: str, outcomes: Mapping[Pair, float], missing: Sequence[ModelError | Failure]
    ) -> State:
        """The candidates in the order that the comparisons give, with what is missing among them."""
        errors = [what for what in missing if isinstance(what, ModelError)]
        if errors and not outcomes:
            raise errors[0]
        # A budget that is used up refuses all that is left, for one reason.
        reasons = [what if isinstance(what, Failure) else Failure.of(layer, what) for what in missing]
        told = [reason for reason in reasons if reason.kind != "budget"]
        told += [
            replace(reason, reason=f"the order rests on {len(outcomes)} comparisons: {reason.reason}")
            for reason in [reason for reason in reasons if reason.kind == "budget"][:1]
        ]
        ranked = list(state.candidates)
        if outcomes:
            scores = shares_of(len(ranked), outcomes)
            ranked = [replace(ranked[index], score=scores[index]) for index in best_first(scores)]
        return state.with_candidates(ranked[: self.keep]).with_failures(told)
