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
# A store commits within 50 ms; what was answered so shortly before the kill counts as in flight.
LAST_MOMENTS = 0.5


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from archon.cli import main; main()", "search", *arguments, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True)


def kill_after(process: subprocess.Popen[str], server: Loopback, calls: int) -> int:
    """Kill it when the server has got so many more requests; returns how many of them had no answer in the store."""
    before, answered = server.calls, len(server.answered)
    ends = time.monotonic() + 120
    while server.calls < before + calls:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "the search does not ask"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    process.communicate()
    # Requests that the dead process has sent may still be on their way into the server.
    time.sleep(0.1)
    return server.calls - before - sum(when < killed - LAST_MOMENTS for when in server.answered[answered:])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_killed_twice_asks_and_counts_nothing_twice(tmp_path: Path) -> None:
    limits = ("--trials", str(TRIALS), "--calls", "5000", "--parallel", "1")
    with models(delay=0.05) as server:
        few = SPACE.replace("price", "concurrency: 4, price").format(url=server.base_url)
        (tmp_path / "sums.yaml").write_text(few, encoding="utf-8")
        begun = start(tmp_path, "sums.yaml", "-b", "two-digit-addition", "--problems", "50", "--no-surrogate", *limits)
        lost = kill_after(begun, server, 120)
        (run,) = (tmp_path / "runs").iterdir()
        lost += kill_after(start(tmp_path, "--resume", str(run)), server, 120)
        last = start(tmp_path, "--resume", str(run))
        out, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    found = json.loads(out)
    assert found["progress"]["trials"] == TRIALS
    asked = Counter(map(said, server.bodies))
    again = sum(count - 1 for count in asked.values())
    assert again <= lost < 240, "only what was under way when it was killed is asked again"
    records = read_jsonl(run / "records.jsonl")
    assert set(Counter((r.architecture, r.problem) for r in records).values()) == {1}, "no question is answered twice"
    assert found["progress"]["evaluations"] <= len(records)
    assert found["progress"]["paid"] <= sum(r.paid.calls for r in records) <= len(server.bodies)
