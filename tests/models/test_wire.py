"""The lean HTTP transport against raw sockets: framing, reuse, encryption, and servers that misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ConfigError, TransientError
from archon.models import wire
from archon.models.transport import HttpReply, certificates
from archon.models.wire import WirePool, WireTransport

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(next(line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length")))
    return head, await reader.readexactly(length)


@asynccontextmanager
async def endpoint(
    handler: Handler, secure: ssl.SSLContext | None = None, key: str = "k"
) -> AsyncIterator[WireTransport]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=secure)
    port = server.sockets[0].getsockname()[1]
    pool = WirePool()
    url = f"https://localhost:{port}/v1" if secure else f"http://127.0.0.1:{port}/v1"
    try:
        async with openai.AsyncOpenAI(base_url=url, api_key=key) as client:
            yield WireTransport(client, pool)
    finally:
        await pool.aclose()
        server.close()


def saying(*payloads: bytes, close: bool = False) -> Handler:
    """Answers one request with each payload, on however many connections."""
    rest = list(payloads)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while rest:
            await read_request(reader)
            writer.write(rest.pop(0))
            await writer.drain()
            if close:
                return

    return handler


async def post(transport: WireTransport, timeout: float = 2.0) -> HttpReply:
    return await transport.post("/chat/completions", {"q": "☃"}, timeout)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mark: yes\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;ext=1\r\n}\r\n0\r\nTrailer: x\r\n\r\n"
UNFRAMED = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\n" + OK


@pytest.mark.parametrize(
    ("payload", "close"), [(OK, False), (CHUNKED, False), (UNFRAMED, True), (ANNOUNCED, False), (CLOSING, True)]
)
async def test_every_framing(payload: bytes, close: bool) -> None:
    async with endpoint(saying(payload, payload, close=close)) as transport:
        for _ in range(2):
            reply = await post(transport)
            assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize("payload", [OK, CHUNKED, UNFRAMED])
async def test_every_framing_streamed(payload: bytes) -> None:
    async with endpoint(saying(payload, close=True)) as transport, transport.stream("/x", {}, 2.0) as reply:
        assert (reply.status, b"".join([chunk async for chunk in reply.chunks])) == (200, b"{}")


async def test_the_request_on_the_wire() -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async with endpoint(handler, key="secret") as transport:
        reply = await post(transport)
    head, body = seen[0]
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert "authorization: Bearer secret\r\n" in head
    assert "content-type: application/json\r\n" in head
    assert "host: 127.0.0.1:" in head
    assert body.decode() == '{"q":"☃"}'
    assert reply.headers["x-mark"] == "yes"


async def test_connections_are_reused_and_no_more_than_needed() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            await asyncio.sleep(0.02)
            writer.write(OK)

    async with endpoint(handler) as transport:
        for _ in range(3):
            await asyncio.gather(*(post(transport) for _ in range(4)))
    assert connections == 4


async def test_a_connection_that_was_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE_SECONDS", 0.0)
    async with endpoint(saying(OK, OK)) as transport:
        assert (await post(transport)).status == (await post(transport)).status == 200


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "connection"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "connection"),
        (b"garbage\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed"),
    ],
)
async def test_half_a_reply_is_a_fault_and_the_next_request_is_fine(payload: bytes, reason: str) -> None:
    async with endpoint(saying(payload, OK, close=True)) as transport:
        with pytest.raises(TransientError) as caught:
            await post(transport)
        assert caught.value.reason == reason
        assert (await post(transport)).body == b"{}"


async def test_a_reply_that_never_ends_times_out_and_hangs_up() -> None:
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with endpoint(handler) as transport:
        with pytest.raises(TransientError) as caught:
            await post(transport, timeout=0.1)
        assert caught.value.reason == "timeout"
        await asyncio.wait_for(gone.wait(), 5)


async def test_cancelling_hangs_up_within_one_turn() -> None:
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        assert await reader.read() == b""
        gone.set()

    async with endpoint(handler) as transport:
        request = asyncio.create_task(post(transport))
        await asyncio.sleep(0.05)
        request.cancel()
        await asyncio.sleep(0)
        assert request.cancelled()
        await asyncio.wait_for(gone.wait(), 5)


async def test_encrypted_and_only_with_certificates_that_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates.cache_clear()
    authority = trustme.CA()
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(secure)
    async with endpoint(saying(OK), secure) as transport:
        with pytest.raises(TransientError, match="certificate"):
            await post(transport)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    certificates.cache_clear()
    async with endpoint(saying(OK, CHUNKED), secure) as transport:
        assert [(await post(transport)).body for _ in range(2)] == [b"{}", b"{}"]
    certificates.cache_clear()


async def test_every_exchange_ends_in_its_own_time_whatever_the_order() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    ended: list[float] = []

    async def until(transport: WireTransport, seconds: float) -> None:
        started = asyncio.get_running_loop().time()
        with pytest.raises(TransientError, match=f"no reply within {seconds:g} s"):
            await post(transport, seconds)
        assert asyncio.get_running_loop().time() - started >= seconds
        ended.append(seconds)

    async with endpoint(silent) as transport:
        await asyncio.gather(*(until(transport, seconds) for seconds in (0.3, 0.1, 0.2)))
        await until(transport, 0.05)
    assert ended == [0.1, 0.2, 0.3, 0.05]


async def test_nobody_there() -> None:
    async with openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="k") as client:
        with pytest.raises(TransientError) as caught:
            await post(WireTransport(client, WirePool()))
    assert caught.value.reason == "connection"


def test_a_key_with_a_line_break_cannot_smuggle_headers() -> None:
    client = openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="k\r\nx-evil: 1")
    with pytest.raises(ConfigError, match="line break") as caught:
        WireTransport(client, WirePool())
    assert "evil" not in str(caught.value)


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=6), st.integers(1, 9), st.booleans())
def test_replies_do_not_depend_on_where_packets_are_cut(parts: list[bytes], step: int, chunked: bool) -> None:
    body = b"".join(parts)
    if chunked:
        framed = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
        payload = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed
    else:
        payload = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def feed() -> HttpReply:
        connection = wire._Connection(wire._Overdue())
        connection.connection_made(_Sink())
        waiting = asyncio.create_task(connection.post(b"", 5.0))
        await asyncio.sleep(0)
        for start in range(0, len(payload), step):
            connection.data_received(payload[start : start + step])
        return await waiting

    assert run_sync(feed()).body == body


class _Sink(asyncio.Transport):
    """Takes what is written and leads nowhere."""

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        pass
