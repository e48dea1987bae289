"""Streamed replies over both transports: the same completions as in one piece, whatever the server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ModelError, PermanentError, TransientError
from archon.models.base import Reply, Request
from archon.models.openai import OpenAIModel
from archon.models.sse import Pieces, events
from tests.loopback import Answer, Script, error, serve
from tests.models.test_openai import ASK, TRANSPORTS, model_at


class Ear:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.texts: dict[int, list[str]] = {}
        self.spoken = asyncio.Event()

    def token(self, index: int, text: str) -> None:
        self.texts.setdefault(index, []).append(text)
        self.spoken.set()

    def restarted(self) -> None:
        self.texts.clear()


def listening(ear: Ear, indices: tuple[int, ...] = (0,)) -> Request:
    return Request(ASK.messages, ASK.sampling, indices=indices, listener=ear)


async def both(
    script: Script, transport: str, indices: tuple[int, ...] = (0,), timeout: float = 1.0
) -> tuple[Any, Any, Ear]:
    """The streamed reply and the reply in one piece, or their errors."""
    ear = Ear()

    async def one(model: OpenAIModel, request: Request) -> Reply | ModelError:
        try:
            return await model.complete(request)
        except ModelError as problem:
            return problem

    with serve(script) as server:
        async with model_at(server, transport, timeout=timeout) as model:
            streamed = await one(model, listening(ear, indices))
            whole = await one(model, Request(ASK.messages, ASK.sampling, indices=indices))
    return streamed, whole, ear


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def plain(reply: Reply) -> Any:
    return [(c.text, c.finish_reason, c.usage, c.reasoning) for c in reply.completions], reply.usage


async def test_the_stream_adds_up_to_the_reply(transport: str) -> None:
    texts = ("The answer is 4.", "Ünicode ☃ is\n\nfine, too. ")
    streamed, whole, ear = await both(lambda body: Answer(texts), transport, (3, 4))
    assert plain(streamed) == plain(whole)
    assert {index: "".join(words) for index, words in ear.texts.items()} == dict(zip((3, 4), texts, strict=True))
    assert len(ear.texts[3]) > 2


async def test_usage_is_counted_where_the_endpoint_does_not_know_the_option(transport: str) -> None:
    def picky(body: dict[str, Any]) -> Answer:
        return error(400, "unknown field stream_options") if "stream_options" in body else Answer(("4",))

    streamed, _, ear = await both(picky, transport)
    assert streamed.completions[0].text == "4"
    assert streamed.usage is None, "not counted is not the same as nothing"
    assert ear.texts == {0: ["4"]}


async def test_an_endpoint_that_does_not_stream_is_read_in_one_piece(transport: str) -> None:
    streamed, whole, _ = await both(lambda body: Answer(("4",), streams=False), transport)
    assert plain(streamed) == plain(whole)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(("one two three four",), truncate=True), ("connection", "truncated")),
        (Answer(("4",), drop=True), ("connection",)),
        (Answer(("4",), endless=True, interval=0.01), ("timeout",)),
        (Answer(("4",), hang=True), ("timeout",)),
        (error(500, "oops"), ("server_error",)),
        (error(429, "slow down", retry_after="3"), ("rate_limit",)),
    ],
)
async def test_what_breaks_off_is_an_error_that_may_pass(answer: Answer, reason: tuple[str], transport: str) -> None:
    streamed, whole, _ = await both(lambda body: answer, transport, timeout=0.2 if "timeout" in reason else 1.0)
    assert isinstance(streamed, TransientError)
    assert streamed.reason in reason
    assert isinstance(whole, TransientError)


async def test_a_refusal_is_final_and_never_holds_the_key(transport: str) -> None:
    streamed, _, _ = await both(lambda body: error(401, "bad key sk-secret"), transport)
    assert isinstance(streamed, PermanentError)
    assert "sk-secret" not in str(streamed)


async def test_a_stream_that_ends_without_saying_so_is_truncated(transport: str) -> None:
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "half"}}]}\n\n'
    headers = {"content-type": "text/event-stream"}
    streamed, _, _ = await both(lambda _: Answer(body=body, headers=headers), transport)
    assert isinstance(streamed, TransientError)


async def test_leaving_early_closes_the_connection(transport: str) -> None:
    with serve(lambda body: Answer(("one two three four five",), interval=0.05)) as server:
        async with model_at(server, transport) as model:
            request = asyncio.create_task(model.complete(listening(ear := Ear())))
            await asyncio.wait_for(ear.spoken.wait(), 10)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            for _ in range(100):
                if server.abandoned:
                    break
                await asyncio.sleep(0.01)
            assert server.abandoned == 1


def test_what_ended_a_choice_is_in_its_last_piece() -> None:
    pieces = Pieces(Ear(), (0,))
    for said, finish in ((None, None), ("END", "stop")):
        choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": finish, "stop_reason": said}
        pieces.add(json.dumps({"choices": [choice]}))
    assert pieces.completion()["choices"][0]["stop_reason"] == "END"


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)


@given(
    texts=st.lists(LINES, max_size=5),
    cuts=st.lists(st.integers(1, 7), min_size=1),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_events_do_not_depend_on_where_chunks_are_cut(texts: list[str], cuts: list[int], newline: str) -> None:
    whole = "".join(f": comment{newline}data: {text}{newline}{newline}" for text in texts).encode()

    async def chunks() -> AsyncIterator[bytes]:
        rest, turn = whole, 0
        while rest:
            size = cuts[turn % len(cuts)]
            yield rest[:size]
            rest, turn = rest[size:], turn + 1

    async def read() -> list[str]:
        return [data async for data in events(chunks())]

    assert run_sync(read()) == texts
