"""The ``archon`` command: its verbs, and how errors become sentences and exit codes.

Exit codes: 0 done, 1 something failed, 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from archon.cli import demo, describe, models, run
from archon.errors import ArchonError, ConfigError

app = typer.Typer(
    name="archon",
    help="Stack inference-time techniques into architectures, run them, and know what every answer cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("validate")(describe.validate)
app.command("techniques")(describe.list_techniques)
app.command("schema")(describe.schema)
app.command("demo")(demo.demo)
app.add_typer(models.app, name="models")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = app(arguments, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted", 130)
    except typer.TyperException as error:
        return _say(f"{getattr(error, 'message', error)} See `archon --help`.", 2)
    except ConfigError as error:
        return _say(str(error), 2)
    except ArchonError as error:
        return _say(str(error), 1)
    except BrokenPipeError:
        # Whoever reads our output has had enough; the interpreter must not fail again while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome if isinstance(outcome, int) else 0


def _say(message: str, code: int) -> int:
    print(f"archon: {message}", file=sys.stderr)  # noqa: T201 - the last word of a command
    return code
