"""Which process this is, and whether another one still lives."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path


def this_process() -> str:
    """The machine, the process id and when the process started, so that a later one with its id is another."""
    pid = os.getpid()
    stat = _stat(pid)
    return f"{_machine()} {pid} {stat[1] if stat else '-'}"


def is_dead(process: str, here: str) -> bool:
    """Whether a process has certainly ended.

    Args:
        process: What :func:`this_process` said there.
        here: What it says here.

    Returns:
        ``False`` also where that cannot be known, as for another machine or container.
    """
    machine, pid, started = process.split(" ")
    # On Windows signal 0 is Ctrl-C.
    if machine != here.split(" ")[0] or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    stat = _stat(int(pid))
    return stat is not None and (stat[0] in "ZX" or stat[1] != started)


def _stat(pid: int) -> tuple[str, str] | None:
    """The state of a process and its start in ticks since the machine's, where the system shows them."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name before them stands in parentheses and may hold anything.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]


def _machine() -> str:
    """Differs wherever a process id means another process: between machines, boots and containers."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=6).hexdigest()
