"""What is run, and the process that is started for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archon.sandbox.limits import Limits

if TYPE_CHECKING:
    from archon.sandbox.launcher import Order

MAIN = "main.py"
INSIDE = "/tmp/sandbox"  # noqa: S108 - inside a private /tmp
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    # One core per program; and threads of numerical libraries would use up address space and processes.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
# The program's own directory stays importable, so that files beside it can be imported. The environment is ours
# already, user site-packages belong to a home that is not there, and compiled files could not be kept.
FLAGS = ("-s", "-B", "-X", "utf8")


@dataclass(frozen=True, slots=True)
class Job:
    """One program with all that is given to it.

    Attributes:
        limits: What it may use.
        files: Texts by path, the program itself under ``MAIN``.
        arguments: Its command line.
        stdin: What it reads.
    """

    limits: Limits
    files: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start.

    Attributes:
        command: Its command line; with an order, the number of the control socket is added.
        order: What is sent through the control socket, if the launcher is used.
        header: What precedes the program's standard input.
        undo: A command that ends whatever killing the process would leave.
    """

    command: tuple[str, ...]
    order: Order | None = None
    header: bytes = b""
    undo: tuple[str, ...] = ()
