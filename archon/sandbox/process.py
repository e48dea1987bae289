"""One child process: fed, listened to up to a limit, and gone when the call returns, however it returns."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from archon.errors import SandboxError
from archon.sandbox.launch import Launch

GRACE = 2.0


@dataclass(slots=True)
class Outcome:
    """How a child process ended.

    Attributes:
        report: The launcher's report, empty if it sent none.
        code: The status of the process; negative: a signal.
        output: What came from descriptors 1 and 2, up to the limit.
        cut: Whether more came than the limit.
        timed_out: Whether time ran out first.
        seconds: Wall-clock time.
    """

    report: str = ""
    code: int = 0
    output: Mapping[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    cut: bool = False
    timed_out: bool = False
    seconds: float = 0.0


class _Child(asyncio.SubprocessProtocol):
    """Keeps the beginning of what a process writes."""

    def __init__(self, limit: int, outcome: Outcome) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.overflow: asyncio.Future[None] = loop.create_future()
        self._limit = limit
        self._outcome = outcome

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self._outcome.output[fd]
        room = self._limit - len(kept)
        kept += data[:room]
        if len(data) > room:
            self._outcome.cut = True
            if not self.overflow.done():
                self.overflow.set_result(None)

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


async def execute(launch: Launch, stdin: bytes, *, seconds: float, limit: int) -> Outcome:
    """Run a process to its end, to the end of its time, or until it has written too much.

    Args:
        launch: What to start.
        stdin: What it reads, after the launch's header.
        seconds: How long it may take.
        limit: Bytes kept of standard output, and of standard error.

    Raises:
        SandboxError: It cannot be started.
    """
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    started = time.monotonic()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            ours.setblocking(False)
            extra = (str(theirs.fileno()),) if launch.order else ()
            try:
                transport, child = await loop.subprocess_exec(
                    lambda: _Child(limit, outcome),
                    *launch.command,
                    *extra,
                    pass_fds=(theirs.fileno(),) if launch.order else (),
                    # The docker client needs to know where its server is; the launcher needs nothing.
                    env={} if launch.order else None,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxError(f"The sandbox cannot start {launch.command[0]}: {error}.") from None
        try:
            async with asyncio.timeout(seconds):
                await _converse(launch, stdin, ours, transport, child, outcome)
        except TimeoutError:
            outcome.timed_out = True
        finally:
            # The launcher kills everything when its link closes.
            ours.close()
            await _end(launch, transport, child)
    outcome.code = transport.get_returncode() or 0
    outcome.seconds = time.monotonic() - started
    return outcome


async def _converse(
    launch: Launch,
    stdin: bytes,
    control: socket.socket,
    transport: asyncio.SubprocessTransport,
    child: _Child,
    outcome: Outcome,
) -> None:
    loop = asyncio.get_running_loop()
    pipe = transport.get_pipe_transport(0)
    if not isinstance(pipe, asyncio.WriteTransport):
        raise SandboxError("The sandbox's program has no standard input.")
    if launch.order is None:
        pipe.write(launch.header + stdin)
        pipe.write_eof()
        await asyncio.wait({child.closed, child.overflow}, return_when=asyncio.FIRST_COMPLETED)
        return
    order = marshal.dumps(dict(launch.order))
    with contextlib.suppress(ConnectionError):
        await loop.sock_sendall(control, len(order).to_bytes(8, "little") + order)
        pipe.write(stdin)
        pipe.write_eof()
    # On too much output the launcher is asked to stop, and still reports.
    child.overflow.add_done_callback(lambda _: _hang_up(control))
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := await loop.sock_recv(control, 4096):
            received += part
    outcome.report = received.decode(errors="replace")
    # Where daemons can survive, they may hold the pipes.
    await asyncio.wait({child.closed}, timeout=GRACE / 4)


def _hang_up(control: socket.socket) -> None:
    with contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_WR)


async def _end(launch: Launch, transport: asyncio.SubprocessTransport, child: _Child) -> None:
    """Leave nothing of the process, even if the wait for it is cancelled."""
    stopped = not child.exited.done()
    try:
        # Without a launcher at its other end, closing the link has told nobody.
        await asyncio.wait({child.exited}, timeout=GRACE if launch.order else 0)
    finally:
        if not child.exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await asyncio.wait({child.exited}, timeout=GRACE)
        transport.close()
        await asyncio.wait({child.closed}, timeout=GRACE)
        if stopped and launch.undo:
            quiet = asyncio.subprocess.DEVNULL
            undo = await asyncio.create_subprocess_exec(*launch.undo, stdout=quiet, stderr=quiet)
            await undo.wait()
