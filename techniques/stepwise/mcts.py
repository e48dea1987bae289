"""Monte Carlo tree search over the steps of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.state import Failure
from archon.stepwise import Partial
from archon.technique import Context
from techniques.stepwise.aggregate import worth
from techniques.stepwise.base import Stepwise
from techniques.stepwise.rollouts import roll_out
from techniques.stepwise.search import Exhausted, Search
from techniques.stepwise.tree_search import Backup, Formula, Node, Selection, most_visited, simulate

Take = Literal["visits", "reward"]
"""Which answers go first: those down the most visited path, or those with the highest reward."""


class MCTS(Stepwise, kind="mcts"):
    """Monte Carlo tree search over the steps of an answer.

    Every iteration goes down the tree from the empty answer, at each beginning to a next step that was not tried yet
    or else to the one that `formula` finds most promising, until it reaches a beginning that was not visited or the end
    of an answer. That is valued, and its value told to all beginnings on the way (`backup`). The value is the reward of
    the beginning or, with `rollouts` above 0, the mean reward of so many answers that begin like this. A beginning gets
    its `branching` next steps when it is visited for the second time; with `widening` a above 0 it may have
    branching·N^a of them after N visits. Steps that are the same count as one. Priors are the proposal's
    probabilities where it reports log-probabilities of steps, and else a step's share of the draws. `exploration` is
    meant for rewards from 0 to 1.

    With `take: visits` the answer is the one down the most visited path, which is written on to its end if it has none
    yet; with `take: reward` it is the complete answer with the highest reward. `keep` answers are left, best first.
    A search that has used up its limit takes the highest reward. Cost: at most iterations × branching + max_steps
    steps without widening, and max_steps × rollouts more per iteration with rollouts; one score per iteration, or one
    per rollout.

    Source: Kocsis and Szepesvári 2006 (Bandit based Monte-Carlo Planning), UCT; Silver et al. 2017 (AlphaGo Zero), PUCT
    without its network; Coulom 2007 for progressive widening; over steps of a language model as in Hao et al. 2023
    (RAP, arXiv:2305.14992). Trying every step before any is repeated, also with PUCT, is this framework's choice.
    """

    calls: ClassVar[str] = "at most iterations × (branching + rollouts × max_steps) + max_steps, plus the reward's"

    iterations: Annotated[int, Field(ge=1), IntKnob(4, 256, log=True)] = 16
    branching: Annotated[int, Field(ge=1), IntKnob(2, 8)] = 3
    widening: Annotated[float, Field(ge=0, le=1), FloatKnob(0.0, 0.7)] = 0.0
    formula: Annotated[Formula, ChoiceKnob(("uct", "puct"))] = "uct"
    exploration: Annotated[float, Field(ge=0, allow_inf_nan=False), FloatKnob(0.1, 3.0, log=True)] = 1.0
    backup: Annotated[Backup, ChoiceKnob(("mean", "max"))] = "mean"
    rollouts: Annotated[int, Field(ge=0), IntKnob(0, 8)] = 0
    take: Annotated[Take, ChoiceKnob(("visits", "reward"))] = "visits"
    keep: Annotated[int, Field(ge=1)] = 1

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """The answers that are kept."""
        try:
            found = await mcts(
                search,
                iterations=self.iterations,
                branching=self.branching,
                widening=self.widening,
                selection=Selection(self.formula, self.exploration, self.backup),
                rollouts=self.rollouts,
                take=self.take,
            )
        except Exhausted as exhausted:
            search.failures.append(Failure(context.layer, "budget", str(exhausted)))
            found = search.answers()
        return found[: self.keep]


async def mcts(
    search: Search,
    *,
    iterations: int,
    branching: int,
    widening: float = 0.0,
    selection: Selection | None = None,
    rollouts: int = 0,
    take: Take = "visits",
) -> list[Partial]:
    """Search the tree and order the answers that were found.

    Args:
        search: What to search with.
        iterations: How many beginnings or ends are valued.
        branching: How many next steps a beginning gets.
        widening: The exponent by which that grows with its visits.
        selection: How to choose between steps that were tried.
        rollouts: How many rollouts value a beginning; with 0 its reward does.
        take: Which answers go first.

    Returns:
        Different answers, complete ones first; only a beginning if no answer could be completed.

    Raises:
        Exhausted: There is no more to spend.
    """
    selection = selection or Selection()
    steps = Steps(search, branching, widening, rollouts)
    root = Node(search.root)
    for _ in range(iterations):
        node = await simulate(root, steps, selection)
        if node is not None:
            search.mark([node.state], "visited")
        if root.closed:
            break
    return await _answers(search, root, selection.backup, take)


class Steps:
    """The steps of an answer as a :class:`techniques.stepwise.tree_search.World`.

    Args:
        search: What to draw and score with.
        branching: How many next steps a beginning gets.
        widening: The exponent by which that grows with its visits.
        rollouts: How many rollouts value a beginning; with 0 its reward does.
    """

    opposed = False

    def __init__(self, search: Search, branching: int, widening: float, rollouts: int) -> None:
        self._search = search
        self._branching = branching
        self._widening = widening
        self._rollouts = rollouts

    def ended(self, node: Node[Partial]) -> bool:
        """Whether the answer is complete or cut off."""
        return not node.state.open

    async def expand(self, node: Node[Partial]) -> None:
        """Draw as many more next steps as the beginning should have by now."""
        # Powers of whole numbers come out a little below what they are.
        most = math.floor(self._branching * max(node.visits, 1) ** self._widening + 1e-9)
        if most <= node.asked:
            return
        (drawn,) = await self._search.extend([(node.state, most - node.asked)])
        node.asked = most
        known = {_key(child.state): child for child in node.children}
        for partial in drawn:
            if (child := known.get(_key(partial))) is None:
                child = known[_key(partial)] = Node(partial, node)
                node.children.append(child)
            child.draws += 1
        _set_priors(node.children)

    async def evaluate(self, node: Node[Partial]) -> float | None:
        """The reward of the beginning or answer, or the mean reward of its rollouts."""
        if self._rollouts and node.state.open:
            (ends,) = await roll_out(self._search, [(node.state, self._rollouts)])
            values = [worth(end, self._search.aggregate) for end in await self._scored(ends)]
            known = [value for value in values if value is not None]
            return math.fsum(known) / len(known) if known else None
        scored = await self._scored([node.state])
        if not scored:
            return None
        (node.state,) = scored
        return worth(node.state, self._search.aggregate)

    async def _scored(self, partials: Sequence[Partial]) -> list[Partial]:
        return [partial for partial in await self._search.score(partials) if partial is not None]


def _key(partial: Partial) -> tuple[str, bool]:
    return partial.text, partial.open


def _set_priors(children: Sequence[Node[Partial]]) -> None:
    """What the proposal thinks of next steps, in comparison: by their log-probabilities, or else by its draws."""
    logprobs = [child.state.logprob for child in children]
    known = [logprob for logprob in logprobs if logprob is not None]
    if len(known) == len(children):
        weights = [math.exp(logprob - max(known)) for logprob in known]
    else:
        weights = [float(child.draws) for child in children]
    for child, weight in zip(children, weights, strict=True):
        child.prior = weight / math.fsum(weights)


async def _answers(search: Search, root: Node[Partial], backup: Backup, take: Take) -> list[Partial]:
    """The answers that were found, one of each, those that are to be taken first in front."""
    by_reward = [answer for answer in search.answers() if answer.score is not None]
    by_visits: list[Partial] = []
    if take == "visits" or not by_reward:
        by_visits = [*await _down_the_most_visited(search, root, backup), *_ends(root, backup)]
    found: dict[str, Partial] = {}
    for partial in (*by_visits, *by_reward):
        found.setdefault(partial.text, partial)
    return sorted(found.values(), key=lambda partial: not partial.complete)


async def _down_the_most_visited(search: Search, root: Node[Partial], backup: Backup) -> list[Partial]:
    """The answer at the end of the most visited path; if that breaks off, its best rollout, or a last one."""
    node = root
    while following := most_visited(node, backup):
        node = following[0]
    partial = node.state
    if not partial.steps or not partial.open:
        return [partial] if partial.steps else []
    begins = [answer for answer in search.answers() if answer.steps[: len(partial.steps)] == partial.steps]
    if begins and begins[0].score is not None:
        return begins[:1]
    (ends,) = await roll_out(search, [(partial, 1)])
    scored = [end for end in await search.score(ends) if end is not None]
    return scored or [partial]


def _ends(root: Node[Partial], backup: Backup) -> list[Partial]:
    """The ends of answers that were visited, most visits first; among equals the better first."""
    ends: list[Node[Partial]] = []
    inner = [root]
    for node in inner:
        for child in most_visited(node, backup):
            (inner if child.state.open else ends).append(child)
    return [end.state for end in sorted(ends, key=lambda end: (-end.visits, -end.value(backup)))]
