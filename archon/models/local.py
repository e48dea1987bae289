"""Local models: llama.cpp in this process, one server per weights, however many roles use it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from archon.errors import ConfigError
from archon.models.base import Capabilities
from archon.models.catalogue import find
from archon.models.llama import LlamaServer
from archon.models.providers import is_file
from archon.models.weights import locate

SLOTS = 8
CONTEXT = 4096

# Measured against llama.cpp's own server: n evaluates the prompt once but counts the tokens of one choice only, and
# the reply to a trailing assistant message repeats that message. A seed repeats a text only while nothing else is in
# flight, because the order of floating-point sums depends on what shares a batch.
CAPABILITIES = Capabilities(
    multiple=True, recount=True, seed=True, stop=True, logprobs=True, prefix="echoes", completions=True
)


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """A running local server.

    Attributes:
        base_url: The root of its API.
        identity: The hash of its weights, which decides the distribution of its samples.
        slots: How many requests it serves at once.
        capabilities: What it supports.
    """

    base_url: str
    identity: str
    slots: int
    capabilities: Capabilities


class LocalServers:
    """The local servers of a pool, started when first needed."""

    def __init__(self) -> None:
        self._servers: dict[Path, LlamaServer] = {}
        self._starting = asyncio.Lock()

    async def start(self, model: str) -> LocalEndpoint:
        """The server of a catalogued model or of a GGUF file; starts it if it is not running.

        Raises:
            ConfigError: The weights are not on this machine, or llama.cpp is not installed.
        """
        path, digest = await asyncio.to_thread(_weights, model)
        async with self._starting:
            if path not in self._servers:
                self._servers[path] = await asyncio.to_thread(
                    LlamaServer, path, slots=SLOTS, context=CONTEXT, alias=model
                )
            server = self._servers[path]
        return LocalEndpoint(server.base_url, f"sha256:{digest}", SLOTS, CAPABILITIES)

    def close(self) -> None:
        """Stop every server and free its memory."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()


def local_path(model: str) -> Path:
    """Where the weights of a catalogued model, or of a path to a GGUF file, are on this machine.

    Raises:
        ConfigError: They are not there.
    """
    if not is_file(model):
        return locate(model)
    path = Path(model).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"{model}: there is no such file.")
    return path


def _weights(model: str) -> tuple[Path, str]:
    path = local_path(model)
    if is_file(model):
        with path.open("rb") as file:
            return path, hashlib.file_digest(file, "sha256").hexdigest()
    return path, find(model).sha256
