"""How a request body reaches an endpoint.

:class:`ClientTransport` goes through the ``openai`` package over a shared httpx pool and always works;
:class:`archon.models.wire.WireTransport` posts the same JSON with a fortieth of the processor time per call, where the
extra ``fast`` is installed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import httpx
import openai

from archon.errors import TransientError

CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpStream:
    """A reply whose body is still coming."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Transport(Protocol):
    """Posts JSON to one endpoint."""

    async def post(self, path: str, body: Mapping[str, Any], timeout: float) -> HttpReply:
        """Post to ``path`` below the endpoint's root.

        Raises:
            TransientError: No complete reply came back within ``timeout`` seconds.
        """
        ...

    def stream(self, path: str, body: Mapping[str, Any], timeout: float) -> AbstractAsyncContextManager[HttpStream]:
        """Post and read the reply as it comes; leaving the context early closes the connection.

        Raises:
            TransientError: The reply broke off, or did not end within ``timeout`` seconds.
        """
        ...


@cache
def certificates() -> ssl.SSLContext:
    """The certificates that httpx trusts, read once: both transports trust the same servers."""
    return httpx.create_ssl_context()


class ClientTransport:
    """Posts through an ``openai.AsyncOpenAI`` client."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        # The package's signatures know httpx2 only, although it takes an httpx client all the same.
        self._client: Any = client.with_options(max_retries=0)

    async def post(self, path: str, body: Mapping[str, Any], timeout: float) -> HttpReply:
        """Post with the client's own headers, key and connection pool."""
        with _httpx_faults(timeout):
            try:
                async with asyncio.timeout(timeout):
                    reply = await self._client.post(path, cast_to=httpx.Response, **_options(body, timeout))
            except openai.APIStatusError as error:
                return HttpReply(error.status_code, dict(error.response.headers), error.response.content)
        return HttpReply(reply.status_code, dict(reply.headers), reply.content)

    @asynccontextmanager
    async def stream(self, path: str, body: Mapping[str, Any], timeout: float) -> AsyncIterator[HttpStream]:
        """Post with the client and hand on the bytes beneath its own stream."""
        with _httpx_faults(timeout):
            async with asyncio.timeout(timeout):
                try:
                    opened = await self._client.post(
                        path,
                        cast_to=object,
                        stream=True,
                        stream_cls=openai.AsyncStream[object],
                        **_options(body, timeout),
                    )
                except openai.APIStatusError as error:
                    content = _once(error.response.content)
                    yield HttpStream(error.status_code, dict(error.response.headers), content)
                    return
                reply = opened.response
                try:
                    yield HttpStream(reply.status_code, dict(reply.headers), reply.aiter_bytes())
                finally:
                    await opened.close()


def _options(body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    limits = httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=None)
    return {"body": dict(body), "options": {"timeout": limits}}


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@contextmanager
def _httpx_faults(timeout: float) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, openai.APITimeoutError, httpx.TimeoutException):
        raise TransientError(f"no reply within {timeout:g} s", reason="timeout") from None
    except openai.APIConnectionError as error:
        raise TransientError(f"the connection failed: {error.__cause__ or error}", reason="connection") from None
    except httpx.TransportError as error:
        problem = str(error) or type(error).__name__
        raise TransientError(f"the connection failed: {problem}", reason="connection") from None
