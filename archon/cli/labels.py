"""``archon labels``: the labels of steps that a run collected, as a data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archon.cli.console import progress
from archon.errors import ConfigError
from archon.questions import Fields, read_questions
from archon.runs import read_settings


def labels(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Where to write; stdout if left out.")
    ] = None,
) -> None:
    """Write the labels of steps that omega_prm and first_error collected in a run as JSON Lines."""
    rows = read_labels(run)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error}.") from None
    right = sum(row["label"] for row in rows)
    progress().print(f"{output}: {len(rows):,} labels, {right:,} of steps that are right.")


def read_labels(run: Path) -> list[dict[str, Any]]:
    """Every label of a run once: id, question, prefix, step, mc and label.

    Args:
        run: The directory of the run. Where a question was asked again because the run was cut, the later label of
            the same step counts.

    Raises:
        ConfigError: It is not the directory of a run.
    """
    read_settings(run)
    questions = {
        question.task.id: question.task.question
        for question in read_questions(run / "questions.jsonl", Fields(question="messages"))
    }
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    with (run / "trace.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if '"label"' not in line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                # The line that was being written when the run was killed.
                continue
            if event["kind"] != "label":
                continue
            told = {name: event[name] for name in ("prefix", "step", "mc", "label")}
            place = (event["architecture"], event["layer"], event["question"], event["prefix"], event["step"])
            found[place] = {"id": event["question"], "question": questions[event["question"]], **told}
    return list(found.values())
