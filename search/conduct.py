"""A search from its first trial to what is to be said of its winner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from archon.architecture import Architecture
from archon.errors import BudgetExhausted, ConfigError
from archon.models.base import Model
from archon.models.pool import ModelPool
from archon.store import Store
from archon.technique import Programs
from evals.contest import Contender, ProblemSet
from evals.statistics.paired import paired
from evals.variants import ablations
from search.asking import BenchmarkEvaluator, outcome_of
from search.choice import Verdict, choose, singles
from search.directory import SEALED_RECORDS, SearchDirectory
from search.evaluator import CostUnit
from search.history import Entry, History, mean_cost
from search.job import JOB, Job
from search.parameters import Params
from search.progress import Progress
from search.purse import Purse
from search.racing import scored
from search.result import write_result
from search.rules import turned_down
from search.space import Space
from search.spec import StudySpec
from search.storage import Watchdog, create_study, give_up
from search.study import STOPPED, Study
from search.warm import adopt

Show = Callable[[Progress, History], None]


@dataclass(frozen=True)
class Means:
    """What a search works with.

    Attributes:
        pool: Where models come from.
        store: Where samples are kept.
        models: Models by reference that replace those of the architectures.
        sandbox: Where programs run.
        show: Told how far it is.
        say: Told what comes next, in a few words.
    """

    pool: ModelPool | None = None
    store: Store | None = None
    models: Mapping[str, Model] | None = None
    sandbox: Programs | None = None
    show: Show = lambda progress, history: None
    say: Callable[[str], None] = lambda text: None

    def evaluator(self, problems: ProblemSet, seed: int, **more: Any) -> BenchmarkEvaluator:
        """Evaluates on some problems; ``more`` as :class:`BenchmarkEvaluator` takes it."""
        return BenchmarkEvaluator(
            problems, pool=self.pool, store=self.store, seed=seed, models=self.models, sandbox=self.sandbox, **more
        )


def begin(job: Job, storage: BaseStorage, *, resume: bool) -> optuna.Study:
    """The Optuna study of a job, which it carries along for those who join.

    Raises:
        ConfigError: There is a study of that name already, or it is another one.
    """
    try:
        study = create_study(job.spec, name=job.name, storage=storage, resume=resume)
    except optuna.exceptions.DuplicatedStudyError:
        raise ConfigError(
            f"The storage has a study '{job.name}' already; --study gives this one another name."
        ) from None
    study.set_user_attr(JOB, job.model_dump(mode="json"))
    study.set_user_attr(STOPPED, "")
    return study


def join(storage: BaseStorage, name: str) -> tuple[optuna.Study, Job]:
    """A study that another process has begun, and its job.

    Raises:
        ConfigError: There is none, or it is one of other versions.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(optuna.get_all_study_names(storage)) or "none"
        raise ConfigError(f"--study {name}: the storage has no such study; it has: {known}.") from None
    return study, Job.read(study.user_attrs.get(JOB), name)


def study_of(
    job: Job,
    study: optuna.Study,
    evaluator: BenchmarkEvaluator,
    *,
    watchdog: Watchdog | None = None,
    leads: bool = True,
    known: Sequence[Params] = (),
    show: Show = lambda progress, history: None,
) -> Study:
    """The study of a job, with what earlier trials found."""
    space = job.open_space()
    # The time is up when whoever leads says so.
    spec = job.spec if leads else job.spec.model_copy(update={"seconds": None})
    made = Study(space, checker(space), evaluator, spec, study, watchdog=watchdog, leads=leads, known=known, show=show)
    for entry in made.history.entries.values():
        evaluator.recall(entry.architecture)
    return made


def checker(space: Space) -> Callable[[Architecture], str | None]:
    """Applies the rules of a space."""

    def check(architecture: Architecture) -> str | None:
        found = turned_down(architecture, space.rules)
        return None if found is None else found[1]

    return check


def purse_of(spec: StudySpec, study: optuna.Study) -> Purse | None:
    """What this process may spend under a study's limits on calls and dollars, if there are any."""
    return None if spec.calls is None and spec.usd is None else Purse(spec, study)


