"""The command line: the only place that knows every part."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from archon.errors import ConfigError
from archon.siblings import check_siblings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        check_siblings()
    except ConfigError as error:
        sys.exit(say(str(error), 2))
    # Only now can the other packages be imported without picking up an intruder.
    from archon.cli.app import run

    calm_collector()
    sys.exit(run(arguments))


def calm_collector() -> None:
    """Let the garbage collector look for cycles more rarely, and not among the modules.

    What a run keeps, it keeps to its end: looking through all of it again and again took half of the processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


def say(message: str, code: int) -> int:
    """One sentence on stderr; hands the exit code back."""
    print(f"archon: {message}", file=sys.stderr)  # noqa: T201 - the last word of a command
    return code
