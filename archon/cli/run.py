"""``archon run``: answer questions with one or several architectures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from archon.architecture import Architecture
from archon.cli.batch import Outcome, run_batch, write_output
from archon.cli.console import output, print_json, progress
from archon.cli.tables import remarks, results_table
from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.paths import default_store
from archon.questions import Fields, Question, read_questions
from archon.runs import RunDirectory
from archon.source import load_architecture
from archon.state import Task
from archon.store import SampleStore


def run(
    architectures: Annotated[list[Path], typer.Argument(metavar="ARCHITECTURE...", help="YAML files to run.")],
    question: Annotated[str | None, typer.Option(help="Answer this one question.")] = None,
    input: Annotated[  # noqa: A002 - the flag's name
        Path | None, typer.Option("--input", help="Answer every line of this JSON Lines file.")
    ] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", help="Write the answers here, one JSON object per line.")
    ] = None,
    question_field: Annotated[
        str, typer.Option(help="Field with the question, or with a list of messages.")
    ] = "question",
    answer_field: Annotated[str, typer.Option(help="Field with the reference answer, if there is one.")] = "answer",
    id_field: Annotated[str, typer.Option(help="Field with the id.")] = "id",
    system_field: Annotated[str, typer.Option(help="Field with a system message.")] = "system",
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many questions.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting, as in layers.0.generate.n=4."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every draw.")] = 0,
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    store: Annotated[Path | None, typer.Option(help="Sample store to use instead of the user's own.")] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Answer questions with one or several architectures, side by side."""
    if (question is None) == (input is None):
        raise ConfigError("Give either --question TEXT or --input FILE.jsonl.")
    loaded = [load_architecture(path, set_ or ()) for path in architectures]
    _check_names(loaded, architectures)
    if question is not None:
        questions = [Question(Task.of(question, id="1"))]
    else:
        assert input is not None, "one of the two was given"
        fields = Fields(question_field, answer_field, id_field, system_field)
        questions = read_questions(input, fields, limit)
    if output_file is not None and not output_file.parent.is_dir():
        raise ConfigError(f"{output_file}: the directory {output_file.parent} does not exist.")
    settings: dict[str, Any] = {"seed": seed, "questions": len(questions)}
    if input is not None:
        settings |= {"input": str(input), "input_sha256": hashlib.sha256(input.read_bytes()).hexdigest()}
    kept = None if no_store else store or default_store()
    outcomes, path = execute(loaded, questions, settings, seed=seed, runs=runs, store=kept)
    if output_file is not None:
        write_output(output_file, outcomes)
    return report(outcomes, path, json=json, show_answers=question is not None)


def execute(
    architectures: list[Architecture],
    questions: list[Question],
    settings: dict[str, Any],
    *,
    seed: int,
    runs: Path,
    store: Path | None,
) -> tuple[list[Outcome], Path]:
    """Run everything and leave a run directory behind, however it ends."""
    samples = None if store is None else SampleStore(store)
    directory = RunDirectory(runs, architectures, settings)
    summary = None
    try:
        outcomes = run_sync(run_batch(architectures, questions, directory, seed=seed, store=samples))
        summary = [outcome.summary() for outcome in outcomes]
    except KeyboardInterrupt:
        progress().print(f"What had finished is in {directory.path}.")
        raise
    finally:
        directory.close(summary)
        if samples is not None:
            samples.close()
    return outcomes, directory.path


def report(
    outcomes: list[Outcome], path: Path, *, json: bool, show_answers: bool = False, title: str | None = None
) -> int:
    """Print what came of it; returns the exit code."""
    if json:
        print_json({"run": str(path), "architectures": [_with_answers(o, show_answers) for o in outcomes]})
    else:
        if show_answers:
            for outcome in outcomes:
                for row in outcome.rows.values():
                    if row["status"] == "done":
                        heading = f"— {outcome.name} —\n" if len(outcomes) > 1 else ""
                        output().print(heading + row["text"].strip() + "\n", markup=False, soft_wrap=True)
        out = progress() if show_answers else output()
        out.print(results_table(outcomes, title or f"{outcomes[0].questions} questions"))
    for remark in remarks(outcomes):
        progress().print(f"archon: {remark}.", markup=False, soft_wrap=True)
    progress().print(f"Records and trace: {path}", markup=False, soft_wrap=True)
    return 1 if any(outcome.failed or outcome.incomplete for outcome in outcomes) else 0


def _with_answers(outcome: Outcome, show_answers: bool) -> dict[str, Any]:
    data = outcome.summary()
    if show_answers:
        data["answers"] = [outcome.rows[position] for position in sorted(outcome.rows)]
    return data


def _check_names(loaded: list[Architecture], paths: list[Path]) -> None:
    seen: dict[str, Path] = {}
    for architecture, path in zip(loaded, paths, strict=True):
        if architecture.name in seen:
            raise ConfigError(
                f"{seen[architecture.name]} and {path} are both called '{architecture.name}'; "
                "give one of them another name."
            )
        seen[architecture.name] = path
