"""Starts a study from what is known: architectures that people wrote, and the trials of an earlier search."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import optuna
from optuna.trial import TrialState, create_trial

from archon.errors import ConfigError
from archon.source import load_architecture
from search.directory import SearchDirectory
from search.evaluator import Outcome
from search.history import Entry, History
from search.job import Job
from search.parameters import Params
from search.progress import CAME_TO
from search.space import Space
from search.storage import open_storage
from search.study import CEILING, RULES


def settings_of(space: Space, files: Iterable[Path]) -> list[Params]:
    """The settings that build known architectures.

    Raises:
        ConfigError: The space has none for one of them.
    """
    found: list[Params] = []
    for file in files:
        params = space.params_of(load_architecture(file))
        if params is None:
            raise ConfigError(f"{file}: no setting of {space.source} builds this architecture.")
        found.append(params)
    return found


def found_by(space: Space, earlier: SearchDirectory) -> list[Params]:
    """The settings of what an earlier search found best, as far as this space has them.

    Raises:
        ConfigError: It found nothing yet.
    """
    files = [earlier.path / "winner.yaml", *sorted((earlier.path / "pareto").glob("*.yaml"))]
    found = [space.params_of(load_architecture(file)) for file in files if file.exists()]
    if not found:
        raise ConfigError(f"{earlier.path}: this search has found nothing yet; go on with it by --resume first.")
    return [params for params in found if params is not None]


def alike(job: Job, earlier: Job) -> bool:
    """Whether outcomes of one hold in the other: the same space, problems, draws and order of problems."""
    return (job.space, job.digest, job.spec.seed) == (earlier.space, earlier.digest, earlier.spec.seed)


def adopt(study: optuna.Study, job: Job, earlier: SearchDirectory) -> int:
    """Put the trials of an earlier search into a new study, where they count as known and cost nothing.

    Returns:
        How many there were; none unless the two are :func:`alike`.
    """
    if not alike(job, earlier.job) or not earlier.journal.exists():
        return 0
    source = optuna.load_study(study_name=earlier.job.name, storage=open_storage(earlier.journal))
    history, space, added = History(job.spec), job.open_space(), 0
    for trial in source.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "outcomes" not in trial.user_attrs:
            continue
        outcomes = [Outcome.from_data(data) for data in trial.user_attrs["outcomes"]]
        values = history.values(outcomes)
        params = trial.user_attrs["params"]
        whole = len(outcomes) == len(earlier.divided.search.problems)
        entry = Entry(trial.number, params, space.build(params), outcomes, whole)
        history.add(entry)
        constraints = {RULES: -1.0}
        if job.spec.ceiling is not None:
            constraints[CEILING] = entry.cost(job.spec.cost) - job.spec.ceiling
        attributes = {
            CAME_TO: "known",
            "name": trial.user_attrs["name"],
            "params": params,
            "outcomes": trial.user_attrs["outcomes"],
            "from": str(earlier.path),
        }
        study.add_trial(
            create_trial(
                values=values,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=attributes,
                constraints=constraints,
            )
        )
        added += 1
    return added
