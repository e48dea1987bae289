"""``archon eval``: architectures on benchmarks, with repeats, costs and uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from archon.budget import BudgetSpec
from archon.cli.console import output, print_json, progress
from archon.cli.eval_table import eval_table, judge_remarks, summary_remarks
from archon.cli.progress import RunProgress
from archon.cli.run import check_names, parse_budget
from archon.cli.storing import StoreFlag, chosen
from archon.concurrency import run_sync
from archon.cost import totals_to_data
from archon.errors import ConfigError
from archon.models.pool import ModelPool
from archon.paths import cache_dir
from archon.prices import with_list_prices
from archon.source import load_architecture
from archon.store import Store
from archon.stores import open_store, written_down
from evals.benchmark import load_benchmark, parse_data
from evals.contest import Contender, ProblemSet
from evals.directory import EvalDirectory
from evals.records import Record
from evals.runner import Settings, evaluate
from evals.summary import Summary, summarise
from evals.variants import ablations, cast


class SplitName(StrEnum):
    """The parts of a benchmark; :mod:`evals.split` says what each is for."""

    SEARCH = "search"
    GUARD = "guard"
    SEALED = "sealed"


def evaluate_architectures(
    architectures: Annotated[
        list[Path] | None, typer.Argument(metavar="ARCHITECTURE...", help="YAML files to evaluate.")
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option("--benchmark", "-b", metavar="NAME", help="A benchmark, or the YAML file of a card of your own."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask so many problems of each benchmark.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Ask every problem so many times.")] = 1,
    at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Ask so many problems at a time; with local models, try 1."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which problems are asked, and every draw.")] = 0,
    split: Annotated[SplitName | None, typer.Option(help="Ask only problems of this part.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a setting, as in layers.0.generate.n=4."),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ROLE=MODEL", help="Try a model in a role; again for each further model."),
    ] = None,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also leave out each layer in turn.")] = False,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT=VALUE", help="What each architecture may cost per benchmark: usd, tokens, calls, seconds."
        ),
    ] = None,
    judge: Annotated[str | None, typer.Option(metavar="MODEL", help="The model that graders ask.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Take a benchmark's rows from a file, as in gsm8k=gsm8k.jsonl."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with an evaluation that was cut.")] = None,
    store: StoreFlag = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Buy every sample anew and keep none.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Evaluate architectures on benchmarks."""
    if resume is not None:
        if architectures or benchmark:
            raise ConfigError("--resume goes on with what the evaluation had; give no architecture or benchmark.")
        directory = EvalDirectory.resume(resume)
        return _execute(directory, directory.about["store"], json=json)
    if not architectures:
        raise ConfigError("Name at least one architecture, such as configs/architectures/vote.yaml.")
    if not benchmark:
        raise ConfigError("Name at least one benchmark, such as --benchmark gsm8k.")
    contenders = _contenders(architectures, set_ or (), with_ or (), ablate=ablate)
    settings = Settings(seed, repeats, _budget(budget or ()), at_once=at_once)
    sets = _problem_sets(benchmark, limit, split, seed, data or (), judge)
    place = chosen(store, no_store)
    kept = {"store": place and written_down(place), "split": split, "limit": limit}
    directory = EvalDirectory.create(runs, contenders, sets, settings, kept)
    return _execute(directory, place, json=json)


def _budget(limits: Sequence[str]) -> BudgetSpec | None:
    found = parse_budget(limits)
    return None if found is None else BudgetSpec.model_validate(found)


def _contenders(
    paths: Sequence[Path], changes: Sequence[str], models: Sequence[str], *, ablate: bool
) -> list[Contender]:
    """What is evaluated, with the list prices of today."""
    loaded = [load_architecture(path, changes) for path in paths]
    check_names(loaded, paths)
    variants = cast(loaded, models) if models else loaded
    whole = [Contender.of(with_list_prices(architecture)) for architecture in variants]
    return whole + ([smaller for contender in whole for smaller in ablations(contender)] if ablate else [])


def _problem_sets(
    names: Sequence[str],
    limit: int | None,
    split: SplitName | None,
    seed: int,
    data: Sequence[str],
    judge: str | None,
) -> list[ProblemSet]:
    files = parse_data(data)
    sets: dict[str, ProblemSet] = {}
    for name in names:
        benchmark = load_benchmark(name, files)
        if benchmark.name in sets:
            raise ConfigError(f"--benchmark {name}: there are two benchmarks of the name {benchmark.name}.")
        problems = benchmark.problems(limit, None if split is None else split.value, seed)
        try:
            sets[benchmark.name] = ProblemSet.of(benchmark, problems, judge)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ").rstrip(".")
            raise ConfigError(f"--judge {judge}: {message}.") from None
    return list(sets.values())


def _execute(directory: EvalDirectory, place: str | None, *, json: bool) -> int:
    """Run what is open, keep what comes of it however it ends, and say what it came to."""
    store = None
    try:
        store = open_store(place) if place else None
        records = run_sync(_evaluate(directory, store))
    except KeyboardInterrupt:
        resume = f"archon eval --resume {directory.path}"
        progress().print(f"What had finished is kept; `{resume}` goes on.", markup=False, soft_wrap=True)
        raise
    finally:
        directory.close()
        if store is not None:
            store.close()
    return _report(directory, records, json=json)


async def _evaluate(directory: EvalDirectory, store: Store | None) -> list[Record]:
    with RunProgress() as shown:
        async with ModelPool(cache_dir() / "limits.sqlite") as pool:
            return await evaluate(
                directory.contenders,
                directory.problem_sets,
                directory.settings,
                pool=pool,
                store=store,
                done=directory.records(),
                desk=directory.desk(shown),
            )


def _report(directory: EvalDirectory, records: Sequence[Record], *, json: bool) -> int:
    """Write and print what it came to; returns the exit code."""
    summaries = summarise(records, directory.about["price_date"])
    judges = directory.judges()
    summary: dict[str, Any] = {
        "run": str(directory.path),
        "results": [summary.to_data() for summary in summaries],
        "judges": [
            {
                "benchmark": benchmark,
                "model": model,
                "attributed": totals_to_data(attributed),
                "paid": totals_to_data(paid),
            }
            for (benchmark, model), (attributed, paid) in judges.items()
        ],
    }
    directory.finish(records, summary)
    if json:
        print_json(summary)
    else:
        output().print(eval_table(summaries))
        for found in summaries:
            output().print(
                f"{found.benchmark} · {found.architecture}: {found.diagnosis.sentence}", markup=False, soft_wrap=True
            )
    for remark in (*summary_remarks(summaries, records), *judge_remarks(judges)):
        progress().print(f"archon: {remark}.", markup=False, soft_wrap=True)
    progress().print(f"Records and trace: {directory.path}", markup=False, soft_wrap=True)
    return _exit_code(summaries)


def _exit_code(summaries: Sequence[Summary]) -> int:
    if any(found.failed or found.incomplete or found.ungraded for found in summaries):
        return 1
    return 3 if any(found.cut for found in summaries) else 0
