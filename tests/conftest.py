"""What every test shares: no network but loopback, no user's cache, no keys."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from archon.testing import isolated_registry
from tests.commands import archon as archon
from tests.postgres import database as database
from tests.postgres import postgres as postgres

# How long one example takes says more about the machine than about the code; a test as a whole has its time limit.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for every test's cache, made only by those that use one: thousands of folders take long to remove."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, caches: Iterator[Path], request: Any) -> None:
    """No test reaches the network or reads the user's keys; only tests on real models see the user's cache."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"tests may not connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("ARCHON_")]:
        if name != "ARCHON_CACHE" or "local" not in request.keywords:
            monkeypatch.delenv(name)
    if "local" not in request.keywords:
        cache = next(caches)
        monkeypatch.setenv("ARCHON_CACHE", str(cache))
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(autouse=True)
def no_leftover_techniques() -> Iterator[None]:
    """A technique that a test defines is gone after it."""
    with isolated_registry():
        yield


@pytest.fixture
def shared_data() -> Path:
    """Small samples of public benchmarks that may lie beside the checkout."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data is not here")
    return path
