"""The sample store: every completion that was ever paid for, so that none is paid for twice.

A sample is addressed by everything that decides its distribution (the model's identity, the messages, the sampling
parameters) and by which draw it is (seed, stream, index). SQLite in WAL mode keeps it safe for several processes and
against being killed: what was committed stays, and commits follow an answer within :data:`COMMIT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from archon import claims
from archon.alarm import Alarm
from archon.claims import Claims, Draw
from archon.cost import Usage
from archon.database import open_database, transaction
from archon.models.base import Completion, Request, TokenLogprob
from archon.state import CANONICAL_JSON

COMMIT_SECONDS = 0.05
USAGE_FIELDS = tuple(field.name for field in fields(Usage))
BUSY_SECONDS = 30.0
# Version 2 added the claims; a version 1 without them is brought up to date where it lies, and keeps its samples in a
# table WITHOUT ROWID, which spends a page of 4096 bytes on every sample of more than a thousand.
VERSIONS = range(1, 3)
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS samples (
    request BLOB NOT NULL,
    draw INTEGER NOT NULL,
    model TEXT NOT NULL,
    completion TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (request, draw)
);
{claims.SCHEMA}
"""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What is in a store.

    Attributes:
        samples: Completions.
        bytes: The size of the database.
        by_model: Completions per model.
        oldest: When the first one was bought, in seconds since the epoch; ``None`` if there is none.
    """

    samples: int
    bytes: int
    by_model: Mapping[str, int]
    oldest: float | None


def request_key(identity: str, request: Request) -> bytes:
    """The address of a request's samples, without their index."""
    # One JSON list, put together from the texts of its parts: most of them are the same from request to request.
    text = CANONICAL_JSON.encode
    messages = ", ".join([f"[{text(message.role)}, {text(message.content)}]" for message in request.messages])
    sampling, stream = request.sampling.text(), text(request.stream)
    parts = f"[{text(identity)}, [{messages}], {sampling}, {request.seed}, {stream}]"
    return hashlib.blake2b(parts.encode(), digest_size=16).digest()


class Store(Protocol):
    """Where samples are kept: a file or a database, which several processes may share."""

    @property
    def place(self) -> str:
        """The path of the file, or the URL of the database without its password."""
        ...

    @property
    def buying(self) -> dict[Draw, asyncio.Event]:
        """Draws that somebody in this process is buying right now, with what is set when they are done."""
        ...

    async def find(self, key: bytes, draws: Sequence[int]) -> dict[int, Completion]:
        """The samples there are among ``draws``."""
        ...

    async def claim(self, draws: Sequence[Draw]) -> bool:
        """Claim draws before buying them, all or none; to be followed by :meth:`put` or :meth:`release`.

        Returns:
            Whether to buy them. If not, somebody else was buying one of them, and is done by now.

        Raises:
            ConfigError: The store cannot be written.
        """
        ...

    def put(self, key: bytes, model: str, samples: Mapping[int, Completion]) -> None:
        """Keep samples; the first to arrive for a draw stays."""
        ...

    def release(self, draws: Sequence[Draw]) -> None:
        """Let others buy what was claimed and not bought."""
        ...

    def commit(self) -> None:
        """Write what is waiting."""
        ...

    def close(self) -> None:
        """Commit and close."""
        ...

    def stats(self) -> StoreStats:
        """Count what is there."""
        ...

    def prune(self, before: float, model: str | None = None) -> int:
        """Forget the samples bought before a moment, of one model or of all.

        Returns:
            How many were forgotten.
        """
        ...

    def export(self) -> Iterator[dict[str, Any]]:
        """Every sample as JSON values."""
        ...


