# ruff: noqa: PTH103, PTH112, PTH120, PTH123, PTH208, SIM105
# Without pathlib and contextlib, see syscalls.py.
"""Between Archon and the program: an own process that confines the program, watches over it and ends all of it.

Runs in an interpreter of its own. One end of a socket pair is its whole link to Archon: an order comes in, a report
goes out, and when Archon closes its end, for whatever reason, everything that the program started dies.

A report is one line: ``exit CODE SECONDS`` (negative: a signal), ``stopped KIND SECONDS`` or ``failed REASON``.
"""

from __future__ import annotations

import marshal
import os
import resource
import select
import sys
import time

if sys.platform == "linux":
    # All at once, since the new root does not hold these modules.
    from archon.sandbox import lockdown, namespaces, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Order(TypedDict):
        """What to run and how; sizes in bytes."""

        files: dict[str, str]
        """Texts by their path within the directory, the program among them."""
        command: list[str]
        environment: dict[str, str]
        directory: str
        """Where the program works, absolute; it is made if it does not exist."""
        namespaces: bool
        """Whether to make namespaces."""
        alone: bool
        """Whether the launcher is process 1 of a namespace, so that all other processes are the program's."""
        outside: int | None
        """The user outside the user namespace; None if the caller is not root."""
        user: int | None
        """The user that the program becomes; None to stay the same."""
        capability: int | None
        """The capability that the program keeps when it becomes that user."""
        fence: bool
        """Whether to confine the program with Landlock."""
        visible: list[str]
        """Files and directories outside the private one that the program may read."""
        links: list[tuple[str, str]]
        """Symbolic links in the root directory, with their targets."""
        devices: list[str]
        cpu: int
        memory: int
        file: int
        disk: int
        files_most: int
        processes: int | None
        open_files: int


LINUX = sys.platform == "linux"
TICK = 0.1
KILL = 9


def main(control: int) -> None:
    """Carry out the one order that comes through the control socket, report, and end."""
    os.set_inheritable(control, False)
    try:
        received = _receive(control)
        if received is None:
            return
        order: Order = marshal.loads(received)  # noqa: S302 - from Archon itself
        if order["namespaces"]:
            namespaces.leave(order["outside"])
            if inner := os.fork():
                os.waitpid(inner, 0)
                return
            namespaces.furnish(order)
        report = _supervise(order, control)
    except Exception as error:
        report = f"failed {error or type(error).__name__}"
    try:
        os.write(control, report.encode(errors="replace"))
    finally:
        os._exit(0)


def _receive(control: int) -> bytes | None:
    """The order, preceded by its length in eight bytes; None if Archon is gone."""
    parts: list[bytes] = []
    missing, head = 8, True
    while missing:
        part = os.read(control, min(missing, 1 << 20))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
        if head and not missing:
            missing, head = int.from_bytes(b"".join(parts), "little"), False
            parts.clear()
    return b"".join(parts)


def _supervise(order: Order, control: int) -> str:
    """Start the program, wait for its end or for a reason to end it, and leave no process of it alive."""
    first = order["alone"]
    if LINUX:
        # The program may be the same user: it must neither trace this process nor read its memory.
        syscalls.prctl("dumpable", syscalls.PR_SET_DUMPABLE, 0)
        if first:
            syscalls.prctl("parent death signal", syscalls.PR_SET_PDEATHSIG, KILL)
        else:
            # It must outlive Archon, so as to end what the program leaves.
            syscalls.prctl("subreaper", syscalls.PR_SET_CHILD_SUBREAPER, 1)
    trouble, told = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _exec(order, told)
    os.close(told)
    if reason := os.read(trouble, 4096):
        os.waitpid(child, 0)
        return f"failed {reason.decode(errors='replace')}"
    outcome = _wait(order, child, control)
    report = f"{outcome} {time.monotonic() - started:.6f}"
    _sweep(child, first=first)
    return report


