# ruff: noqa: PTH102, PTH103, PTH112, PTH120, PTH211, S108, SIM105
# Without pathlib and contextlib, see syscalls.py; the /tmp here is one of its own.
"""A world of its own: user, mount, process, network, IPC, host-name and control-group namespaces.

The new root holds the system's programs and libraries and the interpreter, read-only, and one writable ``tmpfs``. It
disappears with its last process, so that nothing is left to clean up.
"""

from __future__ import annotations

import os
import struct

from archon.sandbox.syscalls import MOUNT_SETATTR, PIVOT_ROOT, detach, mount, name_host, syscall, unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from archon.sandbox.launcher import Order

ALL = 0x7E020000
"""Every CLONE_NEW* flag but the one for clocks."""
USER = 1000
"""The user and group inside."""
BASE = "/tmp"

_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
_ATTR_RDONLY, _ATTR_NOSUID = 0x1, 0x2
_AT_RECURSIVE, _AT_FDCWD = 0x8000, -100


def leave(outside: int | None) -> None:
    """Enter new namespaces; the next child is process 1 of the new process namespace.

    Args:
        outside: The user outside that the program is, when whoever calls is root; None maps the caller's own.

    Raises:
        OSError: The kernel does not allow it.
    """
    if outside is None:
        user, group = os.geteuid(), os.getegid()
        unshare(ALL)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"{USER} {group} 1")
        _write("/proc/self/uid_map", f"{USER} {user} 1")
        return
    # Only a process outside may map a user other than its own.
    ready, go = os.pipe()
    me = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(go)
        status = 1
        try:
            if os.read(ready, 1):
                for name in ("gid_map", "uid_map"):
                    _write(f"/proc/{me}/{name}", f"0 0 1\n{USER} {outside} 1\n")
                status = 0
        finally:
            os._exit(status)
    os.close(ready)
    unshare(ALL)
    os.write(go, b"!")
    os.close(go)
    if os.waitpid(helper, 0)[1]:
        raise PermissionError("users cannot be mapped into a user namespace")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def furnish(order: Order) -> None:
    """Build the new root and move into it; called by process 1 of the new process namespace.

    Raises:
        OSError: A mount was refused.
    """
    mount("none", "/", None, _REC | _PRIVATE)
    # Opened before the new root hides whatever lies under its mount point, which may be the interpreter.
    opened = [(path, os.open(path, os.O_PATH), os.path.isdir(path)) for path in order["visible"]]
    mount("tmpfs", BASE, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for path in ("/proc", "/dev", "/tmp"):
        os.mkdir(BASE + path)
    size, files = order["disk"], order["files_most"]
    mount("tmpfs", BASE + "/tmp", "tmpfs", _NOSUID | _NODEV, f"size={size},nr_inodes={files},mode=1777")
    for path, descriptor, directory in opened:
        _show(f"/proc/self/fd/{descriptor}", BASE + path, directory=directory)
        os.close(descriptor)
    for path, target in order["links"]:
        os.symlink(target, BASE + path)
    _flag(BASE, _ATTR_RDONLY | _ATTR_NOSUID, 0, _AT_RECURSIVE)
    _flag(BASE + "/tmp", 0, _ATTR_RDONLY, 0)
    try:
        mount("proc", BASE + "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    except OSError:
        # Containers that hide parts of /proc forbid a fresh one. Programs then have none.
        pass
    os.chdir(BASE)
    syscall("pivot_root", PIVOT_ROOT, b".", b".")
    detach(".")
    os.chdir("/")
    name_host("sandbox")


def _show(source: str, target: str, *, directory: bool) -> None:
    os.makedirs(target if directory else os.path.dirname(target), exist_ok=True)
    if not directory:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, target, None, _BIND | _REC)


def _flag(path: str, add: int, clear: int, how: int) -> None:
    attributes = struct.pack("QQQQ", add, clear, 0, 0)
    syscall("mount_setattr", MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), how, attributes, len(attributes))
