"""Search several subtrees that know nothing of each other, each greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from archon.knobs import ChoiceKnob, IntKnob
from archon.state import State
from archon.stepwise import Partial, Proposal
from archon.technique import Context, Plan
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.base import Stepwise
from techniques.stepwise.plan import plan_of_rounds
from techniques.stepwise.search import Search


class Dvts(Stepwise, kind="dvts"):
    """Search n / m subtrees that know nothing of each other, each greedily: diverse verifier tree search.

    In every round ``m`` next steps are drawn in each subtree, and the one with the highest score is kept, the first of
    equals; all subtrees advance together. With ``lookahead``, each step is followed by so many more at temperature 0,
    the reward scores the text with them, and they are dropped again; they count against ``limit``. The answers that
    the subtrees arrive at become the candidates, best first; siblings of what was kept do not. A step that fails or has
    no score is recorded and passed over, and a subtree in which all steps fail ends. Cost: at most
    n x max_steps steps, (1 + lookahead) times as many when it looks ahead, and the reward's.

    Source: Beeching et al. 2024 (Scaling test-time compute with open models, Hugging Face), who take the best of all
    last siblings; look-ahead as in Snell et al. 2024 (arXiv:2408.03314).
    """

    calls: ClassVar[str] = "at most n × (1 + lookahead) × max_steps, plus the reward's"

    n: Annotated[int, Field(ge=1), ChoiceKnob((4, 8, 16, 32, 64))] = 16
    m: Annotated[int, Field(ge=1), ChoiceKnob((2, 4))] = 4
    lookahead: Annotated[int, Field(ge=0), IntKnob(0, 3)] = 0

    @model_validator(mode="after")
    def _divides(self) -> Dvts:
        if self.n % self.m:
            raise ValueError(f"n is {self.n}, which has to be a multiple of m, {self.m}")
        return self

    def plan(self, candidates: int) -> Plan | None:
        """``m`` steps per round and subtree; not known if it looks ahead, which depends on what it finds there."""
        if self.lookahead:
            return None
        trees = self.n // self.m
        return plan_of_rounds(self, (trees, self.m), (trees, self.m), trees)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """At most n / m answers."""
        return await dvts(search, n=self.n, m=self.m, lookahead=self.lookahead)

    def ahead(self, state: State, context: Context) -> Proposal | None:
        """The same model at temperature 0."""
        if not self.lookahead:
            return None
        return self.model_copy(update={"temperature": 0.0}).proposal(state, context.fork("lookahead"))


async def dvts(search: Search, *, n: int, m: int, lookahead: int = 0) -> list[Partial]:
    """Advance n / m subtrees together, each by the best of ``m`` draws.

    Args:
        search: What to search with; ``search.ahead`` writes what is looked at.
        n: Steps drawn per round while no subtree has come to its end; a multiple of ``m``.
        m: Draws per subtree.
        lookahead: How many steps to look ahead.

    Returns:
        What each subtree arrived at, complete answers first, best first.

    Raises:
        Exhausted: There is no more to spend.
    """
    leaves = [search.root] * (n // m)
    going = list(range(len(leaves)))
    while going:
        families = await _grow(search, [(leaves[tree], m) for tree in going], lookahead)
        grown = [(tree, family) for tree, family in zip(going, families, strict=True) if family]
        for tree, family in grown:
            leaves[tree] = best_first(family, search.aggregate)[0]
        search.mark([leaves[tree] for tree, _ in grown], "kept")
        going = [tree for tree, _ in grown if leaves[tree].open]
    ranked = best_first((leaf for leaf in leaves if leaf.steps), search.aggregate)
    return sorted(ranked, key=lambda leaf: not leaf.complete)


async def _grow(search: Search, wanted: Sequence[tuple[Partial, int]], lookahead: int) -> list[list[Partial]]:
    """Extend and score, each child by what it would become."""
    if not lookahead:
        return await search.grow(wanted)
    families = await search.extend(wanted)
    children = [child for family in families for child in family]
    # At temperature 0 equal texts go on alike, so they are followed once.
    rolled = {(child.text, child.open): child for child in children}
    for _ in range(lookahead):
        open_ = {key: partial for key, partial in rolled.items() if partial.open}
        further = await search.extend([(partial, 1) for partial in open_.values()], search.ahead) if open_ else []
        rolled |= {key: drawn[0] for key, drawn in zip(open_, further, strict=True) if drawn}
    became = dict(zip(rolled, await search.score(list(rolled.values())), strict=True))
    of_each = (became[child.text, child.open] for child in children)
    scored = iter(search.give(children, [None if partial is None else partial.score for partial in of_each]))
    grown = [[next(scored) for _ in family] for family in families]
    return [[child for child in family if child is not None] for family in grown]
