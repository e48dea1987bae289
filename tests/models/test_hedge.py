"""Stragglers are asked a second time; the first answer counts and both requests are accounted for."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archon import Architecture, Engine, Task
from archon.errors import PermanentError
from archon.models.base import Capabilities, Request
from archon.models.hedge import ENOUGH, REMEMBERED, Hedged, Latencies
from archon.testing import ScriptedModel
from archon.trace import Event, ignore

PRICE = {"input": 1.0, "output": 1.0, "date": "2026-11-01"}


def architecture(n: int) -> Architecture:
    model = {"use": "openai/x", "hedge": 0.95, "price": PRICE}
    return Architecture.model_validate(
        {"name": "a", "models": {"m": model}, "layers": [{"generate": {"model": "m", "n": n}}]}
    )


class Straggler(ScriptedModel):
    """Answers at once, but the first request for a chosen index takes for ever."""

    def __init__(self, slow: int, **settings: Any) -> None:
        self.asked: list[int] = []
        self.cancelled = 0
        super().__init__("The answer is 4.", latency=self._pace, **settings)
        self._slow = slow

    def _pace(self, request: Request) -> float:
        (index,) = request.indices
        self.asked.append(index)
        return 60.0 if index == self._slow and self.asked.count(index) == 1 else 0.001


async def test_the_second_request_answers_and_both_are_accounted() -> None:
    events: list[Event] = []
    model = Straggler(slow=40)
    async with Engine(architecture(ENOUGH), models={"m": model}, observe=events.append) as engine:
        await engine.run(Task.of("warm up"))
        result = await asyncio.wait_for(engine.run(Task.of("q")), 30)
        assert result.status == "done"
    model = Straggler(slow=ENOUGH - 1)
    async with Engine(architecture(1), models={"m": model}, observe=events.append) as engine:
        for i in range(ENOUGH):
            await engine.run(Task.of(f"q{i}"))
        model._slow, model.asked = 0, []
        events.clear()
        result = await asyncio.wait_for(engine.run(Task.of("straggler")), 30)
    assert result.status == "done"
    assert model.asked == [0, 0]
    assert model.in_flight == 0
    assert [event.kind for event in events].count("hedge") == 1
    assert (result.totals.calls, result.totals.failed) == (1, 0), "the architecture asked once"
    assert (result.paid.calls, result.paid.failed, result.paid.uncertain) == (1, 1, 1), "but two requests were sent"


async def test_nobody_is_hedged_before_there_is_a_measure() -> None:
    model = ScriptedModel("4", latency=0.02)
    hedged = Hedged(model, 0.95, ignore)
    await asyncio.gather(*(hedged.complete(Request((), indices=(i,))) for i in range(ENOUGH)))
    assert len(model.requests) == ENOUGH


async def test_both_failing_is_an_error_and_one_failing_is_not() -> None:
    fate = iter(["ok"] * ENOUGH + ["late", "bad", "late", "good"])
    latency = {"ok": 0.001, "late": 0.3, "bad": 0.0, "good": 0.0}
    now: list[str] = []

    def pace(request: Request) -> float:
        now.append(next(fate))
        return latency[now[-1]]

    def script(request: Request, index: int) -> Any:
        return PermanentError("no", reason="refused") if index == 1 else "4"

    model = ScriptedModel(script, latency=pace, capabilities=Capabilities())
    hedged = Hedged(model, 0.9, ignore)
    for _ in range(ENOUGH):
        await hedged.complete(Request(()))
    try:
        await hedged.complete(Request((), indices=(1,)))
    except PermanentError:
        pass
    else:
        raise AssertionError("two failures are a failure")
    assert (await hedged.complete(Request(()))).completions[0].text == "4"
    assert model.in_flight == 0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=600), st.floats(0.5, 0.99))
def test_the_quantile_is_that_of_the_last_replies(seconds: list[float], q: float) -> None:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    last = sorted(seconds[-REMEMBERED:])
    assert latencies.quantile(q) == (None if len(last) < ENOUGH else last[min(int(q * len(last)), len(last) - 1)])
