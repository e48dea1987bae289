"""Models from their specifications, with everything they share: connections, limits, local servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import openai

from archon.errors import ConfigError
from archon.models.base import Capabilities, Model
from archon.models.limit import Limited, Limiter
from archon.models.local import SLOTS, LocalServers
from archon.models.normalise import Normalised
from archon.models.openai import OpenAIModel
from archon.models.probe import known_capabilities
from archon.models.providers import LOCAL, PROVIDERS
from archon.models.shared_window import SharedLimits, SharedWindows
from archon.models.spec import SECRET_REFERENCE, ModelSpec
from archon.models.transport import ClientTransport, Transport, certificates
from archon.models.turns import InTurns, Turns
from archon.models.window import Limits

if TYPE_CHECKING:
    from archon.models.wire import WirePool

CONCURRENCY = 256
NO_KEY = "none"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ModelPool:
    """Makes models and owns what they share; use it as an async context manager.

    Args:
        rate_limits: A file by which the requests and tokens per minute of an architecture's models hold for all
            processes of this machine that name it; without one they hold for this pool.
    """

    def __init__(self, rate_limits: Path | None = None) -> None:
        self._rates = None if rate_limits is None else SharedLimits(rate_limits)
        self._limiters: dict[str, Limiter] = {}
        self._local = LocalServers()
        self._turns = Turns()
        self._http: dict[bool, httpx.AsyncClient] = {}
        self._wires: WirePool | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._http.values():
            await client.aclose()
        if self._wires is not None:
            await self._wires.aclose()
        self._local.close()
        if self._rates is not None:
            self._rates.close()

    async def model(self, spec: ModelSpec, around: Callable[[Model], Model] = lambda model: model) -> Model:
        """The model of a specification, limited and normalised.

        Args:
            spec: What to make.
            around: Wraps the model beneath its limiter, where requests are those that are really sent.

        Raises:
            ConfigError: Its key or its weights are missing.
        """
        bare = await self.bare_model(spec)
        endpoint = bare.identity.rpartition(" ")[0]
        concurrency = spec.concurrency or (SLOTS if spec.provider == LOCAL else CONCURRENCY)
        limits = Limits(concurrency, spec.requests_per_minute, spec.tokens_per_minute)
        if endpoint in self._limiters:
            self._limiters[endpoint].tighten(limits)
        else:
            windows = None if self._rates is None else SharedWindows(self._rates, endpoint)
            self._limiters[endpoint] = Limiter(limits, windows)
        limiter = self._limiters[endpoint]
        heard: Model = bare.heard_by(limiter.heed)
        if spec.provider == LOCAL:
            heard = InTurns(heard, self._turns)
        return Limited(around(Normalised(heard)), limiter)

    async def bare_model(self, spec: ModelSpec) -> OpenAIModel:
        """The model with nothing around it, for probing."""
        return await (self._local_model(spec) if spec.provider == LOCAL else self._remote_model(spec))

    async def _local_model(self, spec: ModelSpec) -> OpenAIModel:
        server = await self._local.start(spec.model)
        return OpenAIModel(
            name=spec.use,
            model=spec.model,
            endpoint=server.identity,
            transport=self._transport(server.base_url, None),
            capabilities=_with_template(server.capabilities, spec),
            timeout=spec.timeout,
        )

    async def _remote_model(self, spec: ModelSpec) -> OpenAIModel:
        provider = PROVIDERS[spec.provider]
        base_url = base_url_of(spec)
        custom = base_url != provider.base_url
        key = _key(spec, required=not custom)
        assumed = Capabilities(multiple=provider.multiple and not custom, seed=provider.seed)
        return OpenAIModel(
            name=spec.use,
            model=spec.model,
            endpoint=base_url,
            transport=self._transport(base_url, key),
            capabilities=_with_template(known_capabilities(base_url, spec.model) or assumed, spec),
            timeout=spec.timeout,
            max_tokens_field="max_tokens" if custom else provider.max_tokens_field,
            secret=key,
        )

    def _transport(self, base_url: str, key: str | None) -> Transport:
        host = urlsplit(base_url).hostname or ""
        # A proxy of the environment cannot reach this machine's own servers.
        proxied = host not in LOOPBACK and bool(getproxies()) and not proxy_bypass(host)
        if proxied not in self._http:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=CONCURRENCY)
            self._http[proxied] = httpx.AsyncClient(verify=certificates(), limits=limits, trust_env=proxied)
        client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key or NO_KEY,
            http_client=self._http[proxied],  # type: ignore[arg-type]
        )
        if proxied or find_spec("httptools") is None:
            return ClientTransport(client)
        from archon.models.wire import WirePool, WireTransport

        if self._wires is None:
            self._wires = WirePool()
        return WireTransport(client, self._wires)


def base_url_of(spec: ModelSpec) -> str:
    """The root of the API that serves a model which is not local."""
    provider = PROVIDERS[spec.provider]
    replaced = os.environ.get(provider.base_url_variable or "")
    return spec.base_url or replaced or provider.base_url


def _with_template(capabilities: Capabilities, spec: ModelSpec) -> Capabilities:
    """What an endpoint supports, with the template that its user names before one that a probe was given."""
    return capabilities if spec.template is None else replace(capabilities, template=spec.template)


def _key(spec: ModelSpec, *, required: bool) -> str | None:
    """The key of an endpoint, from the environment.

    Raises:
        ConfigError: The endpoint needs one and the variable is not set.
    """
    provider = PROVIDERS[spec.provider]
    named = SECRET_REFERENCE.fullmatch(spec.api_key) if spec.api_key else None
    # A file that names another server must not get a provider's key sent there; it has to name the key as well.
    elsewhere = spec.base_url not in (None, provider.base_url)
    variable = named[1] if named else None if elsewhere else provider.key_variable
    key = os.environ.get(variable) if variable else None
    if not key and (named or (required and variable)):
        raise ConfigError(
            f"{spec.use} needs an API key and {variable} is not set: "
            f"export {variable}=…, or name another variable under `api_key`."
        )
    return key or None