class SampleStore:
    """Samples in one SQLite file; close it, or what came in the last moments may be missing.

    Attributes:
        path: The file.
        buying: Draws that somebody in this process is buying right now, with what is set when they are done.

    Raises:
        ConfigError: The file cannot be opened, or another version of Archon wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_database(path, "sample store", "use --store with another file", SCHEMA, VERSIONS, BUSY_SECONDS)
        self.buying: dict[Draw, asyncio.Event] = {}
        self._claims = Claims(self._db)
        self._pending: dict[Draw, tuple[str, str, float]] = {}
        self._commit_alarm = Alarm(self.commit)

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    async def find(self, key: bytes, draws: Sequence[int]) -> dict[int, Completion]:
        """The samples there are among ``draws``, at once."""
        return self.get(key, draws)

    def get(self, key: bytes, draws: Sequence[int]) -> dict[int, Completion]:
        """The samples there are among ``draws``."""
        query = "SELECT draw, completion FROM samples WHERE request = ? AND draw BETWEEN ? AND ?"
        found = dict(self._db.execute(query, (key, min(draws), max(draws))))
        if self._pending:
            found |= {draw: self._pending[key, draw][1] for draw in draws if (key, draw) in self._pending}
        return {draw: decode(found[draw]) for draw in draws if draw in found}

    async def claim(self, draws: Sequence[Draw]) -> bool:
        """Claim draws before buying them, all or none; to be followed by :meth:`put` or :meth:`release`.

        Returns:
            Whether to buy them. If not, another process was buying one of them, and is done by now.

        Raises:
            ConfigError: The store cannot be written.
        """
        return await self._claims.take(draws)

    def put(self, key: bytes, model: str, samples: Mapping[int, Completion]) -> None:
        """Keep samples; the first to arrive for a draw stays."""
        now = time.time()
        for draw, completion in samples.items():
            self._pending.setdefault((key, draw), (model, encode(completion), now))
        self.release([(key, draw) for draw in samples])

    def release(self, draws: Sequence[Draw]) -> None:
        """Let others buy what was claimed and not bought."""
        self._claims.release(draws)
        self._commit_alarm.set(COMMIT_SECONDS)

    def commit(self) -> None:
        """Write what is waiting."""
        self._commit_alarm.clear()
        if not self._pending and not self._claims.released:
            return
        rows = [(key, draw, *values) for (key, draw), values in self._pending.items()]
        with transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)", rows)
            self._claims.delete_released()
        self._pending.clear()
        self._claims.released.clear()

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._claims.close()
        self._db.close()

    def stats(self) -> StoreStats:
        """Count what is there."""
        by_model = dict(self._db.execute("SELECT model, COUNT(*) FROM samples GROUP BY model ORDER BY model"))
        (oldest,) = self._db.execute("SELECT MIN(created) FROM samples").fetchone()
        size = sum(p.stat().st_size for p in self.path.parent.glob(self.path.name + "*") if p.is_file())
        return StoreStats(sum(by_model.values()), size, by_model, oldest)

    def prune(self, before: float, model: str | None = None) -> int:
        """Forget the samples bought before a moment, of one model or of all, and give the space back.

        Returns:
            How many were forgotten.
        """
        condition = "created < ?" + ("" if model is None else " AND model = ?")
        values = (before,) if model is None else (before, model)
        forgotten = self._db.execute(f"DELETE FROM samples WHERE {condition}", values).rowcount  # noqa: S608
        self._db.execute("VACUUM")
        return forgotten

    def export(self) -> Iterator[dict[str, Any]]:
        """Every sample as JSON values."""
        for key, draw, model, completion, created in self._db.execute("SELECT * FROM samples ORDER BY created"):
            yield {"request": key.hex(), "draw": draw, "model": model, "created": created, **json.loads(completion)}


def encode(completion: Completion) -> str:
    """A completion as JSON text."""
    data: dict[str, Any] = {"text": completion.text, "finish_reason": completion.finish_reason}
    usage = completion.usage
    data["usage"] = None if usage is None else {name: getattr(usage, name) for name in USAGE_FIELDS}
    if completion.logprobs is not None:
        data["logprobs"] = [[t.token, t.logprob, t.top] for t in completion.logprobs]
    if completion.reasoning is not None:
        data["reasoning"] = completion.reasoning
    if completion.seconds:
        data["seconds"] = completion.seconds
    if completion.stop_reason is not None:
        data["stop_reason"] = completion.stop_reason
    return to_json(data).decode()


def decode(text: str) -> Completion:
    """What :func:`encode` wrote."""
    data = from_json(text)
    logprobs = data.get("logprobs")
    tokens = None
    if logprobs is not None:
        tokens = tuple(TokenLogprob(t, p, tuple((other, q) for other, q in top)) for t, p, top in logprobs)
    usage = None if data["usage"] is None else Usage(**data["usage"])
    return Completion(
        text=data["text"],
        finish_reason=data["finish_reason"],
        usage=usage,
        logprobs=tokens,
        reasoning=data.get("reasoning"),
        seconds=data.get("seconds", 0.0),
        stop_reason=data.get("stop_reason"),
    )
