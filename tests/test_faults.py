"""A fifth of all calls goes wrong, in every way there is: nothing is lost, doubled or taken for an answer."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from archon import Architecture, Engine, ModelPool, Result, Task
from archon.models.retry import RetryPolicy
from archon.stream import Finished, Restarted, Sampled, Token
from tests.loopback import Answer, Loopback, error, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUESTIONS, CONCURRENCY = 1000, 64
LAYERS = [{"generate": {"model": "m", "n": 2}}, {"fuse": {"model": "m"}}]


def text_of(body: dict[str, Any]) -> str:
    """What the model says to a request: a function of the request alone, which names its question."""
    (name,) = set(re.findall(r"question-\d+", body["messages"][-1]["content"]))
    return f"This is what I have to say to {name}: the answer is {body['seed'] % 1000}."


class Weather:
    """Faults for a fifth of the requests; questions whose number ends in 99 never get a sample."""

    def __init__(self) -> None:
        self.dice = random.Random(0)
        self.faults: Counter[str] = Counter()
        self.clear = False

    def __call__(self, body: dict[str, Any]) -> Answer:
        text = text_of(body)
        if "99:" in text and not self.clear:
            return error(503, "FAULT no capacity for this one")
        answer = Answer((text,), delay=0.01)
        if self.clear or self.dice.random() >= 0.2:
            return answer
        faults = {
            "429": error(429, "FAULT slow down", retry_after="0.05"),
            "500": error(500, "FAULT inside"),
            "503": error(503, "FAULT overloaded"),
            "dropped": Answer(drop=True),
            "malformed": Answer(body=b'{"choices": [{"message": {"content": "FAULT half'),
            "truncated": Answer((text,), truncate=True),
            "endless": Answer((text,), endless=True, interval=0.02),
        }
        kind = self.dice.choice(sorted(faults))
        self.faults[kind] += 1
        return faults[kind]


def architecture(server: Loopback) -> Architecture:
    model = {"use": "openai/test", "base_url": server.base_url, "concurrency": CONCURRENCY, "timeout": 1.0}
    return Architecture.model_validate({"name": "a", "models": {"m": model}, "layers": LAYERS, "answer": "math"})


def expected(clean: dict[str, Result], result: Result) -> None:
    """A result is the one of a clean run, or an honest failure, or one with its gaps recorded."""
    assert "FAULT" not in (result.text or "")
    if result.task.question.endswith("99"):
        assert result.status == "failed"
        assert "HTTP 503: FAULT no capacity" in str(result.error)
        return
    if result.error is not None or result.failures:
        # Six faults in a row are rare; they are recorded, and nothing is made up.
        assert str(result.error) or result.failures[0].reason
        return
    assert result.text == clean[result.task.question].text


async def slots_are_back(engine: Engine, server: Loopback, weather: Weather) -> None:
    """After all faults, the endpoint is asked as much at a time as ever once it has answered for a while."""
    weather.clear = True
    for turn in range(60):
        server.most_in_flight = 0
        tasks = [Task.of(f"question-{turn}{i}?") for i in range(200)]
        done = [result.status async for _, result in engine.run_all(tasks)]
        assert done == ["done"] * len(tasks)
        if server.most_in_flight == CONCURRENCY:
            return
    raise AssertionError(f"only {server.most_in_flight} of {CONCURRENCY} slots came back")


async def test_a_batch_in_bad_weather() -> None:
    weather = Weather()
    tasks = [Task.of(f"What is the answer to question-{i}", id=f"q{i}") for i in range(QUESTIONS)]
    with serve(weather) as server:
        weather.clear = True
        async with Engine(architecture(server)) as engine:
            clean = {result.task.question: result async for _, result in engine.run_all(tasks)}
        weather.clear = False
        policy = RetryPolicy(base=0.02)
        async with ModelPool() as pool, Engine(architecture(server), pool, retry=policy) as engine:
            seen: Counter[int] = Counter()
            failed = gaps = 0
            async for position, result in engine.run_all(tasks):
                seen[position] += 1
                expected(clean, result)
                failed += result.status == "failed"
                gaps += bool(result.failures)
            await slots_are_back(engine, server, weather)
            charged = engine.paid.total
        assert server.in_flight == 0
    assert seen == Counter(range(QUESTIONS)), "every question comes back exactly once"
    assert set(weather.faults) == {"429", "500", "503", "dropped", "malformed", "truncated", "endless"}
    assert 10 <= failed <= 20
    assert gaps < 20
    assert charged.failed >= sum(weather.faults.values())


async def test_streams_in_bad_weather() -> None:
    weather = Weather()
    tasks = [Task.of(f"What is the answer to question-{i}", id=f"q{i}") for i in range(200)]
    with serve(weather) as server:
        async with Engine(architecture(server), retry=RetryPolicy(base=0.02)) as engine:

            async def follow(task: Task) -> Result:
                texts: dict[int, str] = {}
                samples: dict[int, str] = {}
                async with aclosing(engine.stream(task)) as events:
                    async for event in events:
                        if isinstance(event, Token):
                            texts[event.draw] = texts.get(event.draw, "") + event.text
                        elif isinstance(event, Restarted):
                            texts[event.draw] = ""
                        elif isinstance(event, Sampled):
                            samples[event.draw] = event.completion.text
                        elif isinstance(event, Finished):
                            assert {draw: texts[draw] for draw in samples} == samples, "nothing is said twice"
                            return event.result
                raise AssertionError("a stream ends with its result")

            results = await asyncio.gather(*(follow(task) for task in tasks))
        assert server.in_flight == 0
    for result in results:
        assert "FAULT" not in (result.text or "")
        assert (result.status == "failed") <= (result.error is not None)
    assert {"dropped", "truncated", "endless"} <= set(weather.faults)
    assert sum(result.status == "done" for result in results) > 190
