"""The sandbox: programs in, what they did out."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from typing import Literal, cast, get_args

from archon.concurrency import gather
from archon.errors import ConfigError, SandboxError
from archon.sandbox.backends import Isolation, Name, gaps, launch
from archon.sandbox.launch import MAIN, Job
from archon.sandbox.limits import Execution, Kind, Limits, kind_of
from archon.sandbox.process import Outcome, execute
from archon.sandbox.remove import remove

IMAGE = "python:3.13-slim"
_TRYING = threading.Lock()


class Sandbox:
    """Runs Python programs that nobody has read.

    Args:
        limits: What each program may use.
        backend: ``auto`` takes the first that works of ``namespaces``, ``bwrap`` and ``limits``, and warns in the log
            when only the last does; or one of these, or ``docker``, by name.
        parallel: The most programs at the same time; by default as many as there are processors.
        image: With docker, the image that programs run in; it must be there and have a ``python3``.

    Raises:
        ConfigError: There is no such backend, or fewer than one program at a time.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        backend: Literal["auto"] | Name = "auto",
        parallel: int | None = None,
        image: str = IMAGE,
    ) -> None:
        if backend != "auto" and backend not in get_args(Name):
            raise ConfigError(f"Sandbox: there is no backend '{backend}', only auto, {', '.join(get_args(Name))}.")
        if parallel is not None and parallel < 1:
            raise ConfigError(f"Sandbox: parallel is {parallel}, but at least one program must run at a time.")
        self.limits = limits or Limits()
        self._chosen = backend
        self._image = image
        self._parallel = parallel or _processors()
        self._slots: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    async def isolation(self) -> Isolation:
        """What keeps the programs apart on this machine, and what does not.

        Raises:
            SandboxError: The backend does not work here.
        """
        name = await self._backend()
        return Isolation(name, gaps(name))

    async def run(
        self,
        program: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        seconds: float | None = None,
    ) -> Execution:
        """Run one program to its end or to its limit; waits while too many others run.

        Cancelling the wait kills the program.

        Args:
            program: Its source.
            stdin: What it reads from standard input.
            files: Texts to put beside it, by relative path; modules among them can be imported.
            arguments: Its command line.
            seconds: How long it may run, where that is shorter than the sandbox's limit.

        Returns:
            What it did, whatever that was.

        Raises:
            ConfigError: A file lies outside the program's directory.
            SandboxError: The sandbox itself cannot run.
        """
        limits = self.limits
        if seconds is not None:
            limits = replace(limits, seconds=min(seconds, limits.seconds))
        job = Job(limits, {**_inside(files or {}), MAIN: program}, tuple(arguments), stdin)
        async with self._slot():
            return await _run(await self._backend(), job, self._image)

    async def run_many(self, programs: Iterable[str], *, files: Mapping[str, str] | None = None) -> list[Execution]:
        """Run programs side by side, as many at a time as the sandbox allows; results in their order.

        Raises:
            ConfigError: A file lies outside the programs' directories.
            SandboxError: The sandbox itself cannot run.
        """
        return await gather(self.run(program, files=files) for program in programs)

    async def _backend(self) -> Name:
        return await asyncio.to_thread(_working, self._chosen, self._image)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        if self._slots is None or self._slots[0] is not loop:
            self._slots = (loop, asyncio.Semaphore(self._parallel))
        async with self._slots[1]:
            yield


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _inside(files: Mapping[str, str]) -> Mapping[str, str]:
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or path in map(PurePosixPath, (".", MAIN)):
            raise ConfigError(f"Sandbox: the file {name!r} needs a relative path within the directory, not {MAIN}.")
    return files


def _working(chosen: Literal["auto"] | Name, image: str) -> Name:
    # However many programs start at the same time, backends are tried once.
    with _TRYING:
        if chosen == "auto":
            return _best()
        if trouble := _trouble(chosen, image):
            raise SandboxError(f"The sandbox's backend '{chosen}' does not work here: {trouble}.")
        return chosen


