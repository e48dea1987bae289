"""``archon run``: answer questions with one or several architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archon.architecture import Architecture
from archon.budget import BudgetSpec
from archon.cli.batch import Outcome, run_batch, write_output
from archon.cli.console import output, print_json, progress
from archon.cli.storing import StoreFlag, chosen
from archon.cli.tables import remarks, results_table
from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.estimate import estimate, estimate_to_data
from archon.observed import Profile
from archon.prices import with_list_prices
from archon.questions import Fields, Question, read_questions
from archon.runs import RunDirectory
from archon.source import load_architecture
from archon.state import Task
from archon.stores import open_store, written_down
from archon.trace import Observer


def run(
    architectures: Annotated[
        list[Path] | None, typer.Argument(metavar="ARCHITECTURE...", help="YAML files to run.")
    ] = None,
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
    at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Answer so many questions at a time; with local models, try 1."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting, as in layers.0.generate.n=4."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every draw.")] = 0,
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT=VALUE", help="What each architecture may cost: usd, tokens, calls, seconds."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with a run that was cut.")] = None,
    store: StoreFlag = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
    otel: Annotated[
        bool, typer.Option("--otel", help="Send OpenTelemetry spans to where the OTEL_* variables say.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Answer questions with one or several architectures, side by side."""
    if resume is not None:
        if architectures or question is not None or input is not None:
            raise ConfigError("--resume goes on with what the run had; give no architecture, question or input.")
        directory = RunDirectory.resume(resume)
        place = directory.settings["store"]
    else:
        if not architectures:
            raise ConfigError("Name at least one architecture, such as configs/architectures/vote.yaml.")
        loaded = [with_list_prices(load_architecture(path, set_ or ())) for path in architectures]
        check_names(loaded, architectures)
        questions = questions_of(question, input, Fields(question_field, answer_field, id_field, system_field), limit)
        if output_file is not None and not output_file.parent.is_dir():
            raise ConfigError(f"{output_file}: the directory {output_file.parent} does not exist.")
        profile, tasks = Profile.load(), [question.task for question in questions]
        place = chosen(store, no_store)
        settings: dict[str, Any] = {
            "seed": seed,
            "at_once": at_once,
            "budget": parse_budget(budget or ()),
            "input": input and str(input),
            "output": output_file and str(output_file.absolute()),
            "store": place and written_down(place),
            "show_answers": question is not None,
            "estimate": {a.name: estimate_to_data(estimate(a, tasks, profile)) for a in loaded},
        }
        directory = RunDirectory.create(runs, loaded, questions, settings)
    with ExitStack() as stack:
        outcomes = execute(directory, place, stack.enter_context(_spans()) if otel else ())
    if directory.settings["output"]:
        write_output(Path(directory.settings["output"]), outcomes)
    return report(outcomes, directory.path, json=json, show_answers=directory.settings["show_answers"])


def parse_budget(limits: Iterable[str]) -> dict[str, float] | None:
    """The limits of ``--budget usd=1 --budget calls=100``.

    Raises:
        ConfigError: One of them is no limit.
    """
    found: dict[str, float] = {}
    for limit in limits:
        name, _, value = limit.partition("=")
        try:
            found[name] = float(value)
            BudgetSpec.model_validate({name: found[name]})
        except ValueError:
            raise ConfigError(
                f"--budget {limit}: write a limit and its value: usd=0.5, tokens=100000, calls=50 or seconds=60."
            ) from None
    return found or None


def questions_of(question: str | None, file: Path | None, fields: Fields, limit: int | None) -> list[Question]:
    """The one question, or those of the file.

    Raises:
        ConfigError: Neither or both are given, or the file is not usable.
    """
    if question is not None and file is None:
        return [Question(Task.of(question, id="1"))]
    if question is None and file is not None:
        return read_questions(file, fields, limit)
    raise ConfigError("Give either --question TEXT or --input FILE.jsonl.")


@contextmanager
def _spans() -> Iterator[list[Callable[[str], Observer]]]:
    """What makes the observers that export spans."""
    try:
        from archon.otel import Spans, exported
    except ImportError:
        raise ConfigError("--otel needs the extra `otel`: pip install 'archon-inference[otel]'.") from None
    made: list[Spans] = []

    def make(architecture: str) -> Observer:
        made.append(Spans(architecture, provider))
        return made[-1]

    with exported() as provider:
        try:
            yield [make]
        finally:
            for spans in made:
                spans.close()


def execute(
    directory: RunDirectory, place: str | None, watchers: Sequence[Callable[[str], Observer]] = ()
) -> list[Outcome]:
    """Run what is open in a run directory, and keep what came of it however it ends.

    Args:
        directory: What runs.
        place: The sample store, which the directory names without its password.
        watchers: Make further observers, given the architecture's name.
    """
    store = summary = None
    try:
        store = open_store(place) if place else None
        outcomes = run_sync(run_batch(directory, store, watchers))
        summary = [outcome.summary() for outcome in outcomes]
    except KeyboardInterrupt:
        resume = f"archon run --resume {directory.path}"
        progress().print(f"What had finished is kept; `{resume}` goes on.", markup=False, soft_wrap=True)
        raise
    finally:
        directory.close(summary)
        if store is not None:
            store.close()
    return outcomes


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
                    if row["text"] is not None:
                        heading = f"— {outcome.name} —\n" if len(outcomes) > 1 else ""
                        output().print(heading + row["text"].strip() + "\n", markup=False, soft_wrap=True)
        out = progress() if show_answers else output()
        out.print(results_table(outcomes, title or f"{outcomes[0].questions} questions"))
    for remark in remarks(outcomes):
        progress().print(f"archon: {remark}.", markup=False, soft_wrap=True)
    progress().print(f"Records and trace: {path}", markup=False, soft_wrap=True)
    if any(outcome.failed or outcome.incomplete for outcome in outcomes):
        return 1
    return 3 if any(outcome.cut for outcome in outcomes) else 0


def _with_answers(outcome: Outcome, show_answers: bool) -> dict[str, Any]:
    data = outcome.summary()
    if show_answers:
        data["answers"] = [outcome.rows[position] for position in sorted(outcome.rows)]
    return data


def check_names(loaded: Sequence[Architecture], paths: Sequence[Path]) -> None:
    """Make sure that records will not mix architectures up.

    Raises:
        ConfigError: Two of them have one name.
    """
    seen: dict[str, Path] = {}
    for architecture, path in zip(loaded, paths, strict=True):
        if architecture.name in seen:
            raise ConfigError(
                f"{seen[architecture.name]} and {path} are both called '{architecture.name}'; "
                "give one of them another name."
            )
        seen[architecture.name] = path
