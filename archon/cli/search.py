"""``archon search``: look for the architecture that solves a benchmark at the lowest cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from archon.cli.console import output, print_json, progress
from archon.cli.search_dry import dry_run, looking
from archon.cli.search_progress import SearchProgress
from archon.cli.search_tables import report
from archon.concurrency import run_sync
from archon.document import read_text
from archon.errors import ConfigError
from archon.models.pool import ModelPool
from archon.paths import cache_dir, default_store
from archon.runs import new_directory
from archon.store import SampleStore
from evals.benchmark import parse_data
from evals.records_io import RECORDS, to_line
from search.census import COUNTED, SAMPLED
from search.conduct import Means, conduct, join, purse_of, study_of
from search.directory import SearchDirectory
from search.evaluator import CostUnit
from search.job import Job, versions
from search.prospect import check_spec, look
from search.spec import Objective, Racing, Sampler, StudySpec
from search.storage import Watchdog, hidden, open_storage
from search.warm import alike, found_by, settings_of

LIMITS = ("trials", "patience", "seconds", "calls", "usd")
PLANNED = ("grid", "greedy", "factorial")
PARALLEL = 4


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
    store: Annotated[Path | None, typer.Option(help="Sample store to use instead of the user's own.")] = None,
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
        return _resume(resume, given, storage, json=json)
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
        spec=_spec({**given, "surrogate": surrogate, "seed": seed}),
        benchmark=_card(benchmark),
        data={name: str(file.absolute()) for name, file in parse_data(data or ()).items()},
        judge=judge,
        limit=problems,
        mechanism="thresholdout" if thresholdout else "ladder",
        versions=versions(),
    )
    return _begin(
        job,
        given,
        name=study_name,
        runs=runs,
        url=storage,
        store=None if no_store else str((store or default_store()).absolute()),
        known=known or (),
        from_=from_,
        json=json,
    )


@app.command("worker")
def worker(
    storage: Annotated[str, typer.Option(metavar="URL", help="The database that the search began with.")],
    study_name: Annotated[str, typer.Option("--study", metavar="NAME", help="The study's name there.")],
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Where the benchmark's rows are on this machine.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where this worker's records are kept.")] = Path("runs"),
    store: Annotated[Path | None, typer.Option(help="Sample store to use instead of the user's own.")] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
) -> int:
    """Take part in a search that runs elsewhere, until it is over."""
    _quiet()
    joined, job = join(open_storage(storage), study_name)
    if job.spec.sampler in PLANNED:
        raise ConfigError(f"--study {study_name}: the sampler '{job.spec.sampler}' plans alone and takes no workers.")
    here = {**job.data, **{name: str(file.absolute()) for name, file in parse_data(data or ()).items()}}
    divided = job.model_copy(update={"data": here}).divide()
    if divided.digest != job.digest:
        raise ConfigError(
            f"--study {study_name}: the problems of {job.benchmark} are not the same here as where the search began; "
            "name the same file with --data NAME=FILE."
        )
    prospect = look(job.open_space())
    job.check_space(prospect.digest, study_name)
    spec = job.spec.model_copy(update={"parallel": 1} if prospect.local else {})
    job = job.model_copy(update={"spec": spec})
    directory = new_directory(runs, f"{time.strftime('%Y%m%d-%H%M%S')}-worker-{study_name}")
    samples = None if no_store else SampleStore(store or default_store())

    async def work() -> None:
        async with ModelPool(cache_dir() / "limits.sqlite") as pool:
            evaluator = Means(pool, samples).evaluator(
                divided.search,
                spec.seed,
                keep=lambda record: _append(directory, to_line(record)),
                purse=purse_of(spec, joined),
            )
            with SearchProgress(spec, divided.search) as shown:
                await study_of(job, joined, evaluator, watchdog=Watchdog(joined), leads=False, show=shown.show).run()

    try:
        run_sync(work())
    finally:
        if samples is not None:
            samples.close()
    return 0


def _append(directory: Path, line: bytes) -> None:
    with (directory / RECORDS).open("ab") as file:
        file.write(line)


def _begin(
    job: Job,
    given: dict[str, Any],
    *,
    name: str | None,
    runs: Path,
    url: str | None,
    store: str | None,
    known: Sequence[Path],
    from_: Path | None,
    json: bool,
) -> int:
    """Make sure that the search can find something, then make its directory and run it."""
    loaded = job.open_space()
    with looking() as told:
        prospect = look(loaded, told)
    divided = job.divide()
    chosen = {"cost": given.get("cost", prospect.unit), "parallel": given.get("parallel", PARALLEL)}
    if prospect.local:
        # Two models that compute at once on one machine take longer than one after the other.
        chosen["parallel"] = 1
    spec = job.spec.model_copy(update=chosen)
    check_spec(spec, prospect, divided.search)
    earlier = None if from_ is None else SearchDirectory.resume(from_)
    first = settings_of(loaded, known)
    job = job.model_copy(
        update={
            "spec": spec,
            "digest": divided.digest,
            "architectures": prospect.digest,
            "name": name or f"{loaded.name}-{time.strftime('%Y%m%d-%H%M%S')}",
        }
    )
    if earlier is not None and not alike(job, earlier.job):
        first += found_by(loaded, earlier)
    opened = None if url is None else open_storage(url)
    more = {"store": store, "storage": url and hidden(url), "price_date": prospect.price_date}
    directory = SearchDirectory.create(runs, job, divided, more)
    if url is not None:
        command = f"archon search worker --storage {hidden(url)} --study {job.name}"
        progress().print(f"Others may take part: {command}", markup=False, soft_wrap=True)
    return _execute(directory, opened, prospect.architectures, resume=False, known=first, earlier=earlier, json=json)


def _resume(path: Path, limits: dict[str, Any], url: str | None, *, json: bool) -> int:
    directory = SearchDirectory.resume(path)
    directory.job = directory.job.model_copy(update={"spec": _spec({**directory.job.spec.model_dump(), **limits})})
    kept = directory.about["storage"]
    if kept is not None and url is None:
        url = str(kept)
        if "…" in url:
            raise ConfigError(f"{path}: give the database again, with its password: --storage {url}.")
    if kept is None and url is not None:
        raise ConfigError(f"{path}: this search keeps its trials in its directory; leave --storage away.")
    with looking() as told:
        prospect = look(directory.job.open_space(), told)
    directory.job.check_space(prospect.digest, str(path))
    check_spec(directory.job.spec, prospect, directory.divided.search)
    opened = None if url is None else open_storage(url)
    return _execute(directory, opened, prospect.architectures, resume=True, json=json)


def _execute(
    directory: SearchDirectory,
    storage: Any,
    architectures: Sequence[Any],
    *,
    resume: bool,
    known: Sequence[Any] = (),
    earlier: SearchDirectory | None = None,
    json: bool,
) -> int:
    """Search, and say what came of it; returns the exit code."""
    _quiet()
    place = directory.about["store"]
    store = None if place is None else SampleStore(Path(place))

    async def go() -> dict[str, Any]:
        with SearchProgress(directory.job.spec, directory.divided.search) as shown:
            async with ModelPool(cache_dir() / "limits.sqlite") as pool:
                return await conduct(
                    directory,
                    storage or open_storage(directory.journal),
                    Means(pool, store, show=shown.show, say=shown.say),
                    architectures,
                    resume=resume,
                    shared=storage is not None,
                    known=known,
                    earlier=earlier,
                )

    try:
        found = run_sync(go())
    except KeyboardInterrupt:
        command = f"archon search --resume {directory.path}"
        progress().print(f"What had finished is kept; `{command}` goes on.", markup=False, soft_wrap=True)
        raise
    finally:
        directory.close()
        if store is not None:
            store.close()
    if json:
        print_json(found)
    else:
        report(found, output())
    for remark in found["remarks"]:
        progress().print(f"archon: {remark}", markup=False, soft_wrap=True)
    progress().print(f"Winner, Pareto set, records: {directory.path}", markup=False, soft_wrap=True)
    return 3 if found["progress"]["cut"] else 0


def _quiet() -> None:
    """Optuna says at every trial what the progress says better."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _spec(given: dict[str, Any]) -> StudySpec:
    try:
        return StudySpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"--{str(part).replace('_', '-')}: " for part in first["loc"])
        raise ConfigError(where + str(first["msg"]).removeprefix("Value error, ") + ".") from None


def _card(benchmark: str) -> str:
    return str(Path(benchmark).absolute()) if Path(benchmark).suffix.lower() in (".yaml", ".yml") else benchmark
