"""What a program may use, and what came of it."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Literal

from archon.errors import ConfigError

Kind = Literal["ok", "error", "timeout", "memory", "output", "files", "processes", "crashed"]

# The last lines of the tracebacks that a limit leaves. A program can forge them, but only against itself.
_SIGNS: dict[Kind, re.Pattern[str]] = {
    "memory": re.compile(r"^(\w+\.)*_?\w*MemoryError\b", re.MULTILINE),
    "files": re.compile(r"^OSError: \[Errno (27|28|122)\]", re.MULTILINE),
    "processes": re.compile(
        r"^(BlockingIOError: \[Errno (11|35)\] Resource temporarily|RuntimeError: can't start new thread)", re.MULTILINE
    ),
}
# Where a limit is a signal; Windows has neither.
_SIGNALS: dict[int, Kind] = {getattr(signal, "SIGXCPU", -1): "timeout", getattr(signal, "SIGXFSZ", -2): "files"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Attributes:
        seconds: Wall-clock time, from the start of its sandbox to the end of the program.
        cpu_seconds: Processor time of each process, in whole seconds.
        memory_mb: Address space of each process and, where processes can be counted apart, the memory of all (MiB).
        file_mb: The largest file (MiB).
        disk_mb: Everything in the private directory together (MiB).
        files: How many files and directories the private directory may hold.
        processes: Processes and threads at the same time.
        open_files: Descriptors open in one process.
        output_kb: What is kept of standard output, and of standard error (KiB); whoever writes more is stopped.
    """

    seconds: float = 10.0
    cpu_seconds: int = 10
    memory_mb: int = 512
    file_mb: int = 16
    disk_mb: int = 64
    files: int = 2_000
    processes: int = 16
    open_files: int = 64
    output_kb: int = 256

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"Limits: {name} is {getattr(self, name)}, but a program needs more than nothing.")


@dataclass(frozen=True, slots=True)
class Execution:
    """What a program did.

    Attributes:
        stdout: The beginning of its standard output, undecodable bytes replaced.
        stderr: The beginning of its standard error.
        exit_code: Its exit status, minus the signal that ended it, or None if the sandbox stopped it.
        kind: ``ok`` (status 0), ``error`` (any other status), ``crashed`` (ended by a signal), or the limit it met:
            ``timeout``, ``memory``, ``output``, ``files``, ``processes``.
        seconds: Wall-clock time of the program alone, or of the whole execution if it was stopped.
        truncated: Whether standard output or standard error was cut.
    """

    stdout: str
    stderr: str
    exit_code: int | None
    kind: Kind
    seconds: float
    truncated: bool

    @property
    def ok(self) -> bool:
        """Whether the program ran to its end and reported success."""
        return self.kind == "ok"


def kind_of(code: int, stderr: str) -> Kind:
    """Why a program that ended by itself ended: from its status (negative: a signal) and its last words."""
    if code <= 0:
        return _SIGNALS.get(-code, "crashed") if code else "ok"
    return next((kind for kind, sign in _SIGNS.items() if sign.search(stderr)), "error")
