"""HTTP/1.1 with as little as possible between the event loop and the reply.

:class:`WireTransport` keeps connections open and speaks through httptools (the parser beneath uvicorn). It takes a
third of aiohttp's processor time per call and a fortieth of httpx's; it knows neither proxies nor HTTP/2, for which
:class:`archon.models.transport.ClientTransport` is there.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import openai
from pydantic_core import to_json

from archon.alarm import Alarm
from archon.errors import ConfigError, TransientError
from archon.models.transport import CONNECT_SECONDS, HttpReply, HttpStream, certificates

# Shorter than what servers keep a silent connection for (uvicorn: 5 s), so that we hang up first.
IDLE_SECONDS = 4.0


class _Connection(asyncio.Protocol):
    """One connection: one exchange at a time."""

    def __init__(self, overdue: _Overdue) -> None:
        self.closed = False
        self.idle_since = 0.0
        self._overdue = overdue
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[None] | None = None
        self._end: asyncio.Future[None] | None = None
        self._arrived: asyncio.Event | None = None
        self._headed = False
        self._headers: dict[str, str] = {}
        self._body: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Those of other event loops, uvloop's for one, do the same without being of this class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, problem: Exception | None) -> None:
        """Whatever was awaited will not come, unless the end of the connection was to be the end of the reply."""
        self.closed = True
        unframed = not self._headers.keys() & {"content-length", "transfer-encoding"}
        if problem is None and self._headed and unframed:
            self._complete()
            return
        self.fail(f"the connection failed: {problem or 'the server closed it before the reply was complete'}")

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what is not HTTP ends the exchange."""
        if self._end is None:
            # Bytes that nobody asked for: whatever comes next could not be trusted.
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"the reply is not HTTP: {error}", reason="malformed")
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the reply."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head of the reply is there, unless it only announces the real one (1xx)."""
        if self.status < 200:
            return
        self._headed = True
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body.append(data)
        if self._arrived is not None:
            self._arrived.set()

    def on_message_complete(self) -> None:
        """The reply is complete."""
        if self.status < 200:
            self._headers.clear()
            return
        if not self._parser.should_keep_alive():
            self.closed = True
        self._complete()

    def _complete(self) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
        if self._arrived is not None:
            self._arrived.set()

    @property
    def status(self) -> int:
        """The status of the reply."""
        return int(self._parser.get_status_code())

    async def post(self, request: bytes, timeout: float) -> HttpReply:
        """Send a request and wait for the whole reply."""
        loop = asyncio.get_running_loop()
        self._begin(request)
        self._end = loop.create_future()
        self._overdue.watch(self, timeout)
        try:
            await self._end
            return HttpReply(self.status, self._headers, b"".join(self._body))
        finally:
            self._overdue.forget(self)
            self._finish()

    @asynccontextmanager
    async def stream(self, request: bytes, timeout: float) -> AsyncIterator[HttpStream]:
        """Send a request and hand on the reply as it comes."""
        loop = asyncio.get_running_loop()
        self._begin(request)
        self._head, self._end, self._arrived = loop.create_future(), loop.create_future(), asyncio.Event()
        self._overdue.watch(self, timeout)
        try:
            await self._head
            yield HttpStream(self.status, self._headers, self._chunks(self._end, self._arrived))
        finally:
            self._overdue.forget(self)
            self._finish()

    async def _chunks(self, end: asyncio.Future[None], arrived: asyncio.Event) -> AsyncIterator[bytes]:
        while True:
            while self._body:
                yield self._body.popleft()
            if end.done():
                end.result()
                return
            await arrived.wait()
            arrived.clear()

    def _begin(self, request: bytes) -> None:
        self._headed = False
        self._headers = {}
        self._body = deque()
        self._transport.write(request)

    def _finish(self) -> None:
        """After an exchange that was not completed, the connection is of no use."""
        complete = (
            self._end is not None and self._end.done() and not self._end.cancelled() and not self._end.exception()
        )
        if self._head is not None and self._head.done() and not self._head.cancelled():
            self._head.exception()
        self._head = self._end = self._arrived = None
        self._headed = False
        if not complete or self.closed:
            self.close()

    def fail(self, problem: str, reason: str = "connection") -> None:
        """Whatever is awaited will not come."""
        error = TransientError(problem, reason=reason)
        for future in (self._head, self._end):
            if future is not None and not future.done():
                future.set_exception(error)
        if self._arrived is not None:
            self._arrived.set()

    def close(self) -> None:
        """Hang up at once."""
        self.closed = True
        self._transport.abort()


