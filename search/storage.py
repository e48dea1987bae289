"""Where the trials of a study are kept: a journal file for one machine, a database for several."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from archon.errors import ConfigError
from archon.urls import hidden
from search.proposing import sampler_of
from search.spec import Objective, StudySpec

BEAT = "beat "
BEAT_SECONDS = 5.0
GRACE_SECONDS = 30.0
RETRIES = 3


def open_storage(where: str | Path) -> BaseStorage:
    """A journal file, or a database by its URL.

    Raises:
        ConfigError: The database cannot be reached, or its driver is not installed.
    """
    text = str(where)
    if "://" not in text:
        Path(text).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(text, lock_obj=JournalFileOpenLock(text)))
    try:
        return RDBStorage(with_driver(text))
    except ImportError as error:
        raise ConfigError(
            f"{hidden(text)}: the driver for this database is not installed ({error.name or error}); "
            "PostgreSQL needs pip install 'archon-inference[postgres]'."
        ) from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{hidden(text)}: the database cannot be opened: {hidden(reason)}") from None


def create_study(spec: StudySpec, *, name: str = "search", storage: Any = None, resume: bool = False) -> optuna.Study:
    """The Optuna study of a search; the same name in the same storage is the same study."""
    directions: Mapping[Objective, list[Literal["minimize", "maximize"]]] = {
        "accuracy": ["maximize"],
        "cost_of_pass": ["minimize"],
        "pareto": ["maximize", "minimize", "minimize"],
    }
    return optuna.create_study(
        study_name=name,
        directions=directions[spec.objective],
        sampler=sampler_of(spec),
        storage=storage,
        load_if_exists=resume,
    )


def close_storage(storage: BaseStorage) -> None:
    """Close the connections of a storage that is a database; nothing is to be asked of it afterwards."""
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


def with_driver(url: str) -> str:
    """The URL with the driver that the extra installs, where none is named."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


class Watchdog:
    """Keeps the trials of workers that died from staying open for ever.

    Optuna's own heartbeat does not work where trials are asked for and told. Every worker writes the time under a name
    of its own into the study; a running trial whose worker has been silent for the grace is given up by whoever
    notices first.

    Args:
        study: The study.
        worker: This worker's name; a new one, with the machine and the process in it, if not given.
        grace: Seconds of silence after which a worker counts as dead.
        clock: Seconds since the epoch, which the machines have to agree on within the grace.
    """

    def __init__(
        self,
        study: optuna.Study,
        worker: str = "",
        *,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.study = study
        self.worker = worker or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.grace = grace
        self._clock = clock

    def beat(self) -> None:
        """Say that this worker lives."""
        self.study.set_user_attr(BEAT + self.worker, self._clock())

    def revive(self) -> list[int]:
        """Have the trials of silent workers tried again.

        Returns:
            The numbers of the trials that were given up.
        """
        # Trials first: who has signed one has beaten before, and a beat read earlier could miss that.
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        now, beats = self._clock(), self.study.user_attrs
        given_up = []
        for trial in running:
            worker = trial.user_attrs.get("worker")
            # A worker that was killed before it could sign its trial is known by the time alone.
            said = beats.get(f"{BEAT}{worker}", 0.0) if worker else _begun(trial)
            if worker != self.worker and now - said >= self.grace and give_up(self.study, trial):
                given_up.append(trial.number)
        return given_up


def give_up(study: optuna.Study, trial: FrozenTrial | Trial, *, tried: bool = True) -> bool:
    """Tell a running trial as failed, and put its settings in the queue again, at most :data:`RETRIES` times.

    Args:
        study: The study.
        trial: The trial.
        tried: Whether this was one of the tries.

    Returns:
        Whether it was still running; another worker may have been faster.
    """
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return False
    tries = trial.user_attrs.get("tries", 1)
    if tries <= RETRIES:
        fixed = getattr(trial, "system_attrs", {}).get("fixed_params", {})
        settings = {**fixed, **trial.params}
        study.enqueue_trial(settings, user_attrs={"retry_of": trial.number, "tries": tries + tried})
    return True


def _begun(trial: FrozenTrial) -> float:
    return trial.datetime_start.timestamp() if trial.datetime_start else 0.0
