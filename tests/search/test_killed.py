"""A search that is killed in the middle and goes on by the command that it names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals.records_io import read_jsonl
from tests.loopback import Loopback
from tests.search.hosted import SPACE, models

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 8


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from archon.cli import main; main()", "search", *arguments, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True)


def kill_after(process: subprocess.Popen[str], server: Loopback, calls: int) -> None:
    ends = time.monotonic() + 120
    while server.calls < calls:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "the search does not ask"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # What was under way is given up by the server when it answers.
    time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_killed_twice_asks_and_counts_nothing_twice(tmp_path: Path) -> None:
    limits = ("--trials", str(TRIALS), "--calls", "5000", "--parallel", "1")
    with models(delay=0.05) as server:
        (tmp_path / "sums.yaml").write_text(SPACE.format(url=server.base_url), encoding="utf-8")
        begun = start(tmp_path, "sums.yaml", "-b", "two-digit-addition", "--problems", "50", "--no-surrogate", *limits)
        kill_after(begun, server, 60)
        killed = server.calls
        (run,) = (tmp_path / "runs").iterdir()
        kill_after(start(tmp_path, "--resume", str(run)), server, killed + 90)
        answered = {(r.architecture, r.problem) for r in read_jsonl(run / "records.jsonl")}
        last = start(tmp_path, "--resume", str(run))
        out, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    found = json.loads(out)
    assert found["progress"]["trials"] == TRIALS
    records = read_jsonl(run / "records.jsonl")
    times = Counter((r.architecture, r.problem) for r in records)
    assert answered
    assert set(times.values()) == {1}, "no question of an architecture is answered twice"
    asked = Counter(map(said, server.bodies))
    # Only a request that a kill left without its answer in the store is sent again.
    again = sum(count - 1 for count in asked.values())
    assert again <= server.abandoned, (again, server.abandoned)
    assert max(asked.values()) <= 3
    trials = found["progress"]
    assert trials["evaluations"] <= len(records)
    assert trials["paid"] <= sum(r.paid.calls for r in records) <= len(server.bodies)
