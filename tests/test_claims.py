"""Several processes with one store: every draw is bought once, and nobody waits for the dead."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import ModelError, PermanentError, SampleStore
from archon.concurrency import run_sync
from archon.models.base import Capabilities, Completion, Request, Sampling
from archon.models.store import Stored
from archon.process import is_dead, this_process
from archon.state import Message
from archon.store import request_key
from archon.testing import ScriptedModel

ASK = Request((Message("user", "2 + 2?"),), Sampling(temperature=0.8))
DRAW = (request_key("scripted/model", ASK), 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.sqlite"


@pytest.fixture
def stores(path: Path) -> Iterator[list[SampleStore]]:
    """Two stores on one file; as to claims, each might as well be in a process of its own."""
    opened = [SampleStore(path), SampleStore(path)]
    yield opened
    for store in opened:
        store.close()


def scripted(script: Any = "x", latency: float = 0.02) -> ScriptedModel:
    return ScriptedModel(script, latency=latency, capabilities=Capabilities(multiple=True))


def claims_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT COUNT(*) FROM claims").fetchone()[0])


async def claims_vanish(path: Path) -> None:
    for _ in range(500):
        if not claims_in(path):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a claim stayed")


async def test_two_stores_buy_a_draw_once(stores: list[SampleStore], path: Path) -> None:
    models = [scripted(lambda request, index: f"{time.perf_counter_ns()}") for _ in stores]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    first, second = await asyncio.gather(*asked)
    assert first.completions == second.completions
    assert sum(len(model.requests) for model in models) == 1
    await claims_vanish(path)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 4), st.sampled_from(["buy", "buy", "cancel"])),
        min_size=1,
        max_size=12,
    )
)
def test_however_requests_overlap_all_are_served_and_every_draw_is_bought_once(
    requests: list[tuple[int, int, int, str]],
) -> None:
    async def run(path: Path) -> None:
        opened = [SampleStore(path) for _ in range(3)]
        models = [scripted(latency=0.002) for _ in opened]
        stored = [Stored(model, store) for model, store in zip(models, opened, strict=True)]
        tasks = []
        for who, start, count, _ in requests:
            request = replace(ASK, indices=tuple(range(start, start + count)))
            tasks.append(asyncio.create_task(stored[who].complete(request)))
        await asyncio.sleep(0.001)
        for task, (*_, end) in zip(tasks, requests, strict=True):
            if end == "cancel":
                task.cancel()
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome, (_, _, count, end) in zip(outcomes, requests, strict=True):
            if isinstance(outcome, BaseException):
                assert end == "cancel"
                assert isinstance(outcome, asyncio.CancelledError)
            else:
                assert len(outcome.completions) == count
        bought = [draw for model in models for draw in model.draws()]
        if all(end == "buy" for *_, end in requests):
            assert len(set(bought)) == len(bought)
        for store in opened:
            store.close()
        assert claims_in(path) == 0

    with tempfile.TemporaryDirectory() as folder:
        run_sync(run(Path(folder) / "s.sqlite"))


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_the_other_buys_what_one_did_not_get(stores: list[SampleStore], path: Path, end: str) -> None:
    first = scripted(lambda request, index: PermanentError("no", reason="forbidden"), 0.1)
    buying = asyncio.create_task(Stored(first, stores[0]).complete(ASK))
    await asyncio.sleep(0.02)
    assert claims_in(path) == 1
    waiting = asyncio.create_task(Stored(scripted("yes"), stores[1]).complete(ASK))
    await asyncio.sleep(0.02)
    if end == "is cancelled":
        buying.cancel()
    with pytest.raises(ModelError if end == "fails" else asyncio.CancelledError):
        await buying
    reply = await asyncio.wait_for(waiting, 5)
    assert reply.completions[0].text == "yes"
    await claims_vanish(path)


async def test_a_failed_purchase_can_be_tried_again_at_once(stores: list[SampleStore]) -> None:
    replies: Iterator[Any] = iter([PermanentError("no", reason="forbidden"), "yes"])
    stored = Stored(scripted(lambda request, index: next(replies), latency=0), stores[0])
    with pytest.raises(PermanentError):
        await stored.complete(ASK)
    buying = asyncio.create_task(stored.complete(ASK))
    assert (await asyncio.wait_for(buying, 1)).completions[0].text == "yes"


async def test_a_sample_that_came_meanwhile_is_taken(stores: list[SampleStore]) -> None:
    model = scripted()
    key, draw = DRAW
    asking = asyncio.create_task(Stored(model, stores[0]).complete(ASK))
    # It has looked and not yet claimed.
    await asyncio.sleep(0)
    stores[1].put(key, "m", {draw: Completion("theirs")})
    stores[1].commit()
    assert (await asyncio.wait_for(asking, 5)).completions[0].text == "theirs"
    assert not model.requests


CLAIM_AND_STAY = """
import asyncio, sys, time
from pathlib import Path
from archon import SampleStore

