# ruff: noqa: PTH101, PTH106
# Pathlib has no calls relative to an open directory.
"""Remove a directory that an enemy filled."""

from __future__ import annotations

import contextlib
import os
import stat


def remove(path: str) -> None:
    """Remove a directory with all in it, whatever its modes, links and depth; its owner's processes must be dead.

    Links are removed, never followed. Nested directories are first moved up, so that depth costs neither recursion
    nor descriptors. What cannot be removed stays.
    """
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(path)


def _empty(top: int) -> None:
    waiting = _clear(top, top)
    while waiting:
        name = waiting.pop()
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        try:
            waiting += _clear(directory, top)
        finally:
            os.close(directory)
        os.rmdir(name, dir_fd=top)


def _clear(directory: int, top: int) -> list[str]:
    """Unlink everything in a directory but its directories, which are moved to the top under names of their own."""
    found = []
    for name in os.listdir(directory):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            os.unlink(name, dir_fd=directory)
            continue
        os.chmod(name, 0o700, dir_fd=directory)
        fresh = os.urandom(16).hex()
        os.rename(name, fresh, src_dir_fd=directory, dst_dir_fd=top)
        found.append(fresh)
    return found
