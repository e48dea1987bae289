"""Several processes search together on a real PostgreSQL, and one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search.progress import CAME_TO
from search.storage import close_storage, open_storage
from tests.search.hosted import SPACE, models

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 14


def archon(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from archon.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(said: str, condition: object, seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends, said
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_one_of_three_workers_is_killed_and_nothing_is_lost_or_counted_twice(tmp_path: Path, database: str) -> None:
    with models(delay=3.0) as server:
        (tmp_path / "sums.yaml").write_text(SPACE.format(url=server.base_url), encoding="utf-8")
        lead = archon(
            tmp_path, "search", "sums.yaml", "-b", "two-digit-addition", "--problems", "60", "--trials", str(TRIALS),
            "--parallel", "1", "--sampler", "random", "--no-surrogate", "--racing", "off",
            "--storage", database, "--study", "together", "--json",
        )  # fmt: skip
        storage = open_storage(database)
        wait_for("the study begins", lambda: "together" in optuna.get_all_study_names(storage))
        study = optuna.load_study(study_name="together", storage=storage)
        wait_for("its job is there", lambda: "archon" in study.user_attrs)
        others = [archon(tmp_path, "search", "worker", "--storage", database, "--study", "together") for _ in "ab"]

        def under_way() -> set[int]:
            """The trials with settings that the one to be killed has under way."""
            running = study.get_trials(states=(TrialState.RUNNING,))
            mine = [t for t in running if f"-{others[0].pid}-" in t.user_attrs.get("worker", "")]
            return {t.number for t in mine if t.params}

        still: set[int] = set()

        def stopped() -> bool:
            """Whether it is stopped while it asks models; what rules turn down is under way for a moment too."""
            before = under_way()
            time.sleep(1.0)
            others[0].send_signal(signal.SIGSTOP)
            still.update(before & under_way())
            if not still:
                others[0].send_signal(signal.SIGCONT)
            return bool(still)

        wait_for("the worker is in the midst of a trial", stopped)
        others[0].send_signal(signal.SIGKILL)
        out, err = lead.communicate(timeout=600)
        assert lead.returncode == 0, err
        _, err = others[1].communicate(timeout=120)
        assert others[1].returncode == 0, err
        others[0].communicate()
    trials = study.get_trials()
    close_storage(storage)
    counted = [t for t in trials if t.user_attrs.get(CAME_TO) in ("evaluated", "dropped", "failed", "predicted")]
    finished = [t for t in counted if t.state == TrialState.COMPLETE]
    assert len(finished) == TRIALS
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    (killed,) = [t for t in trials if t.number in still]
    assert killed.state == TrialState.FAIL
    retried = {t.user_attrs["retry_of"]: t for t in trials if "retry_of" in t.user_attrs}
    again = retried[killed.number]
    while again.number in retried:
        again = retried[again.number]
    assert again.state == TrialState.COMPLETE, again.user_attrs
    assert again.params == killed.params
    found = json.loads(out)
    assert found["progress"]["trials"] == TRIALS
    assert found["progress"]["evaluations"] == sum(len(t.user_attrs["outcomes"]) for t in finished)
    names = [t.user_attrs["name"] for t in finished]
    assert found["winner"]["name"] in names
