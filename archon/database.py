"""Small SQLite files that several processes share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archon.errors import ConfigError

OPENING_SECONDS = 10.0
OPENING_PAUSE = 0.01


def open_database(
    path: Path, what: str, remedy: str, schema: str, versions: range, busy_seconds: float
) -> sqlite3.Connection:
    """The database at a path, made if it is not there and brought up to date if it is older.

    Args:
        path: The file.
        what: What it is, for messages.
        remedy: What to do if another version of Archon wrote it.
        schema: Statements that make what is not there and leave alone what is.
        versions: The schema versions that can be read; the last one is written.
        busy_seconds: How long a statement sleeps while another process writes before it fails. The whole thread
            sleeps, so transactions have to be short.

    Raises:
        ConfigError: It cannot be opened, or another version of Archon wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One event loop uses a file at a time, but in a notebook it runs in a thread of its own.
        db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"{path}: the {what} cannot be opened: {error}.") from None
    try:
        if not _prepare(db, schema, versions):
            raise ConfigError(f"{path}: this {what} was written by another version of Archon; {remedy}.")
    except sqlite3.Error as error:
        db.close()
        raise ConfigError(f"{path}: the {what} cannot be opened: {error}.") from None
    except ConfigError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, schema: str, versions: range) -> bool:
    """Make what is missing, unless the file is of another version."""
    give_up = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # With WAL this can lose the last commits to a power cut, never to a killed process.
            db.execute("PRAGMA synchronous = NORMAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version and version not in versions:
                return False
            if version != versions[-1]:
                with transaction(db):
                    for statement in schema.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {versions[-1]}")
            return True
        except sqlite3.OperationalError as error:
            # Two processes that make the file together are told so at once, whatever the time they would wait.
            if not is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(OPENING_PAUSE)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is written in the block, or nothing of it; others that want to write wait meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk has rolled it back already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process was writing."""
    # The lower byte is the code, the upper ones say more precisely why.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
