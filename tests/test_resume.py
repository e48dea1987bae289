"""``kill -9`` at random moments: the run goes on, buys nothing twice but what was in flight, and ends the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Answer, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ARCHITECTURE = """\
name: stack
models:
  m: {{use: openai/test, base_url: "{url}", concurrency: 8}}
layers:
  - generate: {{model: m, n: 4, temperature: 0.8}}
  - critique: {{model: m}}
  - rank: {{model: m, keep: 2}}
  - fuse: {{model: m}}
answer: math
"""
QUESTIONS, KILLS = 24, 20

# A store commits within 50 ms; what was answered so shortly before the kill counts as in flight.
LAST_MOMENTS = 0.1


def answer(body: dict[str, Any]) -> Answer:
    """The reply is a function of the request alone, seed included."""
    return Answer((f"[1] Reply {body['seed'] % 1000}. [2] > [1]. The answer is {body['seed'] % 7}.",), delay=0.03)


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from archon.cli import main; main()", "run", *arguments]
    environment = {**os.environ, "ARCHON_CACHE": str(folder / "cache")}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prepare(folder: Path, url: str) -> None:
    folder.mkdir()
    (folder / "a.yaml").write_text(ARCHITECTURE.format(url=url))
    # Every third question stands twice: the two must not share samples, before or after a kill.
    rows = [{"question": f"What is {i - i % 3 % 2} + 1?", "answer": "4"} for i in range(QUESTIONS)]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))


FRESH = ("a.yaml", "--input", "q.jsonl", "--output", "out.jsonl")


def test_kill_and_resume(tmp_path: Path) -> None:
    with serve(answer) as server:
        prepare(tmp_path / "clean", server.base_url)
        started = time.monotonic()
        assert start(tmp_path / "clean", *FRESH).wait() == 0
        duration = time.monotonic() - started
        clean = server.calls
        dice = random.Random(0)
        for attempt in range(KILLS):
            server.bodies.clear()
            server.answered.clear()
            folder = tmp_path / f"killed-{attempt}"
            prepare(folder, server.base_url)
            process = start(folder, *FRESH)
            time.sleep(dice.uniform(0.2, 0.95) * duration)
            process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            process.wait()
            # Requests that the dead process has sent may still be on their way into the server.
            time.sleep(0.05)
            kept = sum(answered < killed - LAST_MOMENTS for answered in server.answered)
            in_flight = server.calls - kept
            runs = [path.parent for path in (folder / "runs").glob("*/run.json")]
            again = start(folder, "--resume", str(runs[0])) if runs else start(folder, *FRESH)
            assert again.wait() == 0
            assert server.calls <= clean + in_flight, f"kill {attempt}"
            assert (folder / "out.jsonl").read_bytes() == (tmp_path / "clean" / "out.jsonl").read_bytes()
