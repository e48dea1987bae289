"""Bounds that no search passes, whatever its settings, and what is left when they end it."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ModelError, TransientError
from archon.state import Failure
from archon.stepwise import Partial
from archon.testing_stepwise import ToyTree
from techniques.stepwise.a_star import a_star, waiting
from techniques.stepwise.beam_search import beam_search
from techniques.stepwise.dvts import dvts
from techniques.stepwise.search import Exhausted, Limit, Search
from techniques.stepwise.step_beam import step_beam
from techniques.stepwise.tree_of_thoughts import depth_first

SMALL = st.integers(1, 4)
SEARCHES: st.SearchStrategy[Callable[[Search], Coroutine[Any, Any, list[Partial]]]] = st.one_of(
    st.builds(lambda k, m, alike: lambda s: beam_search(s, n=k * m, m=m, unlike=alike), SMALL, SMALL, st.booleans()),
    st.builds(lambda k, m: lambda s: step_beam(s, beams=k, samples=m, first=m), SMALL, SMALL),
    st.builds(lambda k, m, a: lambda s: dvts(s, n=k * m, m=m, lookahead=a), SMALL, SMALL, st.integers(0, 2)),
    st.builds(
        lambda k, weight, cost: lambda s: a_star(s, waiting(s, weight), k=k, cost=cost),
        SMALL,
        st.floats(0, 4),
        st.sampled_from(["1-r", "-log r"]),
    ),
    st.builds(
        lambda k, threshold, paths: lambda s: depth_first(s, k=k, threshold=threshold, paths=paths),
        SMALL,
        st.floats(0, 1),
        SMALL,
    ),
)
BOUND = st.none() | st.integers(1, 60)


class Ledger:
    """A world that keeps its own account, with steps of 1 to 3 tokens, some that fail and some without a score."""

    longest = 3

    def __init__(self, tree: ToyTree, trouble: float) -> None:
        self._tree = tree
        self._trouble = trouble
        self._rng = random.Random(0)
        self.calls = self.tokens = self.passes = 0

    async def extend(self, partial: Partial, n: int) -> list[Partial | ModelError]:
        assert partial.open
        self.calls += n
        outcomes: list[Partial | ModelError] = []
        for child in await self._tree.extend(partial, n):
            if self._rng.random() < self._trouble:
                outcomes.append(TransientError("no reply", reason="server"))
                continue
            tokens = self._rng.randint(1, 3)
            self.tokens += tokens
            outcomes.append(partial.then(child.steps[-1], end=child.end, tokens=tokens))
        return outcomes

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        self.passes += len(partials)
        return [
            Failure("", "parse", "unreadable") if self._rng.random() < self._trouble else score
            for score in await self._tree.score(partials)
        ]


@given(
    SEARCHES,
    st.builds(Limit, tokens=BOUND, calls=BOUND, passes=BOUND),
    st.builds(ToyTree, SMALL, st.integers(1, 3), stops=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 999)),
    st.sampled_from([0.0, 0.2, 1.0]),
)
def test_no_search_passes_a_bound(
    begin: Callable[[Search], Coroutine[Any, Any, list[Partial]]], limit: Limit, tree: ToyTree, trouble: float
) -> None:
    ledger = Ledger(tree, trouble)
    search = Search(ledger, ledger, ahead=ledger, limit=limit)
    try:
        found = run_sync(begin(search))
    except Exhausted:
        assert limit != Limit()
        found = search.answers()
    for what, most in limit:
        used = getattr(ledger, what)
        assert used == getattr(search.spent, what)
        assert most is None or used <= most
    assert all(partial in search.partials for partial in found)
    complete = [partial.complete for partial in found]
    assert complete == sorted(complete, reverse=True)


@given(SEARCHES, st.builds(ToyTree, SMALL, st.integers(1, 3), stops=st.just(0.3), seed=st.integers(0, 999)))
def test_the_same_draws_lead_to_the_same_answers(
    begin: Callable[[Search], Coroutine[Any, Any, list[Partial]]], tree: ToyTree
) -> None:
    outcomes = []
    for _ in range(2):
        ledger = Ledger(tree, 0.2)
        tree._rng.seed(0)
        outcomes.append(run_sync(begin(Search(ledger, ledger, ahead=ledger))))
    assert outcomes[0] == outcomes[1]