class _Overdue:
    """Ends exchanges that take too long, by one timer for all: one for each would cost as much as parsing the reply."""

    def __init__(self) -> None:
        self._due: dict[_Connection, tuple[float, float]] = {}
        self._next = math.inf
        self._alarm = Alarm(self._look)

    def watch(self, connection: _Connection, timeout: float) -> None:
        """Let the exchange fail when it has taken this many seconds."""
        at = asyncio.get_running_loop().time() + timeout
        self._due[connection] = at, timeout
        if at < self._next:
            self._next = at
            self._alarm.clear()
        self._alarm.set(timeout)

    def forget(self, connection: _Connection) -> None:
        """The exchange has ended."""
        self._due.pop(connection, None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._due.clear()
        self._alarm.clear()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection, (at, timeout) in list(self._due.items()):
            if at <= now:
                self.forget(connection)
                connection.fail(f"no reply within {timeout:g} s", "timeout")
        self._next = min((at for at, _ in self._due.values()), default=math.inf)
        if self._due:
            self._alarm.set(self._next - now)


class WirePool:
    """Open connections by endpoint, shared by everything in the process."""

    def __init__(self) -> None:
        self._overdue = _Overdue()
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}

    async def take(self, host: str, port: int, secure: bool) -> _Connection:
        """An idle connection, the one used last, or a new one.

        Raises:
            TransientError: Nobody answers there.
        """
        loop = asyncio.get_running_loop()
        idle = self._idle.setdefault((host, port, secure), [])
        while idle:
            connection = idle.pop()
            if not connection.closed and loop.time() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                context = certificates() if secure else None
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._overdue), host, port, ssl=context
                )
        except TimeoutError:
            raise TransientError(f"{host} did not answer within {CONNECT_SECONDS:g} s", reason="timeout") from None
        except OSError as error:
            raise TransientError(f"the connection failed: {error}", reason="connection") from None
        return connection

    def give_back(self, host: str, port: int, secure: bool, connection: _Connection) -> None:
        """Keep a connection for the next request."""
        if not connection.closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle[host, port, secure].append(connection)

    async def aclose(self) -> None:
        """Hang up all idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
        self._overdue.close()
        # Sockets are closed in the next turn of the loop.
        await asyncio.sleep(0)


class WireTransport:
    """Posts over a pool of connections, taking the endpoint's root and headers from an ``openai.AsyncOpenAI`` client.

    Args:
        client: Knows root, key and headers.
        pool: Its connections.

    Raises:
        ConfigError: A header, such as a key from the environment, holds a line break.
    """

    def __init__(self, client: openai.AsyncOpenAI, pool: WirePool) -> None:
        url = urlsplit(str(client.base_url))
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        self._root = url.path.rstrip("/")
        headers = {
            name.lower(): value
            for name, value in {**client.default_headers, **client.auth_headers}.items()
            if isinstance(value, str) and not name.lower().startswith("x-stainless")
        }
        headers |= {"host": url.netloc.rpartition("@")[2], "accept-encoding": "identity", "connection": "keep-alive"}
        if any(set(f"{name}{value}") & set("\r\n\0") for name, value in headers.items()):
            raise ConfigError(
                f"{url.hostname}: a key or header of this endpoint holds a line break; set it without one."
            )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._rest = f" HTTP/1.1\r\n{lines}content-length: ".encode("latin-1")
        self._pool = pool

    async def post(self, path: str, body: Mapping[str, Any], timeout: float) -> HttpReply:
        """Post and wait for the whole reply."""
        connection = await self._pool.take(self._host, self._port, self._secure)
        try:
            return await connection.post(self._request(path, body), timeout)
        finally:
            self._pool.give_back(self._host, self._port, self._secure, connection)

    @asynccontextmanager
    async def stream(self, path: str, body: Mapping[str, Any], timeout: float) -> AsyncIterator[HttpStream]:
        """Post and hand on the reply as it comes."""
        connection = await self._pool.take(self._host, self._port, self._secure)
        try:
            async with connection.stream(self._request(path, body), timeout) as reply:
                yield reply
        finally:
            self._pool.give_back(self._host, self._port, self._secure, connection)

    def _request(self, path: str, body: Mapping[str, Any]) -> bytes:
        data = to_json(body)
        head = f"POST {self._root}{path}".encode("latin-1") + self._rest
        return head + str(len(data)).encode() + b"\r\n\r\n" + data
