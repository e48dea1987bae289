"""``Engine.stream``: everything is told as it happens, and leaving stops all spending at once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from archon import Architecture, Engine, ModelPool, SampleStore, Task
from archon.models.retry import RetryPolicy
from archon.stream import Finished, LayerFinished, LayerStarted, Restarted, Sampled, StreamEvent, Token
from archon.testing import ScriptedModel
from tests.loopback import Answer, Loopback, serve


def stack(server: Loopback, *layers: Any, **model: Any) -> Architecture:
    models = {"m": {"use": "openai/test", "base_url": server.base_url, **model}}
    return Architecture.model_validate({"name": "a", "models": models, "layers": list(layers), "answer": "math"})


def texts_of(events: list[StreamEvent]) -> dict[int, str]:
    """The text of every draw, as somebody who shows tokens would have it at the end."""
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, Token):
            texts[event.draw] = texts.get(event.draw, "") + event.text
        elif isinstance(event, Restarted):
            texts[event.draw] = ""
    return texts


LAYERS = ({"generate": {"model": "m", "n": 3}}, {"rank": {"model": "m", "keep": 2}}, {"fuse": {"model": "m"}})


async def test_layers_candidates_and_tokens_in_their_order() -> None:
    def script(body: dict[str, Any]) -> Answer:
        return Answer((f"[2] > [1] The answer is {body['seed'] % 100}.",), interval=0.001)

    with serve(script) as server:
        async with Engine(stack(server, *LAYERS)) as engine:
            events = [event async for event in engine.stream(Task.of("q"))]
            plain = await engine.run(Task.of("q"))
        assert all(body.get("stream") for body in server.bodies[:5])
        assert not any(body.get("stream") for body in server.bodies[5:])
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.result.text == plain.text, "listening does not change a draw"
    started = [event.layer for event in events if isinstance(event, LayerStarted)]
    done = [event for event in events if isinstance(event, LayerFinished)]
    assert started == [event.layer for event in done] == ["0.generate", "1.rank", "2.fuse"]
    assert [len(event.candidates) for event in done] == [3, 2, 1]
    samples = {event.draw: event.completion.text for event in events if isinstance(event, Sampled)}
    assert texts_of(events) == samples
    assert len(samples) == 5
    assert sum(isinstance(event, Token) for event in events) > 20


async def test_a_retry_withdraws_what_was_said() -> None:
    answers = iter([Answer(("wrong wrong wrong wrong",), truncate=True), Answer(("The answer is 4.",))])
    with serve(lambda body: next(answers)) as server:
        architecture = stack(server, {"generate": {"model": "m"}})
        async with Engine(architecture, retry=RetryPolicy(base=0.0)) as engine:
            events = [event async for event in engine.stream(Task.of("q"))]
    assert any(isinstance(event, Restarted) for event in events)
    assert texts_of(events) == {0: "The answer is 4."}


async def test_stored_samples_are_told_too(tmp_path: Any) -> None:
    store = SampleStore(tmp_path / "s.sqlite")
    model = ScriptedModel(lambda request, index: f"The answer is {index}.")
    architecture = Architecture.model_validate(
        {"name": "a", "models": {"m": "openai/x"}, "layers": [{"generate": {"model": "m", "n": 2, "temperature": 0}}]}
    )
    for _ in range(2):
        async with Engine(architecture, models={"m": model}, store=store) as engine:
            events = [event async for event in engine.stream(Task.of("q"))]
        assert texts_of(events) == {0: "The answer is 0.", 1: "The answer is 0."}
    store.close()
    assert len(model.requests) == 1


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_leaving_stops_all_spending_within_one_turn(way: str) -> None:
    """Verifiers nest forks in groups in layers; none of them may send anything after the stop."""
    layers = ({"generate": {"model": "m", "n": 6}}, {"verify": {"model": "m"}})

    def slow(request: Any) -> float:
        return 0.0 if len(request.messages) == 1 and "Check" not in request.messages[0].content else 10.0

    model = ScriptedModel("fine [Correct]", latency=slow)
    architecture = Architecture.model_validate({"name": "a", "models": {"m": "openai/x"}, "layers": list(layers)})
    async with Engine(architecture, models={"m": model}) as engine:

        async def follow(reached: asyncio.Event) -> None:
            async with aclosing(engine.stream(Task.of("q"))) as events:
                async for event in events:
                    if isinstance(event, LayerStarted) and event.technique == "verify":
                        reached.set()
                        if way == "close":
                            await asyncio.sleep(0.02)
                            return

        reached = asyncio.Event()
        following = asyncio.create_task(follow(reached))
        await reached.wait()
        await asyncio.sleep(0.02 if way == "close" else 0.01)
        assert model.in_flight in (0, 6)
        before = len(model.requests)
        if way == "cancel":
            assert model.in_flight == 6
            following.cancel()
            # One turn to reach the generator, one for the requests.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert model.in_flight == 0
        await asyncio.gather(following, return_exceptions=True)
        assert model.in_flight == 0
        assert len(model.requests) == before
        assert engine.paid.total.uncertain == 6, "what was cut off may have been billed, and is recorded"


async def test_the_server_sees_that_nobody_listens_any_more() -> None:
    with serve(lambda body: Answer(("one two three four five six",), interval=0.05)) as server:
        async with ModelPool() as pool, Engine(stack(server, {"generate": {"model": "m", "n": 4}}), pool) as engine:
            async with aclosing(engine.stream(Task.of("q"))) as events:
                async for event in events:
                    if isinstance(event, Token):
                        break
            for _ in range(100):
                if server.abandoned == 4:
                    break
                await asyncio.sleep(0.01)
        assert (server.abandoned, server.calls) == (4, 4)
