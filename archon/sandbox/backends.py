"""Ways to keep a program apart: what each starts, and what each leaves open."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archon.sandbox.docker import docker
from archon.sandbox.launch import ENVIRONMENT, FLAGS, INSIDE, MAIN, Job, Launch

if TYPE_CHECKING:
    from archon.sandbox.launcher import Order

Name = Literal["namespaces", "bwrap", "limits", "docker"]

LINUX = sys.platform == "linux"

_HOME = Path(__file__).resolve().parents[1]
# Packages without their __init__, which would import far more than the launcher needs.
_START = """\
import sys
for name, path in (("archon", sys.argv[1]), ("archon.sandbox", sys.argv[1] + "/sandbox")):
    sys.modules[name] = type(sys)(name)
    sys.modules[name].__path__ = [path]
from archon.sandbox.launcher import main
main(int(sys.argv[2]))
"""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_MORE = (
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/mime.types",
)
_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
_DEVICE_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/shm", "/tmp"),  # noqa: S108 - counted and limited with everything else that is written
)
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


@dataclass(frozen=True, slots=True)
class Isolation:
    """What keeps programs apart.

    Attributes:
        backend: ``namespaces``, ``bwrap``, ``limits`` or ``docker``.
        gaps: What is left open, one sentence each.
    """

    backend: Name
    gaps: tuple[str, ...]


def launch(name: Name, job: Job, *, image: str, scratch: str) -> Launch:
    """What to start for one program.

    Args:
        name: The backend.
        job: The program and its limits.
        image: The image, for docker.
        scratch: A private directory of the host, for ``limits``.

    Raises:
        OSError: The backend cannot work here.
    """
    if name == "docker":
        return docker(job, image)
    order = _order(job, scratch if name == "limits" else INSIDE)
    user = spare_user() if LINUX and _is_root() else None
    processes = job.limits.processes
    start: tuple[str, ...] = (sys.executable, "-I", "-S", "-c", _START, str(_HOME))
    if name == "namespaces":
        order["namespaces"] = order["alone"] = True
        order["visible"] += order["devices"]
        order["links"] += _DEVICE_LINKS
        order["outside"], order["user"] = user, None if user is None else 1000
        order["processes"] = processes if user else _beside(processes, 2, shared=_old_kernel())
    elif name == "bwrap":
        start = (*_bubblewrap(order, root=user is not None), *start)
        order["alone"] = True
        order["user"] = user
        order["processes"] = processes if user else _beside(processes, 2, shared=_old_kernel())
    elif user is not None:
        os.chown(scratch, user, user)
        order["fence"] = True
        order["user"] = user
        order["capability"] = _needed_capability([*order["visible"], scratch])
    elif LINUX:
        order["fence"] = True
        order["processes"] = _beside(processes, 1, shared=True)
    else:
        # Processes are counted by user, and how many this one has already is not known.
        order["processes"] = None
    return Launch(start, order)


def gaps(name: Name) -> tuple[str, ...]:
    """What a backend leaves open on this machine."""
    if name in ("namespaces", "bwrap"):
        return () if Path("/proc/self/smaps_rollup").exists() else ("memory is limited per process only",)
    if name == "docker":
        return ()
    if not LINUX:
        return (
            "the network is open",
            "files can be read and written wherever you may",
            "processes of yours can be signalled, and daemons may survive",
            "memory and the number of processes are not limited",
        )
    from archon.sandbox.lockdown import landlock_version, seccomp_filter

    found = ["memory is limited per process only", "the disk is looked after ten times a second only"]
    version, root = landlock_version(), _is_root()
    if seccomp_filter(os.uname().machine) is None:
        found.append("the network is open")
    if not version:
        found.append("files can be read, and world-writable places written, like by any user of this machine")
    if not version and not root:
        found.append("your files, and the environment of your processes, can be read and your files written")
    if version and not root:
        found.append("modes and times of your files can be changed")
    if version < 6 and not root:
        found.append("your processes can be signalled")
    return tuple(found)


def spare_user() -> int:
    """A user that hardly exists anywhere else, a new one for every call; only root may become it.

    Processes are counted by user, so programs that run at the same time must not share one.
    """
    ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    most = max(int(start) + int(count) - 1 for start, _, count in ranges)
    most = min(most, 1_500_000_000)
    return most - secrets.randbelow(most // 2)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _order(job: Job, directory: str) -> Order:
    limits = job.limits
    visible, links = _visible()
    return {
        "files": dict(job.files),
        "command": [sys.executable, *FLAGS, f"{directory}/{MAIN}", *job.arguments],
        "environment": {**ENVIRONMENT, "HOME": directory, "TMPDIR": directory},
        "directory": directory,
        "namespaces": False,
        "alone": False,
        "outside": None,
        "user": None,
        "capability": None,
        "fence": False,
        "visible": list(visible),
        "links": list(links),
        "devices": [device for device in _DEVICES if Path(device).exists()],
        "cpu": limits.cpu_seconds,
        "memory": limits.memory_mb << 20,
        "file": limits.file_mb << 20,
        "disk": limits.disk_mb << 20,
        "files_most": limits.files,
        "processes": limits.processes,
        "open_files": limits.open_files,
    }


@cache
def _visible() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What a program may read: the system's programs and libraries, the interpreter and its packages."""
    links = [(path, str(Path(path).readlink())) for path in _SYSTEM if Path(path).is_symlink()]
    paths = [path for path in _SYSTEM if Path(path).is_dir() and not Path(path).is_symlink()]
    wanted = [*_MORE, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    # The interpreter of a virtual environment is a link, maybe to another link.
    hop = Path(sys.executable)
    while hop.is_symlink():
        hop = hop.parent / hop.readlink()
        wanted.append(os.path.normpath(hop))
    for path in wanted:
        for form in (path, str(Path(path).resolve())):
            if Path(form).exists() and form != "/" and not any(Path(form).is_relative_to(known) for known in paths):
                paths.append(form)
    return tuple(paths), tuple(links)


def _bubblewrap(order: Order, *, root: bool) -> Iterable[str]:
    yield shutil.which("bwrap") or "bwrap"
    yield from ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    if root:
        # The launcher becomes another user, by whom processes are counted, and watches over that user's processes.
        yield from ("--cap-drop", "ALL")
        for capability in ("SETUID", "SETGID", "KILL", "SYS_PTRACE", "DAC_READ_SEARCH"):
            yield from ("--cap-add", f"CAP_{capability}")
    else:
        yield from ("--unshare-user", "--uid", "1000", "--gid", "1000")
    # As process 1 the launcher cannot be killed from inside.
    yield from ("--as-pid-1", "--die-with-parent", "--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev")
    for path in ("/dev/shm", "/tmp"):  # noqa: S108
        yield from ("--perms", "1777", "--size", str(order["disk"]), "--tmpfs", path)
    shown = [*order["visible"], str(_HOME / "sandbox")]
    # Directories on the way to what is shown would otherwise be root's alone.
    for way in dict.fromkeys(parent for path in shown for parent in reversed(Path(path).parents)):
        if str(way) not in ("/", "/tmp"):  # noqa: S108
            yield from ("--perms", "0755", "--dir", str(way))
    for path in shown:
        yield from ("--ro-bind", path, path)
    for path, target in order["links"]:
        yield from ("--symlink", target, path)
    yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--")


def _old_kernel() -> bool:
    """Whether processes are counted by user alone, as before Linux 5.14, not by user and namespace."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) < (5, 14)


def _beside(processes: int, ours: int, *, shared: bool) -> int:
    """The limit to set for a user who already has processes: ours, and where users are shared all of that user's."""
    threads = 0
    for entry in Path("/proc").iterdir() if shared else ():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                threads += int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[17])
        except OSError:
            continue
    return processes + ours + threads


def _needed_capability(visible: Iterable[str]) -> int | None:
    """What another user needs in order to reach what lies in root's private directories; Landlock confines the rest.

    Raises:
        PermissionError: Something lies there, and nothing confines the capability that would be needed.
    """
    from archon.sandbox.lockdown import landlock_version

    shut = [path for path in map(Path, visible) if not all(p.stat().st_mode & 1 for p in path.parents)]
    if not shut:
        return None
    status = Path("/proc/self/status").read_text(errors="replace").splitlines()
    permitted = next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm"))
    held = [capability for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if permitted >> capability & 1]
    if not held or not landlock_version():
        raise PermissionError(f"users other than root cannot reach {shut[0]}: keep it where all can read")
    return held[0]
