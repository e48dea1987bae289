"""Limiter, retries, normalisation and the pool."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ConfigError, PermanentError, TransientError
from archon.models.base import Capabilities, Completion, Request, Sampling, Tag, TokenLogprob
from archon.models.limit import Limited, Limiter, Limits, Window
from archon.models.normalise import Normalised
from archon.models.pool import ModelPool
from archon.models.probe import known_capabilities, probe, remember_capabilities
from archon.models.retry import Retrying, RetryPolicy
from archon.models.spec import ModelSpec
from archon.state import Message
from archon.testing import ScriptedModel
from tests.loopback import Answer, error, serve

ASK = Request((Message("user", "2 + 2?"),))
QUICK = RetryPolicy(attempts=3, base=0.0)


class TestRetrying:
    def test_a_transient_failure_is_tried_again(self) -> None:
        replies: list[Any] = [TransientError("x", reason="overloaded"), TransientError("x", reason="timeout"), "ok"]
        model = ScriptedModel(lambda request, index: replies.pop(0))
        reply = run_sync(Retrying(model, QUICK).complete(ASK))
        assert reply.completions[0].text == "ok"
        assert len(model.requests) == 3

    def test_the_number_of_attempts_is_bounded(self) -> None:
        model = ScriptedModel(lambda request, index: TransientError("x", reason="overloaded"))
        with pytest.raises(TransientError):
            run_sync(Retrying(model, QUICK).complete(ASK))
        assert len(model.requests) == 3

    def test_a_permanent_failure_is_not_tried_again(self) -> None:
        model = ScriptedModel(lambda request, index: PermanentError("x", reason="not_found"))
        with pytest.raises(PermanentError):
            run_sync(Retrying(model, QUICK).complete(ASK))
        assert len(model.requests) == 1

    def test_a_wait_that_would_outlast_the_bound_is_not_begun(self) -> None:
        model = ScriptedModel(lambda request, index: TransientError("x", reason="rate_limit", retry_after=3600))
        with pytest.raises(TransientError):
            run_sync(Retrying(model, RetryPolicy(seconds=1.0)).complete(ASK))
        assert len(model.requests) == 1


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


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(1, 25), st.floats(0, 30)), max_size=60))
def test_no_window_ever_holds_more_than_its_limit(limit: int, requests: list[tuple[int, float]]) -> None:
    window, now, spent = Window(limit, 60.0), 0.0, []
    for units, gap in requests:
        now += gap
        while (wait := window.wait(units, now)) > 0:
            now += wait
        window.spend(units, now)
        spent.append((now, units))
        within = [amount for when, amount in spent if when + 60.0 > now]
        assert sum(within) <= limit or within == [units]


class TestNormalised:
    MESSAGES = (Message("user", "Count."), Message("assistant", "1, 2,"))

    def complete(self, text: str, sampling: Sampling | None = None, **capabilities: Any) -> Any:
        model = ScriptedModel(text, capabilities=Capabilities(**capabilities))
        return run_sync(Normalised(model).complete(Request(self.MESSAGES, sampling or Sampling()))).completions[0]

    def test_an_echoed_prefix_is_cut_off(self) -> None:
        assert self.complete("1, 2, 3, 4", prefix="echoes").text == " 3, 4"

    def test_a_continuation_is_left_alone(self) -> None:
        assert self.complete(" 3, 4", prefix="continues").text == " 3, 4"

    def test_an_endpoint_that_cannot_continue_says_so(self) -> None:
        with pytest.raises(PermanentError, match="does not continue"):
            self.complete("whatever", prefix="unsupported")

    def test_choices_that_usage_leaves_out_are_counted(self) -> None:
        asked: list[Request] = []

        def script(request: Request, index: int) -> Completion:
            asked.append(request)
            tokens = tuple(TokenLogprob("x", -1.0) for _ in range(index + 1))
            return Completion("x" * (index + 1), logprobs=tokens if request.sampling.top_logprobs else None)

        model = ScriptedModel(script, capabilities=Capabilities(multiple=True, recount=True))
        reply = run_sync(Normalised(model).complete(Request(ASK.messages, indices=(0, 1, 2))))
        assert reply.usage is not None
        assert reply.usage.completion == 1 + 2 + 3
        assert [c.usage and c.usage.completion for c in reply.completions] == [1, 2, 3]
        assert all(completion.logprobs is None for completion in reply.completions)

    def test_ignored_stop_strings_are_applied_here(self) -> None:
        completion = self.complete(" 3 END 4", Sampling(stop=("END",)), prefix="continues", stop=False)
        assert (completion.text, completion.finish_reason) == (" 3 ", "stop")


def fake_endpoint(body: dict[str, Any], *, n: bool = True, prefix: str = "echoes", logprobs: bool = True) -> Answer:
    """An endpoint whose habits are known, to see whether a probe finds them out."""
    messages = body["messages"]
    last = messages[-1]
    if last["role"] == "assistant":
        if prefix == "refuses":
            return error(400, "the last message must be the user's")
        wanted = {"vllm": "continue_final_message" in body, "mistral": "prefix" in last}.get(prefix, True)
        text = " 5, 6, 7" if wanted and prefix != "restarts" else "1, 2, 3, 4, 5"
        if prefix == "echoes":
            text = last["content"] + text
        return Answer((text,))
    if "stop" in body:
        return Answer(("1, 2, 3, 4, 5, 6, ",))
    if "logprobs" in body and logprobs and "n" not in body:
        alternatives = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.3}]
        token = {"token": "Yes", "logprob": -0.1, "top_logprobs": alternatives}
        choice = {"index": 0, "message": {"content": "Yes"}, "finish_reason": "stop", "logprobs": {"content": [token]}}
        return Answer(fields={"choices": [choice]})
    count = body.get("n", 1)
    state = body["seed"] if "seed" in body else id(body)
    texts = tuple(f"The surprising number {state + i} is here today" for i in range(count))
    usage = None if n else {"prompt_tokens": 9, "completion_tokens": 7}
    if "logprobs" not in body or not logprobs:
        return Answer(texts, usage=usage)
    choices = []
    for index, text in enumerate(texts):
        content = [{"token": word, "logprob": -1.0, "top_logprobs": []} for word in text.split()]
        choice = {"index": index, "message": {"content": text}, "finish_reason": "stop"}
        choices.append({**choice, "logprobs": {"content": content}})
    return Answer(texts, usage=usage, fields={"choices": choices})


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        ({}, Capabilities(multiple=True, prefix="echoes")),
        ({"n": False}, Capabilities(multiple=True, recount=True, prefix="echoes")),
        ({"n": False, "logprobs": False}, Capabilities(multiple=False, logprobs=False, prefix="echoes")),
        ({"prefix": "continues"}, Capabilities(multiple=True, prefix="continues")),
        ({"prefix": "refuses"}, Capabilities(multiple=True)),
        ({"prefix": "restarts"}, Capabilities(multiple=True)),
        (
            {"prefix": "vllm"},
            Capabilities(multiple=True, prefix="continues", prefix_style="continue_final_message"),
        ),
        ({"prefix": "mistral"}, Capabilities(multiple=True, prefix="continues", prefix_style="message_prefix")),
    ],
)
async def test_a_probe_finds_out_what_an_endpoint_does(habits: dict[str, Any], expected: Capabilities) -> None:
    with serve(lambda body: fake_endpoint(body, **habits)) as server:
        spec = ModelSpec(use="openai/test", base_url=server.base_url)
        async with ModelPool() as pool:
            found = await probe(await pool.bare_model(spec))
    assert found.capabilities == expected


async def test_a_probe_is_remembered_and_used() -> None:
    with serve(lambda body: Answer(("x",) * body.get("n", 1))) as server:
        spec = ModelSpec(use="openai/test", base_url=server.base_url)
        assert known_capabilities(server.base_url, "test") is None
        remember_capabilities(server.base_url, "test", Capabilities(multiple=True, prefix="continues"))
        async with ModelPool() as pool:
            model = await pool.model(spec)
        assert model.capabilities == Capabilities(multiple=True, prefix="continues")


async def test_a_missing_key_is_one_sentence() -> None:
    async with ModelPool() as pool:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
            await pool.model(ModelSpec(use="openai/gpt-4o-mini"))
        with pytest.raises(ConfigError, match="MY_KEY is not set"):
            await pool.model(ModelSpec(use="vllm/x", api_key="${MY_KEY}"))


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(lambda body: Answer()) as server:
        async with ModelPool() as pool:
            model = await pool.model(ModelSpec(use="openai/x", base_url=server.base_url))
            assert (await model.complete(ASK)).completions


async def test_the_limit_is_per_endpoint_and_shared() -> None:
    with serve(lambda body: Answer(delay=0.01)) as server:
        async with ModelPool() as pool:
            specs = [ModelSpec(use=f"openai/{name}", base_url=server.base_url, concurrency=3) for name in "ab"]
            models = [await pool.model(spec) for spec in specs]
            await asyncio.gather(*(models[i % 2].complete(ASK) for i in range(20)))
        assert server.most_in_flight == 3
