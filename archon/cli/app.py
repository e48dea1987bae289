"""The ``archon`` command: its verbs, and how errors become sentences and exit codes.

Exit codes: 0 done, 1 something failed, 2 usage or configuration, 3 cut by a budget, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from archon.cli import (
    benchmarks,
    cache,
    costs,
    demo,
    describe,
    estimate,
    evaluate,
    importer,
    labels,
    models,
    report,
    say,
)
from archon.cli import run as run_command
from archon.cli import search as search_command
from archon.cli import tree as tree_command
from archon.errors import ArchonError, ConfigError, ConfigWarning

app = typer.Typer(
    name="archon",
    help="Stack inference-time techniques into architectures, run them, and know what every answer cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run_command.run)
app.command("eval")(evaluate.evaluate_architectures)
app.command("estimate")(estimate.estimate_architectures)

app.command("costs")(costs.costs)
app.command("report")(report.report)
app.command("labels")(labels.labels)
app.command("tree")(tree_command.tree)
app.command("validate")(describe.validate)
app.command("import")(importer.import_)
app.command("techniques")(describe.list_techniques)
app.command("rewards")(describe.list_rewards)
app.command("pages")(describe.pages)
app.command("schema")(describe.schema)
app.command("demo")(demo.demo)
app.add_typer(search_command.app, name="search")
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")
app.add_typer(benchmarks.app, name="benchmarks")


def run(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    plain = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        # Where in our code it arose helps nobody who wrote a configuration.
        if issubclass(category, ConfigWarning):
            say(f"warning: {message}", 0)
        else:
            plain(message, category, *rest, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ConfigWarning)
        warnings.showwarning = show
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = app(arguments, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return say("interrupted", 130)
    except typer.TyperException as error:
        return say(f"{getattr(error, 'message', error)} See `archon --help`.", 2)
    except ConfigError as error:
        return say(str(error), 2)
    except ArchonError as error:
        return say(str(error), 1)
    except BrokenPipeError:
        # Whoever reads our output has had enough; the interpreter must not fail again while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome if isinstance(outcome, int) else 0
