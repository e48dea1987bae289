"""Order candidates by quality with listwise judgements and keep the best."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from archon.bradley_terry import agreed_order
from archon.concurrency import gather
from archon.errors import BudgetExhausted, ModelError
from archon.knobs import IntKnob
from archon.state import Failure, State
from archon.technique import Ask, Context, ModelRef, Plan, Sampled
from techniques.prompts import CandidatesPrompt, as_shown, conversation, listing, render
from techniques.ranking.listwise import shown_orders, windows

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
    """Order candidates by quality with listwise judgements and keep the best.

    The judge sees every candidate with the remarks on it. Candidates it leaves out follow in their earlier order;
    a reply that names none is recorded and leaves the order as it was.

    With several ``passes`` the list is judged that often, side by side: as it is, in reverse, shuffled, in reverse of
    that, and so on, so that a judge's liking for some place in the prompt cancels. The order is then that of the mean
    ranks (of the Bradley-Terry strengths, where windows let only some candidates meet).

    A list longer than ``window`` is ranked in windows that slide from its back to its front, ``step`` places at a
    time (half a window if not given): each reorders its candidates where they stand, and the best ``window - step``
    of them move on to the next. A good judge finds that many of the best in one pass; the rest is roughly ordered.

    A judgement that fails is recorded, and one that a budget does not bear ends its pass; the order is that of the
    judgements there are, and the layer fails if there is none. Cost: 1 completion per pass and window (1 + ⌈(n -
    window) / step⌉ windows for n candidates), none for one candidate.

    Source: Saad-Falcon et al. 2024 (Archon, arXiv:2409.15254), section 3; listwise prompting and windows as in Sun et
    al. 2023 (RankGPT, arXiv:2304.09542); several orders as in Tang et al. 2023 (arXiv:2310.07712).

    Example:
        - generate: {model: solver, n: 8}
        - rank: {model: judge, keep: 5}
        - fuse: {model: judge}
    """

    calls: ClassVar[str] = "1 per pass and window"

    model: ModelRef
    keep: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 5
    passes: Annotated[int, Field(ge=1), IntKnob(1, 5)] = 1
    window: Annotated[int | None, Field(ge=2)] = None
    step: Annotated[int | None, Field(ge=1)] = None
    prompt: CandidatesPrompt = None

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        if self.step is not None and (self.window is None or self.step >= self.window):
            raise ValueError("step must be smaller than window, or good candidates could not move on to the next one")
        return self

    async def __call__(self, state: State, context: Context) -> State:
        """Put the candidates in the judge's order and keep the first ``keep``."""
        count = len(state.candidates)
        if count == 1:
            return state
        orders = shown_orders(count, self.passes, context.rng)
        # The first pass draws as a single one does, so that more passes add to its sample.
        branches = [context, *(context.fork(number) for number in range(1, self.passes))]
        done = await gather(self._judge(state, order, branch) for order, branch in zip(orders, branches, strict=True))
        rankings = [ranking for one in done for ranking in one.rankings]
        errors = [error for one in done for error in one.errors]
        if errors and not rankings:
            raise errors[0]
        order = done[0].order if self.passes == 1 else agreed_order(count, rankings)
        failures = [Failure.of(context.layer, error) for error in errors]
        unread = Failure(context.layer, "parse", "the ranking names no candidate; the order was kept")
        failures += [unread] * sum(one.unread for one in done)
        return state.with_candidates(state.candidates[index] for index in order[: self.keep]).with_failures(failures)

    def plan(self, candidates: int) -> Plan:
        """One request per pass and window, none about a single candidate."""
        if candidates == 1:
            return Plan((), 1)
        asks = tuple(
            Ask(
                self.model,
                requests=self.passes,
                step=number,
                words=self.prompt or PROMPT,
                reads=end - start,
                max_tokens=self.max_tokens,
            )
            for number, (start, end) in enumerate(windows(candidates, self.window, self.step))
        )
        return Plan(asks, min(self.keep, candidates))

    async def _judge(self, state: State, order: Sequence[int], context: Context) -> _Pass:
        """One pass over the candidates, which stand in ``order``."""
        done = _Pass(list(order))
        for start, end in windows(len(order), self.window, self.step):
            shown = done.order[start:end]
            prompt = render(
                self.prompt or PROMPT,
                count=str(len(shown)),
                question=as_shown(state).question,
                candidates=listing([state.candidates[index] for index in shown]),
            )
            try:
                (reply,) = await context.sample(self.model, conversation(state.task, prompt), **self.overrides)
            except ModelError as error:
                done.errors.append(error)
                if isinstance(error, BudgetExhausted):
                    break
                continue
            ranking = parse_ranking(reply.text, len(shown))
            if ranking is None:
                done.unread += 1
                continue
            done.order[start:end] = [shown[index] for index in ranking]
            done.rankings.append(done.order[start:end])
        return done


@dataclass(slots=True)
class _Pass:
    """One pass over the candidates.

    Attributes:
        order: The positions of the candidates, best first as far as was judged.
        rankings: What each window was ranked to.
        errors: Judgements that failed.
        unread: How many judgements could not be read.
    """

    order: list[int]
    rankings: list[list[int]] = field(default_factory=list)
    errors: list[ModelError] = field(default_factory=list)
    unread: int = 0


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
