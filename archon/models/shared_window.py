"""Requests and tokens per minute of all processes of this machine together, counted in one small SQLite file.

What a process has counted stays counted until its window has passed, whether the process lives or not; nothing is held
open, so that a dead one keeps nobody waiting for longer. Processes have only the wall clock in common. When it is set
back, what was counted goes back with it and counts for as long as it would have; when it is set forward, what was
counted expires that much earlier, and one window may then hold up to twice its limit.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from archon.database import is_busy, open_database, transaction
from archon.errors import ConfigError
from archon.models.window import WINDOW_SECONDS, Limits

BUSY_WAIT = 0.003
# Requests are numbered per endpoint, and tokens add up, so that a window takes a look at two rows, however long it is.
SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    endpoint BLOB NOT NULL,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    tokens INTEGER NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (endpoint, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_total ON spent (endpoint, total)
"""
# A few for every one that comes, so that the file stays small and no request has much to clean.
CLEAN = """
DELETE FROM spent WHERE endpoint = ?1 AND at <= ?2
AND number IN (SELECT number FROM spent WHERE endpoint = ?1 ORDER BY number LIMIT 4)
"""


class SharedLimits:
    """The file; opened when something is first counted.

    Args:
        path: Where it is.
        seconds: How long what was counted counts; the same for everybody who uses the file.
        clock: Seconds, the same for everybody who uses the file.
    """

    def __init__(self, path: Path, seconds: float = WINDOW_SECONDS, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.seconds = seconds
        self.clock = clock
        self._db: sqlite3.Connection | None = None

    @property
    def db(self) -> sqlite3.Connection:
        """The open database.

        Raises:
            ConfigError: It cannot be opened.
        """
        if self._db is None:
            # Admission never sleeps on a lock: it comes back instead.
            self._db = open_database(self.path, "rate-limit file", "remove it", SCHEMA, range(1, 2), 0.0)
        return self._db

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None


class SharedWindows:
    """The windows of one endpoint for every process that shares a file.

    Args:
        file: The file.
        endpoint: The root of the API; only its hash is written.
    """

    def __init__(self, file: SharedLimits, endpoint: str) -> None:
        self._file = file
        self._endpoint = hashlib.blake2b(endpoint.encode(), digest_size=16).digest()

    def take(self, tokens: int, limits: Limits) -> float:
        """Count one request if it fits."""
        try:
            with transaction(self._file.db):
                return self._take(tokens, limits)
        except sqlite3.Error as error:
            if is_busy(error):
                return BUSY_WAIT
            raise ConfigError(f"{self._file.path}: the rate-limit file cannot be used: {error}.") from None

    def _take(self, tokens: int, limits: Limits) -> float:
        db, now = self._file.db, self._file.clock()
        newest = "SELECT number, at, total FROM spent WHERE endpoint = ? ORDER BY number DESC LIMIT 1"
        number, at, total = db.execute(newest, (self._endpoint,)).fetchone() or (0, now, 0)
        if at > now:
            db.execute("UPDATE spent SET at = at - ? WHERE endpoint = ?", (at - now, self._endpoint))
        free_at = now
        if limits.requests_per_minute is not None:
            free_at = max(free_at, self._request_ends(number + 1 - limits.requests_per_minute, now))
        if limits.tokens_per_minute is not None:
            surplus = total + tokens - limits.tokens_per_minute
            # More than the limit has to wait for everything before it.
            ends = self._request_ends(number, now) if surplus > total else self._tokens_end(surplus, now)
            free_at = max(free_at, ends)
        if free_at > now:
            return free_at - now
        db.execute(CLEAN, (self._endpoint, now - self._file.seconds))
        row = (self._endpoint, number + 1, now, tokens, total + tokens)
        db.execute("INSERT INTO spent VALUES (?, ?, ?, ?, ?)", row)
        return 0.0

    def _request_ends(self, number: int, now: float) -> float:
        """When the request of this number no longer counts."""
        query = "SELECT at FROM spent WHERE endpoint = ? AND number = ?"
        row = self._file.db.execute(query, (self._endpoint, number)).fetchone()
        return now if row is None else float(row[0]) + self._file.seconds

    def _tokens_end(self, surplus: int, now: float) -> float:
        """When so many of the tokens that were ever counted no longer count."""
        query = "SELECT at, total - tokens FROM spent WHERE endpoint = ? AND total >= ? ORDER BY total, number LIMIT 1"
        row = self._file.db.execute(query, (self._endpoint, surplus)).fetchone()
        # A first row that begins at or beyond the surplus says that all of the surplus has been cleaned away.
        return now if row is None or row[1] >= surplus else float(row[0]) + self._file.seconds
