"""Requests and tokens per minute: no window holds more than its limit, in one process or in several."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.errors import ConfigError
from archon.models.base import Request
from archon.models.pool import ModelPool
from archon.models.shared_window import SharedLimits, SharedWindows
from archon.models.spec import ModelSpec
from archon.models.window import Limits, OwnWindows, Windows
from archon.state import Message
from tests.loopback import Answer, serve

MINUTE = 60.0
REQUESTS = st.lists(
    st.tuples(st.integers(1, 25), st.floats(0, 30), st.integers(0, 2), st.sampled_from([0.0, 0.0, 5.0, 500.0])),
    max_size=40,
)


def keeps_to(
    limits: Limits,
    requests: list[tuple[int, float, int, float]],
    windows: list[Windows],
    real: list[float],
    set_back: Callable[[float], None],
) -> None:
    """Whatever the requests, no window of true time holds more than allowed, and nobody waits longer than one."""
    spent: list[tuple[float, int]] = []
    for units, gap, who, back in requests:
        real[0] += gap
        set_back(back)
        asked = real[0]
        while (wait := windows[who].take(units, limits)) > 0:
            real[0] += wait
        assert real[0] - asked <= MINUTE + 1e-3
        spent.append((real[0], units))
        within = [amount for when, amount in spent if when + MINUTE > real[0] + 1e-6]
        assert limits.requests_per_minute is None or len(within) <= limits.requests_per_minute
        assert limits.tokens_per_minute is None or sum(within) <= limits.tokens_per_minute or within == [units]


LIMITS = st.builds(Limits, st.just(1), st.none() | st.integers(1, 20), st.none() | st.integers(1, 60))


@given(LIMITS, REQUESTS)
def test_no_window_of_a_process_holds_more_than_its_limit(
    limits: Limits, requests: list[tuple[int, float, int, float]]
) -> None:
    now = [0.0]
    windows = OwnWindows(MINUTE, lambda: now[0])
    keeps_to(limits, requests, [windows] * 3, now, lambda back: None)


@settings(max_examples=50, deadline=None)
@given(LIMITS, REQUESTS)
def test_no_window_of_several_processes_holds_more_than_its_limit_even_if_the_clock_is_set_back(
    limits: Limits, requests: list[tuple[int, float, int, float]]
) -> None:
    real, offset = [0.0], [1e9]

    def set_back(seconds: float) -> None:
        offset[0] -= seconds

    with tempfile.TemporaryDirectory() as folder:
        files = [SharedLimits(Path(folder) / "l.sqlite", MINUTE, lambda: real[0] + offset[0]) for _ in range(3)]
        windows: list[Windows] = [SharedWindows(file, "https://api/v1") for file in files]
        # Another endpoint in the same file takes nothing away.
        SharedWindows(files[0], "https://other/v1").take(10**6, limits)
        keeps_to(limits, requests, windows, real, set_back)
        for file in files:
            file.close()


def test_what_has_expired_is_cleaned_away(tmp_path: Path) -> None:
    now = [0.0]
    file = SharedLimits(tmp_path / "l.sqlite", MINUTE, lambda: now[0])
    windows = SharedWindows(file, "https://api/v1")
    for _ in range(500):
        now[0] += 1.0
        assert windows.take(1, Limits(1, 1000)) == 0
    assert file.db.execute("SELECT COUNT(*) FROM spent").fetchone()[0] <= 61
    file.close()


HOLD_THE_LOCK = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(60)
"""


def test_a_process_that_dies_while_it_writes_blocks_nobody(tmp_path: Path) -> None:
    file = SharedLimits(tmp_path / "l.sqlite")
    windows = SharedWindows(file, "https://api/v1")
    assert windows.take(1, Limits(1, 5)) == 0
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(file.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert 0 < windows.take(1, Limits(1, 5)) < 0.1, "nobody sleeps on the lock"
        process.kill()
        process.wait()
    assert windows.take(1, Limits(1, 5)) == 0
    file.close()


def test_a_file_that_is_no_rate_limit_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_text("not a database, and long enough to be taken for one" * 10)
    windows = SharedWindows(SharedLimits(tmp_path / "l.sqlite"), "https://api/v1")
    with pytest.raises(ConfigError, match="rate-limit file cannot be opened"):
        windows.take(1, Limits(1, 5))


ASK = Request((Message("user", "2 + 2?"),))


async def test_two_pools_share_a_file_and_one_without_limits_does_not_touch_it(tmp_path: Path) -> None:
    path = tmp_path / "limits.sqlite"
    with serve(lambda body: Answer()) as server:
        free = ModelSpec(use="openai/x", base_url=server.base_url)
        limited = free.model_copy(update={"requests_per_minute": 3})
        async with ModelPool(path) as one, ModelPool(path) as two:
            assert (await (await one.model(free)).complete(ASK)).completions
            assert not path.exists()
            models = [await one.model(limited), await two.model(limited)]
            calls = [asyncio.create_task(models[i % 2].complete(ASK)) for i in range(8)]
            done, held = await asyncio.wait(calls, timeout=0.5)
            for call in held:
                call.cancel()
            await asyncio.gather(*held, return_exceptions=True)
    assert len(done) == 3
    assert server.calls == 4


async def test_an_unusable_file_fails_the_call_and_not_the_others(tmp_path: Path) -> None:
    with serve(lambda body: Answer()) as server:
        async with ModelPool(tmp_path) as pool:
            model = await pool.model(ModelSpec(use="openai/x", base_url=server.base_url, requests_per_minute=3))
            for _ in range(2):
                with pytest.raises(ConfigError, match="rate-limit file"):
                    await asyncio.wait_for(model.complete(ASK), 5)


ASK_AWAY = """
import asyncio, sys
from pathlib import Path
from archon.models.base import Request
from archon.models.limit import Limited, Limiter
from archon.models.pool import ModelPool
from archon.models.shared_window import SharedLimits, SharedWindows
from archon.models.spec import ModelSpec
from archon.models.window import Limits
from archon.state import Message

path, url, count, limit, seconds = sys.argv[1:]

async def main():
    file = SharedLimits(Path(path), float(seconds))
    limiter = Limiter(Limits(64, int(limit)), SharedWindows(file, url))
    async with ModelPool() as pool:
        model = Limited(await pool.bare_model(ModelSpec(use="openai/x", base_url=url)), limiter)
        await asyncio.gather(*(model.complete(Request((Message("user", str(i)),))) for i in range(int(count))))
    file.close()

asyncio.run(main())
"""


def test_processes_keep_to_the_limit_together(tmp_path: Path) -> None:
    arrivals: list[float] = []

    def answer(body: object) -> Answer:
        arrivals.append(time.monotonic())
        return Answer()

    # Half a second of the window is for requests that take longer to the server than others.
    limit, seconds, slack, each = 6, 1.0, 0.5, 9
    with serve(answer) as server:
        arguments = [str(tmp_path / "l.sqlite"), server.base_url, str(each), str(limit), str(seconds + slack)]
        running = [subprocess.Popen([sys.executable, "-c", ASK_AWAY, *arguments]) for _ in range(2)]
        assert [process.wait(timeout=50) for process in running] == [0, 0]
    assert len(arrivals) == 2 * each
    assert all(later - first >= seconds for first, later in zip(arrivals, arrivals[limit:], strict=False))
    assert arrivals[-1] - arrivals[0] < 3 * (seconds + slack)