@cache
def _trouble(name: Name, image: str) -> str:
    """Why a backend does not work on this machine; empty if it does."""
    if os.name != "posix":
        return "it needs a Unix system, or Linux in WSL"
    if name in ("namespaces", "bwrap") and sys.platform != "linux":
        return "it needs Linux"
    if name in ("bwrap", "docker") and shutil.which(name) is None:
        return f"{name} is not installed"
    job = Job(Limits(seconds=30.0), {MAIN: "import sys; print(sys.stdin.read())"}, stdin="it works")
    try:
        execution = asyncio.run(_run(name, job, image))
    except SandboxError as error:
        return str(error).removeprefix("The sandbox cannot be set up: ").rstrip(".")
    if execution.stdout != "it works\n":
        return f"a first program ended in {execution.kind}: {execution.stderr.strip()[-200:]}"
    return ""


@cache
def _best() -> Name:
    """The strongest backend that works here; says so in the log if it is weak."""
    troubles = []
    for name in ("namespaces", "bwrap", "limits"):
        trouble = _trouble(name, "")
        if not trouble:
            break
        troubles.append(f"{name}: {trouble}")
    else:
        raise SandboxError(f"No sandbox works here: {'; '.join(troubles)}.")
    if name == "limits":
        logging.getLogger("archon").warning(
            "archon: programs that models wrote run under plain limits only (%s). Not isolated: %s. "
            "Bubblewrap, or a kernel that allows user namespaces, would close this.",
            "; ".join(troubles),
            "; ".join(gaps(name)),
        )
    return name


async def _run(name: Name, job: Job, image: str) -> Execution:
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="archon-")) if name == "limits" else ""
    try:
        try:
            start = launch(name, job, image=image, scratch=scratch)
        except OSError as error:
            raise SandboxError(f"The sandbox cannot be set up: {error}.") from None
        stdin = job.stdin.encode(errors="surrogatepass")
        outcome = await execute(start, stdin, seconds=job.limits.seconds, limit=job.limits.output_kb << 10)
    finally:
        if scratch:
            await asyncio.to_thread(remove, scratch)
    return _docker_execution(outcome) if name == "docker" else _execution(outcome)


def _execution(outcome: Outcome) -> Execution:
    """What the launcher's report says."""
    word, _, rest = outcome.report.partition(" ")
    if word == "failed":
        raise SandboxError(f"The sandbox cannot be set up: {rest}.")
    if outcome.timed_out or outcome.cut:
        return _judge(outcome, None, outcome.seconds)
    if not word:
        # A status stands for an error before the program began, a signal for what came later.
        if 0 < outcome.code < 128:
            reason = outcome.output[2].decode(errors="replace").strip() or f"status {outcome.code}"
            raise SandboxError(f"The sandbox cannot be set up: {reason}.")
        return _judge(outcome, -signal.SIGKILL, outcome.seconds)
    what, _, seconds = rest.partition(" ")
    if word == "stopped":
        stdout, stderr = _texts(outcome)
        return Execution(stdout, stderr, None, cast(Kind, what), float(seconds), outcome.cut)
    return _judge(outcome, int(what), float(seconds))


def _docker_execution(outcome: Outcome) -> Execution:
    """What the status of docker's client says: 125 is its own, above 128 stands for signals."""
    if outcome.code == 125 and outcome.output[2].startswith(b"docker: "):
        raise SandboxError(outcome.output[2].decode(errors="replace").splitlines()[0])
    stopped = outcome.timed_out or outcome.cut
    code = 128 - outcome.code if outcome.code > 128 else outcome.code
    return _judge(outcome, None if stopped else code, outcome.seconds)


def _judge(outcome: Outcome, code: int | None, seconds: float) -> Execution:
    stdout, stderr = _texts(outcome)
    if code is None:
        return Execution(stdout, stderr, None, "output" if outcome.cut else "timeout", seconds, outcome.cut)
    kind = kind_of(code, stderr)
    return Execution(stdout, stderr, code, kind, seconds, outcome.cut)


def _texts(outcome: Outcome) -> tuple[str, str]:
    return outcome.output[1].decode(errors="replace"), outcome.output[2].decode(errors="replace")
