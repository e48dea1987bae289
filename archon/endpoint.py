"""JSON posted to a URL that is not a model's: the way to reward servers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import time
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Annotated, Any, Never, Self
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator

from archon.errors import ConfigError, PermanentError, TransientError
from archon.models.openai import REASONS, TRANSIENT_STATUSES, parse_retry_after
from archon.models.pool import LOOPBACK
from archon.models.retry import RetryPolicy
from archon.models.spec import SECRET_REFERENCE


def _only_a_reference(value: str | None) -> str | None:
    if value is not None and not SECRET_REFERENCE.fullmatch(value):
        raise ValueError("name an environment variable, as in $REWARD_KEY in braces; never write the key itself")
    return value


SecretRef = Annotated[str | None, AfterValidator(_only_a_reference)]
"""A reference to an environment variable that holds a key, ``${NAME}``."""


class Endpoint:
    """One URL that takes JSON and answers with JSON; use it as an async context manager.

    Args:
        url: Where to post.
        api_key: A reference to the variable that holds the key, which is sent as a bearer token.
        timeout: Seconds to wait for one reply.
        retry: Bounds on retrying what a retry can help: 408, 409, 425, 429, 5xx, lost connections, garbled replies.

    Raises:
        ConfigError: The key's variable is not set.
    """

    def __init__(self, url: str, *, api_key: SecretRef = None, timeout: float, retry: RetryPolicy) -> None:
        self._url = url
        self._shown = public(url)
        self._key = _key(url, api_key)
        self._timeout = timeout
        self._retry = retry
        # Jitter exists to differ between processes, so it must not be seeded.
        self._jitter = random.Random()
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        # A proxy of the environment cannot reach this machine's own servers.
        proxied = (urlsplit(url).hostname or "") not in LOOPBACK
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, verify=_tls(), trust_env=proxied)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, body: Mapping[str, Any]) -> Any:
        """Post one body and return the reply.

        Raises:
            TransientError: It failed, and so did the attempts after it.
            PermanentError: It was refused.
        """
        content = json.dumps(body).encode()
        started = time.monotonic()
        attempt = 1
        while True:
            try:
                return await self._post(content)
            except TransientError as error:
                wait = self._jitter.uniform(0, min(self._retry.longest, self._retry.base * 2 ** (attempt - 1)))
                wait = max(wait, error.retry_after or 0.0)
                if attempt >= self._retry.attempts or time.monotonic() - started + wait > self._retry.seconds:
                    raise
            attempt += 1
            await asyncio.sleep(wait)

    async def _post(self, content: bytes) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._client.post(self._url, content=content)
        except (TimeoutError, httpx.TimeoutException):
            raise TransientError(f"{self._shown}: no reply within {self._timeout:g} s", reason="timeout") from None
        except httpx.TransportError as error:
            problem = str(error) or type(error).__name__
            raise TransientError(f"{self._shown}: the connection failed: {problem}", reason="connection") from None
        if not reply.is_success:
            self._refuse(reply)
        try:
            return json.loads(reply.content)
        except ValueError:
            raise TransientError(f"{self._shown}: the reply is not JSON", reason="malformed") from None

    def _refuse(self, reply: httpx.Response) -> Never:
        """Raise what an error reply means, never with the key in it."""
        status = reply.status_code
        said = reply.text[:200].strip() or "no explanation"
        if self._key:
            said = said.replace(self._key, "***")
        message = f"{self._shown}: HTTP {status}: {said}"
        reason = REASONS.get(status, "server_error" if status >= 500 else "refused")
        if status in TRANSIENT_STATUSES or status >= 500:
            retry_after = parse_retry_after(reply.headers.get("retry-after"))
            raise TransientError(message, reason=reason, status=status, retry_after=retry_after)
        raise PermanentError(message, reason=reason, status=status)


def public(url: str) -> str:
    """The URL as it may be shown: without a user's name, a password and a query, which may be secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than asking."""
    return httpx.create_ssl_context()


def _key(url: str, reference: str | None) -> str | None:
    named = SECRET_REFERENCE.fullmatch(reference) if reference else None
    if named is None:
        return None
    key = os.environ.get(named[1])
    if not key:
        raise ConfigError(f"{public(url)} needs a key and {named[1]} is not set: export {named[1]}=….")
    return key
