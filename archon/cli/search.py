"""``archon search``: look for the architecture that solves a benchmark at the lowest cost."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archon.cli.search_dry import dry_run
from archon.cli.storing import StoreFlag, chosen
from archon.document import read_text
from archon.errors import ConfigError
from evals.benchmark import parse_data
from search.census import COUNTED, SAMPLED
from search.evaluator import CostUnit
from search.job import Job, versions
from search.spec import Objective, Racing, Sampler, StudySpec, parse_spec

LIMITS = ("trials", "patience", "seconds", "calls", "usd")


class SearchGroup(TyperGroup):
    """A group whose first command is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the first command in front of what does not begin with a command's."""
        if not args or args[0] not in self.commands:
            args = ["study", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=SearchGroup,
    help="Look for the architecture that solves a task at the lowest cost.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("study")
def study(
    space: Annotated[Path | None, typer.Argument(metavar="SPACE", help="YAML file of the search space.")] = None,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", "-b", metavar="NAME", help="A benchmark, or the YAML file of a card.")
    ] = None,
    problems: Annotated[
        int | None, typer.Option(min=1, help="Take so many problems, for search, guard and seal together.")
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="WEIGHTS", help="How they are divided among search, guard and seal.")
    ] = "60,20,20",
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Take a benchmark's rows from a file, as in gsm8k=gsm8k.jsonl."),
    ] = None,
    judge: Annotated[str | None, typer.Option(metavar="MODEL", help="The model that graders ask.")] = None,
    objective: Annotated[
        Objective | None, typer.Option(help="accuracy, the cost of a right answer, or what nothing else beats.")
    ] = None,
    cost: Annotated[CostUnit | None, typer.Option(help="Count costs in it; usd where every model has a price.")] = None,
    ceiling: Annotated[float | None, typer.Option(help="The most an answer may cost on average.")] = None,
    sampler: Annotated[Sampler | None, typer.Option(help="What proposes architectures.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Architectures to evaluate; 100 unless given.")] = None,
    racing: Annotated[Racing | None, typer.Option(help="When the clearly worse are dropped.")] = None,
    alpha: Annotated[float | None, typer.Option(help="The level of one look of a race; 0.05 unless given.")] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Problems before the first look; 8 unless given.")] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="Architectures at a time; 4, or 1 with models of this machine.")
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many trials with nothing better.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Begin no trial after so much time.")] = None,
    calls: Annotated[int | None, typer.Option(min=1, help="Send at most so many requests while searching.")] = None,
    usd: Annotated[float | None, typer.Option(help="Pay at most so many dollars while searching.")] = None,
    surrogate: Annotated[
        bool, typer.Option("--surrogate/--no-surrogate", help="Predict from samples at hand what is not worth calls.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Decides problems, proposals and draws.")] = 0,
    thresholdout: Annotated[
        bool, typer.Option("--thresholdout", help="Let the guard answer by Thresholdout in place of a Ladder.")
    ] = False,
    known: Annotated[
        list[Path] | None, typer.Option(metavar="ARCHITECTURE", help="Try this architecture first; again for more.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Begin with what an earlier search found.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a search; limits may be changed.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Keep trials in a database that workers share.")
    ] = None,
    study_name: Annotated[str | None, typer.Option("--study", metavar="NAME", help="The study's name there.")] = None,
    store: StoreFlag = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what a search would cost, and ask no model.")] = False,
    input: Annotated[  # noqa: A002 - the flag's name
        Path | None, typer.Option("--input", help="With --dry-run: a JSON Lines file whose lengths decide the tokens.")
    ] = None,
    question_field: Annotated[str, typer.Option(help="With --input: the field with the question.")] = "question",
    limit: Annotated[int | None, typer.Option(min=1, help="With --input: stop after this many.")] = None,
    most: Annotated[int, typer.Option(min=0, help="With --dry-run: count up to this many settings.")] = COUNTED,
    sample: Annotated[int, typer.Option(min=1, help="With --dry-run: of more, look at so many.")] = SAMPLED,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> int:
    """Look for the architecture that solves a task at the lowest cost. `archon search worker` takes part in one."""
    settings: dict[str, Any] = {
        "objective": objective,
        "cost": cost,
        "ceiling": ceiling,
        "sampler": sampler,
        "trials": trials,
        "racing": racing,
        "alpha": alpha,
        "first": first,
        "parallel": parallel,
        "patience": patience,
        "seconds": seconds,
        "calls": calls,
        "usd": usd,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None:
        if space is not None or benchmark is not None or given.keys() - set(LIMITS):
            raise ConfigError(f"--resume goes on with what the search had; only {', '.join(LIMITS)} may be changed.")
        return int(_work().resume(resume, given, storage, json=json))
    if space is None:
        raise ConfigError("Name a search space, such as configs/searches/arithmetic.yaml.")
    if dry:
        dry_run(
            space,
            questions_file=input,
            question_field=question_field,
            limit=limit,
            problems=problems,
            trials=trials or StudySpec().trials,
            most=most,
            sample=sample,
            seed=seed,
            json=json,
        )
        return 0
    if benchmark is None:
        raise ConfigError("Name a benchmark to search on, such as --benchmark gsm8k; --dry-run needs none.")
    job = Job(
        name="",
        space=read_text(space),
        source=str(space),
        spec=parse_spec({**given, "surrogate": surrogate, "seed": seed}),
        benchmark=_card(benchmark),
        data={name: str(file.absolute()) for name, file in parse_data(data or ()).items()},
        judge=judge,
        limit=problems,
        split=Job.parse_split(split),
        mechanism="thresholdout" if thresholdout else "ladder",
        versions=versions(),
    )
    return int(
        _work().begin(
            job,
            given,
            name=study_name,
            runs=runs,
            url=storage,
            store=chosen(store, no_store),
            known=known or (),
            from_=from_,
            json=json,
        )
    )


@app.command("worker")
def worker(
    storage: Annotated[str, typer.Option(metavar="URL", help="The database that the search began with.")],
    study_name: Annotated[str, typer.Option("--study", metavar="NAME", help="The study's name there.")],
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Where the benchmark's rows are on this machine.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where this worker's records are kept.")] = Path("runs"),
    store: StoreFlag = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
) -> int:
    """Take part in a search that runs elsewhere, until it is over."""
    assignments = parse_data(data or ())
    _work().take_part(
        storage,
        study_name,
        data={name: str(file.absolute()) for name, file in assignments.items()},
        runs=runs,
        store=chosen(store, no_store),
    )
    return 0


def _work() -> ModuleType:
    """What does the work, imported when it is needed: all other commands go without Optuna.

    Raises:
        ConfigError: Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise ConfigError("archon search needs the extra `search`: pip install 'archon-inference[search]'.")
    return import_module("archon.cli.search_run")


def _card(benchmark: str) -> str:
    return str(Path(benchmark).absolute()) if Path(benchmark).suffix.lower() in (".yaml", ".yml") else benchmark
