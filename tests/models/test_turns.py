"""One local model at a time: parties take turns, requests of one party go together."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.models.turns import Turns


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.booleans()), min_size=1, max_size=25),
    st.integers(0, 99),
)
def test_never_two_parties_and_everybody_comes_in(visits: list[tuple[str, int, bool]], seed: int) -> None:
    """Under any arrivals and cancellations."""
    rng = random.Random(seed)

    async def run() -> int:
        turns, inside, came = Turns(), list[str](), 0

        async def visit(party: str, steps: int) -> None:
            nonlocal came
            async with turns.turn(party):
                inside.append(party)
                try:
                    for _ in range(steps):
                        assert len(set(inside)) == 1
                        await asyncio.sleep(0)
                finally:
                    inside.remove(party)
                came += 1

        jobs = []
        for party, steps, cancelled in visits:
            job = asyncio.create_task(visit(party, steps))
            jobs.append((job, cancelled))
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        for job, cancelled in jobs:
            if cancelled:
                job.cancel()
        await asyncio.wait_for(asyncio.gather(*(job for job, _ in jobs), return_exceptions=True), 5)
        assert all(job.cancelled() or job.exception() is None for job, _ in jobs)
        # Whatever was cancelled, the door still opens for everybody.
        await asyncio.wait_for(asyncio.gather(*(visit(party, 1) for party in "abc")), 5)
        return came

    assert asyncio.run(run()) >= 3


async def test_one_party_goes_together_and_another_is_not_kept_waiting() -> None:
    turns, order = Turns(), list[str]()

    async def visit(name: str) -> None:
        async with turns.turn(name[0]):
            order.append(name)
            await asyncio.sleep(0.01)

    first = [asyncio.create_task(visit(f"a{i}")) for i in range(3)]
    await asyncio.sleep(0)
    assert order == ["a0", "a1", "a2"], "requests of one model share its batches"
    other = asyncio.create_task(visit("b0"))
    await asyncio.sleep(0)
    late = asyncio.create_task(visit("a3"))
    await asyncio.gather(*first, other, late)
    assert order[3:] == ["b0", "a3"], "who came first goes first"


async def test_an_error_inside_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn("a"):
            raise ValueError("broken")
    async with asyncio.timeout(1), turns.turn("b"):
        pass
