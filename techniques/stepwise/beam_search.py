"""Follow several beginnings of an answer at once, and after every step keep the best of all that came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from archon.knobs import ChoiceKnob
from archon.stepwise import Partial
from archon.technique import Context, Plan
from techniques.stepwise.aggregate import best_first, without_repeats
from techniques.stepwise.base import Stepwise
from techniques.stepwise.plan import plan_of_rounds
from techniques.stepwise.search import Search


class BeamSearch(Stepwise, kind="beam_search"):
    """Follow several beginnings of an answer at once, and after every step keep the best of all that came of them.

    ``n`` next steps are drawn in every round, the first included, and the n / m beginnings with the highest scores are
    kept, the earlier of equals first; each is continued with ``m`` draws. A complete answer that is kept leaves the
    pool and holds its place: there is one beginning less to continue, and ``m`` draws fewer per round. With
    ``distinct``, equal texts count once, and where there are fewer beginnings than places the draws are spread over
    those there are. It ends when all places are taken by complete answers, which become the candidates, best first. A
    step that fails or has no score is recorded and passed over. Cost: at most n x max_steps steps, and the reward's.

    Source: Snell et al. 2024 (arXiv:2408.03314), beam search against a process reward. Its implementation in
    search-and-learn takes every complete answer out before it selects; that a complete answer has to be among the
    best, and holds a place, is this project's choice.
    """

    calls: ClassVar[str] = "at most n × max_steps, plus the reward's"

    n: Annotated[int, Field(ge=1), ChoiceKnob((4, 8, 16, 32, 64))] = 16
    m: Annotated[int, Field(ge=1), ChoiceKnob((2, 4))] = 4
    distinct: Annotated[bool, ChoiceKnob((False, True))] = True

    @model_validator(mode="after")
    def _divides(self) -> BeamSearch:
        if self.n % self.m:
            raise ValueError(f"n is {self.n}, which has to be a multiple of m, {self.m}")
        return self

    def plan(self, candidates: int) -> Plan | None:
        """``n`` steps per round, ``m`` each of n / m beginnings."""
        return plan_of_rounds(self, (1, self.n), (self.n // self.m, self.m), self.n // self.m)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """At most n / m answers."""
        return await beam_search(search, n=self.n, m=self.m, distinct=self.distinct)


async def beam_search(search: Search, *, n: int, m: int, distinct: bool = True) -> list[Partial]:
    """Keep n / m beginnings, and continue each with ``m`` draws.

    Args:
        search: What to search with.
        n: Steps drawn per round while no answer is complete; a multiple of ``m``.
        m: Draws per beginning.
        distinct: Whether beginnings with equal texts count once.

    Returns:
        What ended, best first, then beginnings after which all steps failed.

    Raises:
        Exhausted: There is no more to spend.
    """
    done: list[Partial] = []
    beams = [search.root]
    while True:
        places = n // m - len(done)
        families = await search.grow(shares(beams, places * m))
        children = [child for family in families for child in family]
        if not children:
            break
        kept = best_first(without_repeats(children) if distinct else children, search.aggregate)[:places]
        search.mark(kept, "kept")
        done += [child for child in kept if not child.open]
        beams = [child for child in kept if child.open]
        if not beams:
            return best_first(done, search.aggregate)
    return [*best_first(done, search.aggregate), *(beam for beam in beams if beam.steps)]


def shares(beams: Sequence[Partial], draws: int) -> list[tuple[Partial, int]]:
    """Spread draws evenly, one more for earlier beginnings where they do not come out even."""
    each, more = divmod(draws, len(beams))
    return [(beam, each + (place < more)) for place, beam in enumerate(beams)]