async def conduct(
    directory: SearchDirectory,
    storage: BaseStorage,
    means: Means,
    prospect: Sequence[Architecture],
    *,
    resume: bool = False,
    shared: bool = False,
    known: Sequence[Params] = (),
    earlier: SearchDirectory | None = None,
) -> dict[str, Any]:
    """Search, choose, and write down what came of it.

    Args:
        directory: Of the search.
        storage: Where its trials are.
        means: What it works with.
        prospect: Valid architectures, whose models are compared with the winner.
        resume: Whether it goes on with trials that there are.
        shared: Whether others may work on it too.
        known: Settings to try first.
        earlier: A search whose trials count as known.

    Returns:
        What ``search.json`` says.

    Raises:
        ConfigError: It cannot run, or nothing could be evaluated.
    """
    job, divided = directory.job, directory.divided
    study = begin(job, storage, resume=resume)
    if resume and not shared:
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            give_up(study, trial)
    if earlier is not None and not resume:
        adopt(study, job, earlier)
    done = [*directory.records(), *([] if earlier is None or earlier.job.digest != job.digest else earlier.records())]
    purse = purse_of(job.spec, study)
    evaluator = means.evaluator(divided.search, job.spec.seed, keep=directory.keep(), done=done, purse=purse)
    watchdog = Watchdog(study) if shared else None
    running = study_of(job, study, evaluator, watchdog=watchdog, known=known, show=means.show)
    try:
        return await _to_the_end(directory, means, prospect, running, evaluator)
    finally:
        if purse is not None:
            purse.release()


async def _to_the_end(
    directory: SearchDirectory,
    means: Means,
    prospect: Sequence[Architecture],
    running: Study,
    evaluator: BenchmarkEvaluator,
) -> dict[str, Any]:
    job, divided = directory.job, directory.divided
    history = await running.run()
    progress = running.progress
    if history.best is None:
        raise ConfigError(_nothing(directory, progress))
    before = directory.result()
    verdict = await _choose(directory, means, history, prospect)
    means.say("leaving out each layer of the winner")
    more: dict[str, Any] = {
        "run": str(directory.path),
        "benchmark": divided.search.name,
        "price_date": directory.about.get("price_date"),
        "problems": {split: len(part.problems) for split, part in divided.parts()},
    }
    remarks = [verdict.remark] if verdict.remark else []
    sealed = [measured.to_data() for measured in verdict.sealed]
    if not sealed and before.get("sealed") and before["sealed"][0]["name"] == verdict.winner.architecture.name:
        sealed, remarks = before["sealed"], []
    try:
        more["ablation"] = await ablate(verdict.winner, running.order, evaluator, job.spec.cost)
    except BudgetExhausted as error:
        remarks.append(f"The layers of the winner were not left out in turn: {error}.")
    return write_result(directory.path, history, verdict, sealed, progress, running.study, {**more, "remarks": remarks})


async def _choose(
    directory: SearchDirectory, means: Means, history: History, prospect: Sequence[Architecture]
) -> Verdict:
    job, divided = directory.job, directory.divided
    guarded = means.evaluator(divided.guard, job.spec.seed)
    done = directory.sealed_records()
    sealed = means.evaluator(divided.sealed, job.spec.seed, keep=directory.keep(SEALED_RECORDS), done=done)
    # Whatever the objective, a model by itself is set as it answers best.
    ranked = sorted(history.entries.values(), key=lambda entry: (not entry.whole, -entry.accuracy, entry.trial))
    baselines = singles([*(entry.architecture for entry in ranked), *prospect])
    return await choose(
        history, guarded, sealed, directory.path,
        mechanism=job.make_mechanism(), baselines=baselines, say=means.say,
    )  # fmt: skip


async def ablate(
    winner: Entry, order: Sequence[int], evaluator: BenchmarkEvaluator, unit: CostUnit
) -> list[dict[str, Any]]:
    """What each layer of the winner contributes on the search's problems, as JSON values.

    Most of it comes from the store: only what the layers behind the one left out see anew is bought.
    """
    own, found = winner.outcomes, []
    for part in ablations(Contender.of(winner.architecture)):
        theirs = [outcome_of(record) for record in await evaluator.records(part, order)]
        pairs = scored(own, theirs)
        if not pairs:
            continue
        lift = paired([[a.score or 0.0] for a, _ in pairs], [[b.score or 0.0] for _, b in pairs])
        cost, without = mean_cost(own, unit), mean_cost(theirs, unit)
        found.append(
            {
                "layer": part.without,
                "lift_points": 100 * lift.value,
                "low": 100 * lift.low,
                "high": 100 * lift.high,
                "n": lift.n,
                "cost": None if cost - without != cost - without else cost - without,
                "unit": unit,
            }
        )
    return found


def _nothing(directory: SearchDirectory, progress: Progress) -> str:
    spec = directory.job.spec
    if progress.errors:
        return f"No architecture could be evaluated; the first failed because {next(iter(progress.errors))}"
    if spec.ceiling is not None and progress.trials:
        return (
            f"None of the {progress.trials} architectures tried keeps to the ceiling of {spec.ceiling:g} {spec.cost} "
            "an answer; raise it, or try more."
        )
    return (
        f"No architecture was evaluated to the end ({progress.stopped or 'there was no trial'}); allow more and go on "
        f"by archon search --resume {directory.path}."
    )