def _wait(order: Order, child: int, control: int) -> str:
    """What happened first: the end of the program, a limit that only looking finds, or Archon's wish to stop."""
    watch = select.poll()
    watch.register(control, select.POLLIN)
    tick = 0.005
    if hasattr(os, "pidfd_open"):
        watch.register(os.pidfd_open(child), select.POLLIN)
        tick = TICK
    look = time.monotonic() + TICK
    while True:
        ready = watch.poll(tick * 1000)
        # Orphans come here too; unreaped, they would count as processes of the program.
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                return f"exit {os.waitstatus_to_exitcode(ended[1])}"
        if any(descriptor == control for descriptor, _ in ready):
            return "stopped timeout"
        if time.monotonic() >= look:
            if order["alone"] and _memory() > order["memory"]:
                return "stopped memory"
            if _overfull(order["directory"], order["disk"], order["files_most"]):
                return "stopped files"
            look = time.monotonic() + TICK


def _exec(order: Order, told: int) -> None:
    """Become the program; on failure say why."""
    try:
        os.setsid()
        if order["user"] is not None:
            lockdown.become(order["user"], order["capability"])
        if LINUX:
            syscalls.prctl("parent death signal", syscalls.PR_SET_PDEATHSIG, KILL)
        os.umask(0o077)
        os.makedirs(order["directory"], exist_ok=True)
        os.chdir(order["directory"])
        for path, text in order["files"].items():
            if "/" in path:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
        _limit(order)
        if LINUX:
            if order["fence"]:
                lockdown.fence(order["visible"], order["directory"], order["devices"])
            lockdown.refuse_system_calls()
        os.execve(order["command"][0], order["command"], order["environment"])  # noqa: S606
    except BaseException as error:
        os.write(told, (str(error) or type(error).__name__).encode(errors="replace"))
    finally:
        os._exit(127)


def _limit(order: Order) -> None:
    # A core limit of one byte also keeps Linux from piping the core into a program; zero would not.
    bounds = {
        resource.RLIMIT_CORE: (1, 1) if LINUX else (0, 0),
        resource.RLIMIT_CPU: (order["cpu"], order["cpu"] + 1),
        resource.RLIMIT_FSIZE: (order["file"], order["file"]),
        resource.RLIMIT_NOFILE: (order["open_files"], order["open_files"]),
    }
    if order["processes"] is not None:
        bounds[resource.RLIMIT_NPROC] = (order["processes"], order["processes"])
    if LINUX:
        # Elsewhere the address space cannot be limited below what the system's libraries reserve.
        bounds[resource.RLIMIT_AS] = (order["memory"], order["memory"])
    for what, (soft, hard) in bounds.items():
        most = resource.getrlimit(what)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(what, (soft, hard))


def _memory() -> int:
    """Bytes in use by all other processes that ``/proc`` shows, shared pages divided among those who share them."""
    total = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                with open(f"/proc/{name}/smaps_rollup", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
            except OSError:
                continue
    return total


def _overfull(directory: str, most_bytes: int, most_files: int) -> bool:
    """Whether a directory holds too much; one that cannot be looked into counts as too much."""
    size = count = 0
    stack = [directory]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    count += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    if size > most_bytes or count > most_files:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


def _sweep(child: int, *, first: bool) -> None:
    """Kill and reap every process that the program left."""
    try:
        # Elsewhere -1 would mean every process of the machine.
        os.kill(-1, KILL) if first and os.getpid() == 1 else os.killpg(child, KILL)
    except OSError:
        pass
    try:
        while True:
            while not first and LINUX and not _children_dead():
                time.sleep(0.001)
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def _children_dead() -> bool:
    """Kill every child; whether all of them are dead already.

    They are reaped only after this, so that a program that forks and exits in a circle runs into its limit of
    processes, instead of being always one step ahead.
    """
    dead = True
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        children = file.read().split()
    for pid in children:
        os.kill(int(pid), KILL)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            dead = dead and file.read().rpartition(")")[2].split()[0] == "Z"
    return dead
