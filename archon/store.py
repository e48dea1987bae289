"""The sample store: every completion that was ever paid for, so that none is paid for twice.

A sample is addressed by everything that decides its distribution (the model's identity, the messages, the sampling
parameters) and by which draw it is (seed, stream, index). SQLite in WAL mode keeps it safe for several processes and
against being killed: what was committed stays, and commits follow an answer within :data:`COMMIT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archon.cost import Usage
from archon.errors import ConfigError
from archon.models.base import Completion, Request, TokenLogprob

COMMIT_SECONDS = 0.05
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    request BLOB NOT NULL,
    draw INTEGER NOT NULL,
    model TEXT NOT NULL,
    completion TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (request, draw)
) WITHOUT ROWID
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
    digest = hashlib.blake2b(digest_size=16)
    parts: list[Any] = [
        identity,
        [[message.role, message.content] for message in request.messages],
        request.sampling.settings(),
        request.seed,
        request.stream,
    ]
    digest.update(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode())
    return digest.digest()


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
        self._db = _open(path)
        self.buying: dict[tuple[bytes, int], asyncio.Event] = {}
        self._pending: dict[tuple[bytes, int], tuple[str, str, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def get(self, key: bytes, draws: Iterable[int]) -> dict[int, Completion]:
        """The samples there are among ``draws``."""
        found = {}
        for draw in draws:
            waiting = self._pending.get((key, draw))
            row = (waiting[1],) if waiting else self._one(key, draw)
            if row is not None:
                found[draw] = _decode(row[0])
        return found

    def put(self, key: bytes, model: str, samples: Mapping[int, Completion]) -> None:
        """Keep samples; the first to arrive for a draw stays."""
        now = time.time()
        for draw, completion in samples.items():
            self._pending.setdefault((key, draw), (model, _encode(completion), now))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self.commit)

    def commit(self) -> None:
        """Write what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows = [(key, draw, *values) for (key, draw), values in self._pending.items()]
        if not rows:
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
        self._pending.clear()

    def close(self) -> None:
        """Commit and close."""
        self.commit()
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

    def _one(self, key: bytes, draw: int) -> tuple[str] | None:
        query = "SELECT completion FROM samples WHERE request = ? AND draw = ?"
        row: tuple[str] | None = self._db.execute(query, (key, draw)).fetchone()
        return row


def _open(path: Path) -> sqlite3.Connection:
    """The database, made if it is not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One event loop uses a store at a time, but in a notebook it runs in a thread of its own.
        db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"{path}: the sample store cannot be opened: {error}.") from None
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # With WAL this can lose the last commits to a power cut, never to a killed process.
        db.execute("PRAGMA synchronous = NORMAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise ConfigError(f"{path} was written by another version of Archon; use --store with another file.")
        db.execute(SCHEMA)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except sqlite3.Error as error:
        db.close()
        raise ConfigError(f"{path}: the sample store cannot be opened: {error}.") from None
    except ConfigError:
        db.close()
        raise
    return db


def _encode(completion: Completion) -> str:
    data: dict[str, Any] = {"text": completion.text, "finish_reason": completion.finish_reason}
    usage = completion.usage
    data["usage"] = None if usage is None else asdict(usage)
    if completion.logprobs is not None:
        data["logprobs"] = [[t.token, t.logprob, t.top] for t in completion.logprobs]
    if completion.reasoning is not None:
        data["reasoning"] = completion.reasoning
    return json.dumps(data, ensure_ascii=False)


def _decode(text: str) -> Completion:
    data = json.loads(text)
    logprobs = data.get("logprobs")
    tokens = None
    if logprobs is not None:
        tokens = tuple(TokenLogprob(t, p, tuple((other, q) for other, q in top)) for t, p, top in logprobs)
    usage = None if data["usage"] is None else Usage(**data["usage"])
    return Completion(data["text"], data["finish_reason"], usage, tokens, data.get("reasoning"))
