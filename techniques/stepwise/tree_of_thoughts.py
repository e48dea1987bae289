"""Explore a tree of thoughts, depth first with backtracking or level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.stepwise import Partial
from archon.technique import Context
from techniques.stepwise.aggregate import best_first, without_repeats, worth
from techniques.stepwise.base import Stepwise
from techniques.stepwise.search import Limit, Search
from techniques.stepwise.step_beam import step_beam


class TreeOfThoughts(Stepwise, kind="tree_of_thoughts"):
    """Explore a tree of thoughts, depth first with backtracking (``dfs``) or level by level (``bfs``).

    Of a beginning ``k`` next steps are drawn, the thoughts; equal ones count once. Depth first, thoughts with a score
    below ``threshold`` are pruned, the best of the others is followed to its end before the next is tried, and the
    search ends with ``paths`` complete answers or when nothing is left. Level by level, the ``breadth`` best of a level
    are kept, complete answers among them, until all that are kept are complete. The answers become the candidates, best
    first. A step that fails or has no score is recorded and passed over. Cost: ``bfs`` at most breadth x k x max_steps
    steps, ``dfs`` k steps per beginning it visits, both within ``limit``, 256 steps if that is not given, and the
    reward's.

    Source: Yao et al. 2023 (Tree of Thoughts, arXiv:2305.10601), with independent draws as thoughts and a reward in the
    place of its prompts that propose and value. Following the best thought first is theirs; keeping complete answers
    among the best of a level is this project's choice, since their tasks end at a fixed depth.
    """

    calls: ClassVar[str] = "k per beginning that is visited within limit, plus the reward's"

    method: Annotated[Literal["dfs", "bfs"], ChoiceKnob(("dfs", "bfs"))] = "dfs"
    k: Annotated[int, Field(ge=1), IntKnob(2, 8)] = 3
    threshold: Annotated[float, Field(allow_inf_nan=False), FloatKnob(0.0, 0.9)] = 0.4
    paths: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 3
    breadth: Annotated[int, Field(ge=1), IntKnob(1, 8)] = 5
    max_steps: Annotated[int, Field(ge=1), IntKnob(2, 16)] = 8
    limit: Limit = Limit(calls=256)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """At most ``paths`` or ``breadth`` answers."""
        if self.method == "bfs":
            return await step_beam(search, beams=self.breadth, samples=self.k, first=self.k)
        return await depth_first(search, k=self.k, threshold=self.threshold, paths=self.paths)


async def depth_first(search: Search, *, k: int, threshold: float, paths: int) -> list[Partial]:
    """Follow the best thought first, and go back to the next best where a path ends.

    Args:
        search: What to search with.
        k: Draws per beginning.
        threshold: Scores below it are not followed.
        paths: How many complete answers are enough.

    Returns:
        The complete answers, best first; nothing if all was pruned or failed.

    Raises:
        Exhausted: There is no more to spend.
    """
    answers: list[Partial] = []
    stack = [search.root]
    while stack and len(answers) < paths:
        partial = stack.pop()
        if partial.complete:
            answers.append(partial)
        elif partial.open:
            (children,) = await search.grow([(partial, k)])
            search.mark([partial], "expanded")
            thoughts = best_first(without_repeats(children), search.aggregate)
            followed = [child for child in thoughts if (worth(child, search.aggregate) or 0.0) >= threshold]
            search.mark(thoughts[len(followed) :], "pruned")
            stack += reversed(followed)
    return best_first(answers, search.aggregate)
