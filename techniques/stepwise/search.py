"""What a search works with: its proposal, its reward, the bounds it keeps and the tree it leaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from archon.concurrency import gather
from archon.errors import ConfigError, ModelError
from archon.knobs import IntKnob
from archon.state import Failure
from archon.stepwise import Partial, Proposal, Scorer
from techniques.stepwise.aggregate import Aggregate, best_first

Record = Callable[[str, Mapping[str, Any]], None]


class Exhausted(Exception):  # noqa: N818 - not an error: a search that has spent all it may ends with what it has
    """A bound of the search, or a budget of the run, does not bear what comes next."""


class Limit(BaseModel):
    """What one search may use; ``None`` is no bound.

    Attributes:
        tokens: Tokens it generates.
        calls: Steps it draws.
        passes: Beginnings that the reward scores; one that was scored before costs nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: Annotated[int | None, Field(ge=1), IntKnob(256, 65536, log=True)] = None
    calls: Annotated[int | None, Field(ge=1), IntKnob(4, 1024, log=True)] = None
    passes: Annotated[int | None, Field(ge=1), IntKnob(4, 1024, log=True)] = None


@dataclass(slots=True)
class Spent:
    """What a search has used so far.

    Attributes:
        tokens: Tokens generated; a step whose tokens nobody counted is taken for the most it can have had.
        calls: Steps drawn, failed ones included.
        passes: Beginnings scored.
    """

    tokens: int = 0
    calls: int = 0
    passes: int = 0


