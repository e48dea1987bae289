"""The OpenAI-compatible backend against a real server, over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import openai
import pytest

from archon.errors import ModelError, PermanentError, TransientError
from archon.models.base import Capabilities, Model, Request, Sampling
from archon.models.openai import OpenAIModel, parse_retry_after
from archon.models.transport import ClientTransport, Transport
from archon.models.wire import WirePool, WireTransport
from archon.models.wrapper import Wrapper
from archon.state import Message
from archon.testing import ModelConformance
from tests.loopback import Answer, Loopback, Script, error, serve

TRANSPORTS = ("client", "wire")
ASK = Request((Message("system", "Be brief."), Message("user", "2 + 2?")), Sampling(temperature=0.5, max_tokens=9))


@asynccontextmanager
async def model_at(server: Loopback, transport: str, **settings: Any) -> AsyncIterator[OpenAIModel]:
    settings.setdefault("capabilities", Capabilities(multiple=True))
    settings.setdefault("timeout", 5.0)
    wires = WirePool()
    async with httpx.AsyncClient() as pool:
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-secret", http_client=pool)  # type: ignore[arg-type]
        chosen: Transport = ClientTransport(client) if transport == "client" else WireTransport(client, wires)
        yield OpenAIModel(
            name="openai/test", model="test", endpoint=server.base_url, transport=chosen, secret="sk-secret", **settings
        )
        await wires.aclose()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(script: Script, transport: str, request: Request = ASK, **settings: Any) -> tuple[Any, Loopback]:
    with serve(script) as server:
        async with model_at(server, transport, **settings) as model:
            try:
                return await model.complete(request), server
            except ModelError as problem:
                return problem, server


async def test_the_whole_request_reaches_the_server(transport: str) -> None:
    sampling = Sampling(0.5, 0.9, 9, ("END",), 3, {"top_k": 20})
    request = Request(ASK.messages, sampling, indices=(0, 1))
    reply, server = await ask(lambda body: Answer(("a", "b")), transport, request)
    assert [c.text for c in reply.completions] == ["a", "b"]
    (body,) = server.bodies
    assert body.pop("seed") == request.wire_seed()
    assert body == {
        "model": "test",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 9,
        "stop": ["END"],
        "logprobs": True,
        "top_logprobs": 3,
        "n": 2,
        "top_k": 20,
    }
    assert "authorization: bearer sk-secret" in server.heads[0].lower()


async def test_nothing_unset_is_sent(transport: str) -> None:
    _, server = await ask(
        lambda body: Answer(), transport, Request(ASK.messages), capabilities=Capabilities(seed=False)
    )
    assert set(server.bodies[0]) == {"model", "messages"}


async def test_usage_with_its_details(transport: str) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    reply, _ = await ask(lambda body: Answer(usage=usage), transport)
    assert (reply.usage.prompt, reply.usage.cached, reply.usage.completion, reply.usage.reasoning) == (100, 40, 50, 20)


async def test_missing_usage_stays_unknown(transport: str) -> None:
    reply, _ = await ask(lambda body: Answer(usage={}), transport)
    assert reply.usage is None


async def test_reasoning_and_logprobs_are_kept(transport: str) -> None:
    choice = {
        "index": 0,
        "message": {"content": "Yes", "reasoning_content": "Because."},
        "finish_reason": "length",
        "logprobs": {
            "content": [
                {"token": "Yes", "logprob": -0.1, "top_logprobs": [{"token": "Yes", "logprob": -0.1}]},
            ]
        },
    }
    reply, _ = await ask(lambda body: Answer(fields={"choices": [choice]}), transport)
    (completion,) = reply.completions
    assert completion.reasoning == "Because."
    assert completion.finish_reason == "length"
    assert completion.logprobs[0].top == (("Yes", -0.1),)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (error(400, "too long"), PermanentError, "bad_request"),
        (error(401, "who are you"), PermanentError, "unauthorized"),
        (error(403, "no"), PermanentError, "forbidden"),
        (error(404, "no such model"), PermanentError, "not_found"),
        (error(429, "slow down"), TransientError, "rate_limit"),
        (error(500, "oops"), TransientError, "server_error"),
        (error(503, "busy"), TransientError, "overloaded"),
        (Answer(body=b"<html>bad gateway</html>", status=502), TransientError, "server_error"),
        (Answer(body=b"not json"), TransientError, "malformed"),
        (Answer(body=b"[]"), TransientError, "malformed"),
        (Answer(body=b'{"choices": [{"message": {"content": 5}}]}'), TransientError, "malformed"),
        (Answer(body=b'{"error": {"message": "upstream died", "code": 502}}'), TransientError, "server_error"),
        (Answer(drop=True), TransientError, "connection"),
        (Answer(truncate=True), TransientError, "connection"),
        (Answer(hang=True), TransientError, "timeout"),
        (Answer(("one", "two")), PermanentError, "choices"),
    ],
)
async def test_faults_are_told_apart(transport: str, answer: Answer, kind: type[ModelError], reason: str) -> None:
    problem, server = await ask(lambda body: answer, transport, timeout=0.3)
    assert type(problem) is kind
    assert problem.reason == reason
    assert server.calls == 1, "the transport must not retry on its own"


async def test_the_key_never_appears_in_a_message(transport: str) -> None:
    problem, _ = await ask(lambda body: error(401, "Incorrect API key provided: sk-secret"), transport)
    assert "sk-secret" not in str(problem)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, None),
        ({"stop_reason": "\n\n"}, "\n\n"),
        ({"stop_reason": None}, ""),
        ({"matched_stop": 151645}, ""),
        ({"matched_stop": "END"}, "END"),
    ],
)
async def test_the_stop_string_that_ended_a_text_is_read(
    transport: str, said: dict[str, Any], read: str | None
) -> None:
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop", **said}
    reply, _ = await ask(lambda body: Answer(fields={"choices": [choice]}), transport)
    assert reply.completions[0].stop_reason == read


async def test_retry_after_is_read(transport: str) -> None:
    problem, _ = await ask(lambda body: error(429, "slow down", retry_after="1.5"), transport)
    assert problem.retry_after == 1.5


def test_retry_after_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    seconds = parse_retry_after(format_datetime(later, usegmt=True))
    assert seconds is not None
    assert 28 <= seconds <= 30
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert parse_retry_after("soon") is None
    assert parse_retry_after(None) is None


async def test_nobody_listening_is_transient(transport: str) -> None:
    with serve(lambda body: Answer()) as server:
        pass
    async with model_at(server, transport) as model:
        with pytest.raises(TransientError) as caught:
            await model.complete(ASK)
    assert caught.value.reason == "connection"


async def test_cancelling_closes_the_request(transport: str) -> None:
    with serve(lambda body: Answer(delay=5)) as server:
        async with model_at(server, transport) as model:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(model.complete(ASK), 0.2)
        assert server.calls == 1


async def test_half_a_character_becomes_a_question_mark(transport: str) -> None:
    body = b'{"choices": [{"message": {"content": "4 \\ud83d"}}]}'
    reply, _ = await ask(lambda _: Answer(body=body), transport)
    assert reply.completions[0].text == "4 ?"


class TestConformance(ModelConformance):
    async def make(self) -> Model:
        return _OwnServer()


class _OwnServer(Wrapper):
    """A model with a server and connections of its own, both gone when it is closed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        server = self._stack.enter_context(serve(lambda body: Answer()))
        self._wires = WirePool()
        client = openai.AsyncOpenAI(base_url=server.base_url, api_key="k", http_client=httpx.AsyncClient())  # type: ignore[arg-type]
        super().__init__(
            OpenAIModel(
                name="openai/test",
                model="test",
                endpoint="http://loopback/v1",
                transport=WireTransport(client, self._wires),
                capabilities=Capabilities(),
            )
        )

    async def aclose(self) -> None:
        await self._wires.aclose()
        self._stack.close()
