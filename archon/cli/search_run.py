"""Does what ``archon search`` and its workers are told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage

from archon.architecture import Architecture
from archon.cli.console import output, print_json, progress
from archon.cli.search_dry import looking
from archon.cli.search_progress import SearchProgress
from archon.cli.search_tables import report
from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.models.pool import ModelPool
from archon.paths import cache_dir
from archon.runs import new_directory
from archon.store import Store
from archon.stores import open_store, written_down
from archon.urls import hidden
from evals.records_io import RECORDS, to_line
from search.conduct import Means, conduct, join, purse_of, study_of
from search.directory import SearchDirectory
from search.job import Job
from search.parameters import Params
from search.prospect import check_spec, look
from search.spec import parse_spec
from search.storage import Watchdog, close_storage, open_storage
from search.warm import alike, found_by, settings_of

PLANNED = ("grid", "greedy", "factorial")
PARALLEL = 4


def take_part(url: str, name: str, *, data: Mapping[str, str], runs: Path, store: str | None) -> None:
    """Work on a study that runs elsewhere until it is over.

    Args:
        url: The database.
        name: The study.
        data: Where files of rows are on this machine, by benchmark.
        runs: Where to keep records.
        store: Where to keep samples.
    """
    _quiet()
    joined, job = join(open_storage(url), name)
    if job.spec.sampler in PLANNED:
        raise ConfigError(f"--study {name}: the sampler '{job.spec.sampler}' plans alone and takes no workers.")
    here = {**job.data, **data}
    divided = job.model_copy(update={"data": here}).divide()
    if divided.digest != job.digest:
        raise ConfigError(
            f"--study {name}: the problems of {job.benchmark} are not the same here as where the search began; "
            "name the same file with --data NAME=FILE."
        )
    prospect = look(job.open_space())
    job.check_space(prospect.digest, name)
    spec = job.spec.model_copy(update={"parallel": 1} if prospect.local else {})
    job = job.model_copy(update={"spec": spec})
    directory = new_directory(runs, f"{time.strftime('%Y%m%d-%H%M%S')}-worker-{name}")
    samples = None if store is None else open_store(store)

    purse = purse_of(spec, joined)

    async def work() -> None:
        async with ModelPool(cache_dir() / "limits.sqlite") as pool:
            evaluator = Means(pool, samples).evaluator(
                divided.search,
                spec.seed,
                keep=lambda record: _append(directory, to_line(record)),
                purse=purse,
            )
            with SearchProgress(spec, divided.search) as shown:
                await study_of(job, joined, evaluator, watchdog=Watchdog(joined), leads=False, show=shown.show).run()

    try:
        run_sync(work())
    finally:
        if purse is not None:
            purse.release()
        if samples is not None:
            samples.close()


def _append(directory: Path, line: bytes) -> None:
    with (directory / RECORDS).open("ab") as file:
        file.write(line)


def begin(
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
    if earlier is not None and not (alike(job, earlier.job) and earlier.journal.exists()):
        first += found_by(loaded, earlier)
    opened = None if url is None else open_storage(url)
    more = {"store": store and written_down(store), "storage": url and hidden(url), "price_date": prospect.price_date}
    directory = SearchDirectory.create(runs, job, divided, more)
    if url is not None:
        command = f"archon search worker --storage {hidden(url)} --study {job.name}"
        progress().print(f"Others may take part: {command}", markup=False, soft_wrap=True)
    return _execute(
        directory, opened, store, prospect.architectures, go_on=False, known=first, earlier=earlier, json=json
    )


def resume(path: Path, limits: dict[str, Any], url: str | None, *, json: bool) -> int:
    """Go on with the search of a directory, with other limits where some are given; returns the exit code."""
    directory = SearchDirectory.resume(path)
    directory.job = directory.job.model_copy(update={"spec": parse_spec({**directory.job.spec.model_dump(), **limits})})
    kept = directory.about["storage"]
    if kept is not None and url is None:
        url = str(kept)
    if kept is None and url is not None:
        raise ConfigError(f"{path}: this search keeps its trials in its directory; leave --storage away.")
    with looking() as told:
        prospect = look(directory.job.open_space(), told)
    directory.job.check_space(prospect.digest, str(path))
    check_spec(directory.job.spec, prospect, directory.divided.search)
    opened = None if url is None else open_storage(url)
    place = directory.about["store"]
    return _execute(directory, opened, place, prospect.architectures, go_on=True, json=json)


def _execute(
    directory: SearchDirectory,
    storage: BaseStorage | None,
    place: str | None,
    architectures: Sequence[Architecture],
    *,
    go_on: bool,
    known: Sequence[Params] = (),
    earlier: SearchDirectory | None = None,
    json: bool,
) -> int:
    """Search, and say what came of it; returns the exit code."""
    _quiet()
    store: Store | None = None if place is None else open_store(place)

    async def go() -> dict[str, Any]:
        with SearchProgress(directory.job.spec, directory.divided.search) as shown:
            async with ModelPool(cache_dir() / "limits.sqlite") as pool:
                return await conduct(
                    directory,
                    storage or open_storage(directory.journal),
                    Means(pool, store, show=shown.show, say=shown.say),
                    architectures,
                    resume=go_on,
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
        if storage is not None:
            close_storage(storage)
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