class Search:
    """One search on one question.

    Everything that is asked together is asked for in one call of :meth:`grow`, :meth:`extend` or :meth:`score`, and
    what it may cost is settled before anything is sent. So bounds are never passed, however much runs at the same time,
    and what a search does depends on no reply's timing.

    Args:
        proposal: Writes steps.
        scorer: Scores beginnings.
        rng: The search's own randomness.
        limit: What it may use.
        aggregate: How the scores of beginnings become one.
        ahead: Writes the steps that are only looked at, for searches that look ahead.
        layer: The path of the layer, for failures.
        record: Where the tree goes, piece by piece: ``tree`` events, whose ``nodes`` are new and whose ``marks`` say
            what became of nodes.

    Attributes:
        root: The empty answer.
        partials: Every beginning that was drawn, by its number in the tree.
        failures: What went missing.
        spent: What was used.
    """

    def __init__(
        self,
        proposal: Proposal,
        scorer: Scorer,
        *,
        rng: random.Random | None = None,
        limit: Limit | None = None,
        aggregate: Aggregate = "last",
        ahead: Proposal | None = None,
        layer: str = "",
        record: Record | None = None,
    ) -> None:
        if limit is not None and limit.tokens is not None and proposal.longest is None:
            raise ConfigError("A search with a limit of tokens needs to know how long a step can be: give max_tokens.")
        self.proposal = proposal
        self.scorer = scorer
        self.rng = rng or random.Random(0)
        self.limit = limit or Limit()
        self.aggregate = aggregate
        self.ahead = ahead
        self.root = Partial()
        self.partials: list[Partial] = [self.root]
        self.failures: list[Failure] = []
        self.errors: list[ModelError] = []
        self.spent = Spent()
        self._layer = layer
        self._record = record
        self._scores: dict[tuple[str, bool], float | Failure] = {}

    async def grow(
        self, wanted: Sequence[tuple[Partial, int]], proposal: Proposal | None = None
    ) -> list[list[Partial]]:
        """Extend partial answers and score what comes of it.

        Args:
            wanted: Open partial answers and how many next steps to draw for each.
            proposal: Who writes them, if not the search's own.

        Returns:
            For each, its scored children in the order of their draws, without those that failed or have no score.

        Raises:
            Exhausted: A bound does not bear all of it. What was drawn before stays in :attr:`partials`.
        """
        families = await self.extend(wanted, proposal)
        scored = iter(await self.score([child for family in families for child in family]))
        grown: list[list[Partial]] = []
        for family in families:
            children = [next(scored) for _ in family]
            grown.append([child for child in children if child is not None])
        return grown

    async def extend(
        self, wanted: Sequence[tuple[Partial, int]], proposal: Proposal | None = None
    ) -> list[list[Partial]]:
        """Like :meth:`grow`, without scores."""
        proposal = proposal or self.proposal
        draws = sum(n for _, n in wanted)
        most = (proposal.longest or 0) * draws
        self._reserve(calls=draws, tokens=most)
        outcomes = await gather(proposal.extend(partial, n) for partial, n in wanted)
        self.spent.tokens -= most
        nodes: list[dict[str, Any]] = []
        families: list[list[Partial]] = []
        broke: Failure | None = None
        for (parent, _), drawn in zip(wanted, outcomes, strict=True):
            family: list[Partial] = []
            for outcome in drawn:
                if isinstance(outcome, ModelError):
                    self.errors.append(outcome)
                    failure = Failure.of(self._layer, outcome)
                    self.failures.append(failure)
                    broke = failure if failure.kind == "budget" else broke
                    continue
                self.spent.tokens += (proposal.longest or 0) if outcome.tokens is None else outcome.tokens
                child = replace(outcome, node=len(self.partials))
                self.partials.append(child)
                family.append(child)
                nodes.append(_node(child, parent))
            families.append(family)
        self._tell(nodes=nodes)
        if broke is not None:
            raise Exhausted(broke.reason)
        return families

    async def score(self, partials: Sequence[Partial], scorer: Scorer | None = None) -> list[Partial | None]:
        """The same partial answers with their scores; ``None`` where there is none, which is recorded.

        Beginnings with the same text are scored once in a search.

        Args:
            partials: What is scored.
            scorer: Who scores, if not the search's own; what it says is not kept for the next time.

        Raises:
            Exhausted: A bound does not bear all of it.
        """
        known = self._scores if scorer is None else {}
        new = list({_key(p): p for p in partials if _key(p) not in known}.values())
        self._reserve(passes=len(new))
        given = await (scorer or self.scorer).score(new) if new else ()
        broke = next((score for score in given if isinstance(score, Failure) and score.kind == "budget"), None)
        for partial, score in zip(new, given, strict=True):
            known[_key(partial)] = score
            if isinstance(score, Failure):
                self.failures.append(score)
        scores = (known[_key(partial)] for partial in partials)
        scored = self.give(partials, [None if isinstance(score, Failure) else score for score in scores])
        if broke is not None:
            raise Exhausted(broke.reason)
        return scored

    def give(self, partials: Sequence[Partial], scores: Sequence[float | None]) -> list[Partial | None]:
        """The same partial answers with scores that are known already; ``None`` where there is none."""
        scored: list[Partial | None] = []
        marks: list[dict[str, Any]] = []
        for partial, score in zip(partials, scores, strict=True):
            if score is None:
                scored.append(None)
                continue
            with_score = partial.with_score(score)
            scored.append(with_score)
            if partial.node:
                self.partials[partial.node] = with_score
                marks.append({"node": partial.node, "score": score})
        self._tell(marks=marks)
        return scored

    def mark(self, partials: Sequence[Partial], said: str) -> None:
        """Note in the tree what became of partial answers, such as ``kept``."""
        self._tell(marks=[{"node": partial.node, "mark": said} for partial in partials])

    def answers(self) -> list[Partial]:
        """The complete answers found so far, best first."""
        return best_first((partial for partial in self.partials if partial.complete), self.aggregate)

    def beginnings(self) -> list[Partial]:
        """What there is that is no complete answer, best first."""
        return best_first((partial for partial in self.partials[1:] if not partial.complete), self.aggregate)

    def _reserve(self, **more: int) -> None:
        """Take what is asked for at most out of the limits, or nothing at all."""
        for what, amount in more.items():
            most, used = getattr(self.limit, what), getattr(self.spent, what)
            if most is not None and used + amount > most:
                raise Exhausted(f"the search's limit of {most} {what} does not bear {amount} more after {used}")
        for what, amount in more.items():
            setattr(self.spent, what, getattr(self.spent, what) + amount)

    def _tell(self, **data: list[dict[str, Any]]) -> None:
        if self._record is not None and any(data.values()):
            self._record("tree", data)


def _key(partial: Partial) -> tuple[str, bool]:
    return partial.text, partial.open


def _node(child: Partial, parent: Partial) -> dict[str, Any]:
    node: dict[str, Any] = {"node": child.node, "parent": parent.node, "step": child.steps[-1]}
    if child.end:
        node["end"] = child.end
    if child.tokens is not None:
        node["tokens"] = child.tokens
    return node
