"""What users of other tools complain about, one test each: none of it happens here."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from archon import Architecture, Engine, Result, SampleStore, Task
from archon.budget import BudgetSpec
from archon.errors import BudgetExhausted, TransientError
from archon.models.base import Request
from archon.models.retry import RetryPolicy
from archon.stream import Finished, Restarted, Token
from archon.testing import ScriptedModel
from tests.loopback import Answer, Loopback, Script, error, serve

PRICE = {"input": 1.0, "cached_input": 0.1, "output": 2.0, "date": "2026-11-01"}
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 200},
}
LONG = "x" * 1000
COST = (600 * 1.0 + 400 * 0.1 + 500 * 2.0) / 1e6


def architecture(server: Loopback, *layers: Any, **model: Any) -> Architecture:
    settings = {"use": "openai/test", "base_url": server.base_url, "price": PRICE, **model}
    return Architecture.model_validate({"name": "a", "models": {"m": settings}, "layers": list(layers)})


async def ask(
    script: Script, layer: Any, *, question: str = "q", settings: Any = None, **engine: Any
) -> tuple[Result, Loopback]:
    with serve(script) as server:
        asked = architecture(server, layer, **(settings or {}))
        async with Engine(asked, retry=RetryPolicy(base=0.0), **engine) as running:
            return await running.run(Task.of(question)), server


class TestCachingAndSampling:
    async def test_thirty_samples_are_thirty_samples_and_come_back_as_they_were(self, tmp_path: Path) -> None:
        store = SampleStore(tmp_path / "s.sqlite")
        layer = {"generate": {"model": "m", "n": 30}}
        first, server = await ask(lambda body: Answer((f"reply {body['seed']}",)), layer, store=store)
        assert len({candidate.text for candidate in first.candidates}) == server.calls == 30
        async with Engine(architecture(server, layer), store=store) as running:
            again = await running.run(Task.of("q"))
        store.close()
        assert again.candidates == first.candidates
        assert (again.paid.calls, again.paid.dollars) == (0, 0.0), "what is stored is not billed again"
        assert again.totals.dollars == pytest.approx(first.totals.dollars)

    async def test_temperature_zero_is_not_unset(self) -> None:
        _, server = await ask(lambda body: Answer(), {"generate": {"model": "m", "temperature": 0}})
        assert server.bodies[0]["temperature"] == 0


class TestCosts:
    @pytest.mark.parametrize("streamed", [False, True])
    async def test_cached_and_reasoning_tokens_are_priced_once(self, streamed: bool) -> None:
        layer = {"generate": {"model": "m"}}
        with serve(lambda body: Answer(("4",), usage=USAGE)) as server:
            async with Engine(architecture(server, layer)) as running:
                if streamed:
                    async with aclosing(running.stream(Task.of("q"))) as events:
                        results = [event.result async for event in events if isinstance(event, Finished)]
                else:
                    results = [await running.run(Task.of("q"))]
        usage = results[0].totals.usage
        assert (usage.prompt, usage.cached, usage.completion, usage.reasoning) == (1000, 400, 500, 200)
        assert results[0].totals.dollars == results[0].paid.dollars == pytest.approx(COST)

    async def test_usage_that_does_not_come_is_unknown_and_not_zero(self) -> None:
        result, _ = await ask(lambda body: Answer(("4",), usage={}), {"generate": {"model": "m"}})
        assert (result.totals.calls, result.totals.unpriced, result.status) == (1, 1, "done")

    async def test_every_question_has_its_own_bill_however_many_run_at_once(self) -> None:
        model = ScriptedModel(lambda request, index: "word " * len(request.messages[0].content), latency=0.001)
        data = {"name": "a", "models": {"m": {"use": "openai/x"}}, "layers": [{"generate": {"model": "m", "n": 2}}]}
        async with Engine(Architecture.model_validate(data), models={"m": model}) as running:
            tasks = [Task.of("x" * (i + 1)) for i in range(50)]
            bills = {i: result.totals async for i, result in running.run_all(tasks)}
        assert all(bills[i].usage.completion == 2 * (i + 1) for i in range(50))


class TestBudgets:
    async def test_one_cap_for_everything(self) -> None:
        with serve(lambda body: Answer(("4",), usage=USAGE)) as server:
            asked = architecture(server, {"generate": {"model": "m", "n": 2}}, max_tokens=500)
            async with Engine(asked, budget=BudgetSpec(usd=6 * COST)) as running:
                results = [result async for _, result in running.run_all(Task.of(f"{LONG}{i}") for i in range(20))]
        assert running.paid.total.dollars <= 6 * COST
        assert any(result.status == "done" for result in results)
        assert any(isinstance(result.error, BudgetExhausted) for result in results)

    async def test_tokens_that_go_in_count_as_well_as_those_that_come_out(self) -> None:
        layer = {"generate": {"model": "m", "n": 9}}
        budget = BudgetSpec(tokens=4000)
        settings = {"max_tokens": 500}
        result, server = await ask(
            lambda body: Answer(("4",), usage=USAGE), layer, question=LONG, settings=settings, budget=budget
        )
        assert server.calls == 2, "two calls took 3,000 tokens, and a third may take more than 1,000"
        assert result.status == "budget"


class TestRetries:
    @pytest.mark.parametrize("streamed", [False, True])
    async def test_the_server_says_when(self, streamed: bool) -> None:
        times: list[float] = []

        def script(body: dict[str, Any]) -> Answer:
            times.append(time.monotonic())
            return error(429, "slow down", retry_after="0.3") if len(times) == 1 else Answer(("4",))

        with serve(script) as server:
            async with Engine(architecture(server, {"generate": {"model": "m"}})) as running:
                if streamed:
                    events = [event async for event in running.stream(Task.of("q"))]
                    assert "".join(event.text for event in events if isinstance(event, Token)) == "4"
                else:
                    assert (await running.run(Task.of("q"))).text == "4"
        assert times[1] - times[0] >= 0.28

    async def test_nobody_retries_for_ever(self) -> None:
        model = ScriptedModel(lambda request, index: TransientError("no", reason="server_error", status=500))
        data = {"name": "a", "models": {"m": {"use": "openai/x"}}, "layers": [{"generate": {"model": "m"}}]}
        policy = RetryPolicy(attempts=1000, seconds=0.2, base=0.01, longest=0.02)
        started = time.monotonic()
        async with Engine(Architecture.model_validate(data), models={"m": model}, retry=policy) as running:
            result = await running.run(Task.of("q"))
        assert result.status == "failed"
        assert time.monotonic() - started < 5
        assert len(model.requests) < 1000

    async def test_a_reply_that_broke_off_is_not_said_twice(self) -> None:
        answers = iter([Answer(("one two three four",), truncate=True), Answer(("one two three four",))])
        with serve(lambda body: next(answers)) as server:
            asked = architecture(server, {"generate": {"model": "m"}})
            async with Engine(asked, retry=RetryPolicy(base=0.0)) as running:
                heard = ""
                async for event in running.stream(Task.of("q")):
                    heard = "" if isinstance(event, Restarted) else heard + getattr(event, "text", "")
        assert heard == "one two three four"


class TestNothingIsLost:
    async def test_settings_reach_every_model(self) -> None:
        models = {
            "solver": {"use": "openai/solver", "temperature": 0.7, "extra": {"top_k": 5}},
            "judge": {
                "use": "openai/judge",
                "temperature": 0.1,
                "max_tokens": 33,
                "extra": {"reasoning_effort": "low"},
            },
        }
        layers = [{"generate": {"model": "solver", "n": 2}}, {"rank": {"model": "judge"}}, {"fuse": {"model": "judge"}}]
        with serve(lambda body: Answer(("[1] > [2]",))) as server:
            placed = {ref: {**model, "base_url": server.base_url} for ref, model in models.items()}
            asked = Architecture.model_validate({"name": "a", "models": placed, "layers": layers})
            async with Engine(asked) as running:
                await running.run(Task.of("q", system="Be brief."))
        judged = [body for body in server.bodies if body["model"] == "judge"]
        assert len(judged) == 2
        for body in judged:
            assert (body["temperature"], body["max_tokens"], body["reasoning_effort"]) == (0.1, 33, "low")
            assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert all(body["top_k"] == 5 for body in server.bodies if body["model"] == "solver")

    async def test_one_timeout_costs_one_question(self) -> None:
        def latency(request: Request) -> float:
            return 60.0 if "q3" in request.messages[0].content else 0.0

        data = {
            "name": "a",
            "models": {"m": {"use": "openai/x"}},
            "layers": [{"generate": {"model": "m"}}],
            "budget": {"seconds": 0.2},
        }
        model = ScriptedModel("4", latency=latency)
        async with Engine(Architecture.model_validate(data), models={"m": model}) as running:
            results = dict([item async for item in running.run_all(Task.of(f"q{i}") for i in range(8))])
        assert {i for i, result in results.items() if result.status == "failed"} == {3}

    async def test_a_retry_keeps_the_samples_that_were_complete(self) -> None:
        failed: set[int] = set()

        def script(request: Request, index: int) -> Any:
            if index == 2 and index not in failed:
                failed.add(index)
                return TransientError("no", reason="server_error", status=500)
            return f"reply {index}"

        model = ScriptedModel(script)
        data = {"name": "a", "models": {"m": {"use": "openai/x"}}, "layers": [{"generate": {"model": "m", "n": 4}}]}
        async with Engine(
            Architecture.model_validate(data), models={"m": model}, retry=RetryPolicy(base=0.0)
        ) as running:
            result = await running.run(Task.of("q"))
        assert [candidate.text for candidate in result.candidates] == [f"reply {i}" for i in range(4)]
        assert len(model.requests) == 5, "four samples and one retry"

    async def test_reasoning_is_kept_and_is_no_part_of_the_answer(self) -> None:
        message = {"role": "assistant", "content": "4", "reasoning_content": "two and two"}
        fields = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        events: list[Any] = []
        with serve(lambda body: Answer(fields=fields, streams=False)) as server:
            async with Engine(architecture(server, {"generate": {"model": "m"}})) as running:
                events = [event async for event in running.stream(Task.of("q"))]
        finished = events[-1]
        assert isinstance(finished, Finished)
        assert finished.result.text == "4"
        (sampled,) = [event.completion for event in events if hasattr(event, "completion")]
        assert sampled.reasoning == "two and two"

    async def test_a_setting_that_an_endpoint_does_not_know_is_refused_aloud(self) -> None:
        def script(body: dict[str, Any]) -> Answer:
            return error(400, "unknown field reasoning_effort") if "reasoning_effort" in body else Answer()

        settings = {"extra": {"reasoning_effort": "high"}}
        result, _ = await ask(script, {"generate": {"model": "m"}}, settings=settings)
        assert "unknown field reasoning_effort" in str(result.error)


async def test_cancelling_a_batch_leaves_nothing_running() -> None:
    model = ScriptedModel("4", latency=30.0)
    data = {"name": "a", "models": {"m": {"use": "openai/x"}}, "layers": [{"generate": {"model": "m", "n": 3}}]}
    async with Engine(Architecture.model_validate(data), models={"m": model}) as running:

        async def consume() -> None:
            async with aclosing(running.run_all(Task.of(f"q{i}") for i in range(10))) as results:
                async for _ in results:
                    pass

        job = asyncio.create_task(consume())
        await asyncio.sleep(0.05)
        assert model.in_flight == 30
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        assert model.in_flight == 0
