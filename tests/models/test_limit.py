"""The limiter: how many at a time, how many a minute, and what the endpoint itself says."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import Architecture, Engine, Task
from archon.concurrency import run_sync
from archon.errors import TransientError
from archon.models.base import Request, Sampling, Tag
from archon.models.limit import Limited, Limiter
from archon.models.pool import ModelPool
from archon.models.retry import RetryPolicy
from archon.models.spec import ModelSpec
from archon.models.window import Limits
from archon.state import Message
from archon.testing import ScriptedModel
from archon.trace import Event
from tests.loopback import Answer, serve

ASK = Request((Message("user", "2 + 2?"),))


class TestLimiter:
    @settings(max_examples=40, deadline=None)
    @given(
        limit=st.integers(1, 4),
        jobs=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["finish", "fail", "cancel"])), max_size=25),
    )
    def test_never_more_than_the_limit_and_every_slot_comes_back(self, limit: int, jobs: list[tuple[int, str]]) -> None:
        async def run() -> None:
            limiter = Limiter(Limits(limit))
            holding = 0

            async def job(turns: int, end: str) -> None:
                nonlocal holding
                async with limiter.slot(turns):
                    holding += 1
                    assert holding <= limit
                    try:
                        for _ in range(turns):
                            await asyncio.sleep(0)
                        if end == "fail":
                            raise RuntimeError
                    finally:
                        holding -= 1

            tasks = [asyncio.create_task(job(*item)) for item in jobs]
            for _ in range(3):
                await asyncio.sleep(0)
            for task, (_, end) in zip(tasks, jobs, strict=True):
                if end == "cancel":
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            free = [await asyncio.wait_for(limiter.slot(0).__aenter__(), 1) for _ in range(limit)]  # type: ignore[func-returns-value]
            assert len(free) == limit

        run_sync(run())

    async def test_the_oldest_question_goes_first(self) -> None:
        model = Limited(ScriptedModel("x", latency=0.005), Limiter(Limits(1)))
        served: list[int] = []

        async def ask(order: int) -> None:
            await model.complete(Request(ASK.messages, tag=Tag(order=order)))
            served.append(order)

        await asyncio.gather(*(ask(order) for order in (5, 3, 4, 1, 2)))
        assert served == [5, 1, 2, 3, 4]


class TestAdaptation:
    @staticmethod
    async def use(limiter: Limiter, error: Exception | None = None) -> None:
        try:
            async with limiter.slot(0):
                await asyncio.sleep(0)
                if error is not None:
                    raise error
        except TransientError:
            pass

    async def test_overload_halves_the_concurrency_once_for_all_that_were_in_flight(self) -> None:
        limiter = Limiter(Limits(16))
        await asyncio.gather(*(self.use(limiter, TransientError("x", reason="rate_limit")) for _ in range(10)))
        assert limiter.allowed == 8
        await self.use(limiter, TransientError("x", reason="overloaded"))
        assert limiter.allowed == 4

    async def test_a_fault_that_is_not_overload_changes_nothing(self) -> None:
        limiter = Limiter(Limits(16))
        for reason in ("connection", "malformed", "server_error"):
            await self.use(limiter, TransientError("x", reason=reason))
        assert limiter.allowed == 16

    async def test_answers_bring_it_back_one_per_round(self) -> None:
        limiter = Limiter(Limits(8))
        await self.use(limiter, TransientError("x", reason="rate_limit"))
        assert limiter.allowed == 4
        for _ in range(5):
            await self.use(limiter)
        assert limiter.allowed == 5
        for _ in range(100):
            await self.use(limiter)
        assert limiter.allowed == 8

    async def test_retry_after_stops_everybody(self) -> None:
        limiter = Limiter(Limits(4))
        await self.use(limiter, TransientError("x", reason="rate_limit", retry_after=0.1))
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(self.use(limiter) for _ in range(3)))
        assert loop.time() - started >= 0.09

    async def test_cancelling_who_waits_for_time_leaves_no_hole(self) -> None:
        limiter = Limiter(Limits(1))
        await self.use(limiter, TransientError("x", reason="rate_limit", retry_after=0.05))
        waiting = [asyncio.create_task(self.use(limiter)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(self.use(limiter), 1)


class TestHeaders:
    """What the endpoint says is left holds requests back, and nothing else of it goes anywhere."""

    EMPTY = (
        {
            "x-ratelimit-limit-requests": "2",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "0.6s",
        },
        {"X-RateLimit-Limit-Tokens": "104", "X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "600ms"},
        {
            "anthropic-ratelimit-input-tokens-limit": "2",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-01T10:00:00.3Z",
            "date": "Sun, 01 Nov 2026 10:00:00 GMT",
        },
    )
    SHORT = Request(ASK.messages, Sampling(max_tokens=50))

    @pytest.mark.parametrize(
        ("transport", "status"), [("aiohttp", 200), ("aiohttp", 429), ("client", 200), ("client", 404)]
    )
    @pytest.mark.parametrize("headers", EMPTY)
    async def test_an_empty_allowance_is_waited_for(
        self, headers: dict[str, str], status: int, transport: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if transport == "client":
            monkeypatch.setattr("archon.models.pool.find_spec", lambda name: None)
        answers = [Answer(status=status, headers=headers), Answer()]
        loop = asyncio.get_running_loop()
        with serve(lambda body: answers.pop(0)) as server:
            async with ModelPool() as pool:
                model = await pool.model(ModelSpec(use="openai/x", base_url=server.base_url))
                started = loop.time()
                await asyncio.gather(model.complete(self.SHORT), return_exceptions=True)
                await model.complete(self.SHORT)
        assert 0.29 < loop.time() - started < 5

    async def test_what_was_admitted_since_is_taken_off(self) -> None:
        limiter = Limiter(Limits(100), clock=lambda: 5.0)
        doors = [asyncio.Event() for _ in range(30)]
        inside: list[int] = []

        async def job(index: int, remaining: int) -> None:
            async with limiter.slot(index):
                inside.append(index)
                await doors[index].wait()
                headers = {"limit": "100", "remaining": str(remaining), "reset": "60s"}
                limiter.heed({f"x-ratelimit-{part}-requests": value for part, value in headers.items()})

        async def settle() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        jobs = [asyncio.create_task(job(index, 12 - index)) for index in range(10)]
        await settle()
        doors[0].set()
        await settle()
        # After the first there were 12 left; the other nine have gone off since.
        jobs += [asyncio.create_task(job(index, 0)) for index in range(10, 30)]
        await settle()
        assert inside == list(range(13))
        doors[2].set()
        await settle()
        # After the third there were 10 left; ten have gone off since, and no time has passed.
        assert inside == list(range(13))
        doors[1].set()
        await settle()
        assert inside == list(range(13)), "older news changes nothing"
        for task in jobs:
            task.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def test_an_empty_allowance_of_one_model_holds_back_no_other(self) -> None:
        limiter = Limiter(Limits(100), clock=lambda: 5.0)
        empty = {"limit": "100", "remaining": "0", "reset": "60s"}
        async with limiter.slot(0, model="busy"):
            limiter.heed({f"x-ratelimit-{part}-requests": value for part, value in empty.items()})
        held = asyncio.create_task(limiter.slot(1, model="busy").__aenter__())
        await asyncio.sleep(0)
        async with asyncio.timeout(1), limiter.slot(2, model="free"):
            assert not held.done()
        held.cancel()

    async def test_headers_reach_neither_messages_nor_traces(self) -> None:
        headers = {"x-ratelimit-limit-requests": "98765", "x-ratelimit-remaining-requests": "MARK-IN-HEADER"}
        answers = [Answer(status=500, headers=headers), Answer(headers=headers)]
        events: list[Event] = []
        with serve(lambda body: answers.pop(0)) as server:
            models = {"m": {"use": "openai/x", "base_url": server.base_url}}
            layers = [{"generate": {"model": "m"}}]
            architecture = Architecture.model_validate({"name": "a", "models": models, "layers": layers})
            async with Engine(architecture, retry=RetryPolicy(base=0.0), observe=events.append) as engine:
                result = await engine.run(Task.of("q"))
        assert [event.kind for event in events].count("attempt") == 2
        for mark in ("MARK-IN-HEADER", "98765", "ratelimit"):
            assert mark not in repr((events, result))


async def test_the_limit_is_per_endpoint_and_shared() -> None:
    with serve(lambda body: Answer(delay=0.01)) as server:
        async with ModelPool() as pool:
            specs = [ModelSpec(use=f"openai/{name}", base_url=server.base_url, concurrency=3) for name in "ab"]
            models = [await pool.model(spec) for spec in specs]
            await asyncio.gather(*(models[i % 2].complete(ASK) for i in range(20)))
        assert server.most_in_flight == 3


async def test_the_strictest_limit_of_an_endpoint_holds_for_all_its_models() -> None:
    with serve(lambda body: Answer(delay=0.01)) as server:
        async with ModelPool() as pool:
            free = await pool.model(ModelSpec(use="openai/a", base_url=server.base_url))
            await pool.model(ModelSpec(use="openai/b", base_url=server.base_url, concurrency=2, requests_per_minute=6))
            calls = [asyncio.create_task(free.complete(ASK)) for _ in range(10)]
            done, held = await asyncio.wait(calls, timeout=0.5)
            for call in held:
                call.cancel()
            await asyncio.gather(*held, return_exceptions=True)
        assert len(done) == server.calls == 6
        assert server.most_in_flight == 2