async def main():
    store = SampleStore(Path(sys.argv[1]))
    assert await store.claim([(bytes.fromhex(sys.argv[2]), 0)])
    print("claimed", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


@contextmanager
def claimant(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has claimed the draw and stays."""
    command = [sys.executable, "-c", CLAIM_AND_STAY, str(path), DRAW[0].hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


@pytest.mark.parametrize("reaped", [True, False])
async def test_a_killed_process_is_not_waited_for(stores: list[SampleStore], path: Path, reaped: bool) -> None:
    with claimant(path) as process:
        buying = asyncio.create_task(Stored(scripted("mine"), stores[0]).complete(ASK))
        await asyncio.sleep(0.3)
        assert not buying.done(), "the other one lives"
        process.kill()
        if reaped:
            process.wait()
        assert (await asyncio.wait_for(buying, 5)).completions[0].text == "mine"


async def test_claims_of_somewhere_else_end_with_their_time(stores: list[SampleStore], path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        owner = "another-machine 1 2 0badcafe"
        db.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", (*DRAW, owner, time.time() + 0.3))
    started = time.monotonic()
    await asyncio.wait_for(Stored(scripted(latency=0), stores[0]).complete(ASK), 5)
    assert time.monotonic() - started >= 0.25


async def test_claims_are_renewed_while_the_purchase_lasts(
    stores: list[SampleStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archon.claims.CLAIM_SECONDS", 0.3)
    monkeypatch.setattr("archon.claims.RENEW_SECONDS", 0.05)
    models = [scripted(latency=0.8), scripted(latency=0)]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    await asyncio.gather(*asked)
    assert not models[1].requests


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells when a process started")
def test_a_process_that_took_over_a_process_id_is_another() -> None:
    here = this_process()
    machine, pid, started = here.split(" ")
    assert not is_dead(here, here)
    assert is_dead(f"{machine} {pid} {int(started) - 1}", here)
    assert not is_dead(f"elsewhere {pid} {int(started) - 1}", here)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_dead(f"{machine} {process.pid} 1", here)


async def test_an_older_store_is_brought_up_to_date_where_it_lies(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE samples (request BLOB NOT NULL, draw INTEGER NOT NULL, model TEXT NOT NULL, "
            "completion TEXT NOT NULL, created REAL NOT NULL, PRIMARY KEY (request, draw)) WITHOUT ROWID"
        )
        sample = '{"text": "old", "finish_reason": "stop", "usage": null}'
        db.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", (*DRAW, "m", sample, 1.0))
        db.execute("PRAGMA user_version = 1")
    store = SampleStore(path)
    reply = await Stored(scripted("new"), store).complete(replace(ASK, indices=(0, 1)))
    assert [completion.text for completion in reply.completions] == ["old", "new"]
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT COUNT(*) FROM samples").fetchone() == (2,)


def test_a_store_outlives_the_event_loop_that_used_it(stores: list[SampleStore], path: Path) -> None:
    """Timers that a closed loop never rang must not keep the next one from committing, renewing and looking."""
    models = [scripted(latency=0), scripted(latency=0)]
    for seed in range(2):
        # The loop closes before the commit is due.
        asyncio.run(Stored(models[0], stores[0]).complete(replace(ASK, seed=seed)))

    async def second() -> None:
        await asyncio.wait_for(Stored(models[1], stores[1]).complete(replace(ASK, seed=1)), 5)

    async def both() -> None:
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.05)
        await Stored(models[0], stores[0]).complete(replace(ASK, seed=2))
        await waiting

    asyncio.run(both())
    assert not models[1].requests
    assert len(models[0].requests) == 3


OPEN = "import sys; from pathlib import Path; from archon import SampleStore; SampleStore(Path(sys.argv[1])).close()"


def test_processes_may_make_the_store_together(path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", OPEN, str(path)]) for _ in range(4)]
    assert [process.wait(timeout=50) for process in running] == [0] * 4
