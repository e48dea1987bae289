"""A file that only grows, one JSON object a line, shared by processes that take turns."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

Line = dict[str, Any]


class Log:
    """An append-only log.

    Args:
        path: The file; made, with its directory, when first used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Hold the log alone, across processes, until the end of the block."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Python's append mode writes at the end whatever was read before.
        with self.path.open("a+b") as file:
            _lock(file)
            try:
                yield Turn(file)
            finally:
                _unlock(file)


class Turn:
    """The log while it is held.

    Attributes:
        lines: What it holds; ``None`` stands for a line that was cut short by a crash.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        text = file.read()
        self._torn = bool(text) and not text.endswith(b"\n")
        self.lines: list[Line | None] = [_parsed(line) for line in text.splitlines()]

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line; when this returns, no crash can undo it."""
        start = b"\n" if self._torn else b""
        self._file.write(start + json.dumps(dict(line), ensure_ascii=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._torn = False
        self.lines.append(dict(line))


def _parsed(line: bytes) -> Line | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
