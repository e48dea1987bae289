"""Two runs at once on one store: each call is sent once, and either may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Answer, Loopback, serve
from tests.postgres import Postgres

ARCHITECTURE = """\
name: stack
models:
  m: {{use: openai/test, base_url: "{url}", concurrency: 8, requests_per_minute: 100000}}
layers:
  - generate: {{model: m, n: 4, temperature: 0.8}}
  - critique: {{model: m}}
  - rank: {{model: m, keep: 2}}
  - fuse: {{model: m}}
answer: math
"""
QUESTIONS, CONCURRENCY = 16, 8


def answer(body: dict[str, Any]) -> Answer:
    """The reply is a function of the request alone, seed included."""
    return Answer((f"[1] Reply {body['seed'] % 1000}. [2] > [1]. The answer is {body['seed'] % 7}.",), delay=0.05)


def start(folder: Path, server: Loopback, store: Path | str) -> subprocess.Popen[bytes]:
    """``archon run`` in a folder of its own, on a store that others may share."""
    folder.mkdir()
    (folder / "a.yaml").write_text(ARCHITECTURE.format(url=server.base_url))
    rows = [{"question": f"What is {i - i % 3 % 2} + 1?", "answer": "4"} for i in range(QUESTIONS)]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-c", "from archon.cli import main; main()", "run", "a.yaml", "--input", "q.jsonl"]
    command += ["--output", "out.jsonl", "--store", str(store)]
    environment = {**os.environ, "ARCHON_CACHE": str(folder.parent / "cache")}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def clean_run(folder: Path, server: Loopback) -> tuple[int, bytes, float]:
    """How many calls one run by itself sends, what it writes, and how long it takes."""
    started = time.monotonic()
    assert start(folder / "clean", server, folder / "clean.sqlite").wait() == 0
    duration = time.monotonic() - started
    calls = server.calls
    server.bodies.clear()
    return calls, (folder / "clean" / "out.jsonl").read_bytes(), duration


def test_two_runs_buy_every_sample_once(tmp_path: Path) -> None:
    with serve(answer) as server:
        calls, written, _ = clean_run(tmp_path, server)
        running = [start(tmp_path / name, server, tmp_path / "shared.sqlite") for name in ("one", "two")]
        assert [process.wait() for process in running] == [0, 0]
        assert server.calls == calls
    for name in ("one", "two"):
        assert (tmp_path / name / "out.jsonl").read_bytes() == written
    assert (tmp_path / "cache" / "limits.sqlite").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.5, 0.65, 0.8])
def test_one_goes_on_when_the_other_is_killed(tmp_path: Path, moment: float) -> None:
    with serve(answer) as server:
        calls, written, duration = clean_run(tmp_path, server)
        killed = start(tmp_path / "killed", server, tmp_path / "shared.sqlite")
        other = start(tmp_path / "other", server, tmp_path / "shared.sqlite")
        time.sleep(moment * duration)
        killed.send_signal(signal.SIGKILL)
        at = time.monotonic()
        assert other.wait(timeout=50) == 0
        # Far less than claims last.
        assert time.monotonic() - at < 2 * duration + 10
        killed.wait()
        # In flight at the kill, or answered less than a commit before it.
        assert calls <= server.calls <= calls + 4 * CONCURRENCY
    assert (tmp_path / "other" / "out.jsonl").read_bytes() == written


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_runs_share_a_database(tmp_path: Path, database: str) -> None:
    pytest.importorskip("psycopg")
    with serve(answer) as server:
        calls, written, _ = clean_run(tmp_path, server)
        running = [start(tmp_path / name, server, database) for name in ("one", "two")]
        assert [process.wait() for process in running] == [0, 0]
        assert server.calls == calls
    for name in ("one", "two"):
        assert (tmp_path / name / "out.jsonl").read_bytes() == written


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("samples", [1, 40])
def test_one_goes_on_when_the_other_is_killed_beside_a_database(
    tmp_path: Path, postgres: Postgres, database: str, samples: int
) -> None:
    pytest.importorskip("psycopg")
    with serve(answer) as server:
        calls, written, _ = clean_run(tmp_path, server)
        killed = start(tmp_path / "killed", server, database)
        while server.calls < samples:
            time.sleep(0.005)
        other = start(tmp_path / "other", server, database)
        killed.send_signal(signal.SIGKILL)
        assert other.wait(timeout=200) == 0
        killed.wait()
        assert calls <= server.calls <= calls + 4 * CONCURRENCY
    assert (tmp_path / "other" / "out.jsonl").read_bytes() == written
    name = database.partition("@/")[2].partition("?")[0]
    left = postgres.sql("SELECT COUNT(DISTINCT owner) FROM archon_claims", name)
    assert left in ("0", "1"), "at most what the killed one claimed and the other had no use for"
