"""Several processes with one store, in a file or on PostgreSQL: a draw is bought once, nobody waits for the dead."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archon import ModelError, PermanentError, SampleStore, open_store
from archon.models.base import Capabilities, Completion, Request, Sampling
from archon.models.store import Stored
from archon.process import is_dead, this_process
from archon.state import Message
from archon.store import Store, request_key
from archon.testing import ScriptedModel
from tests.postgres import Postgres, name_of

ASK = Request((Message("user", "2 + 2?"),), Sampling(temperature=0.8))
DRAW = (request_key("scripted/model", ASK), 0)
ELSEWHERE = "another-machine 1 2 0badcafe"
PATIENCE = 30.0
"""Seconds that a machine with other work may take for what is done at once."""


@dataclass(frozen=True)
class Place:
    """Where a store is kept.

    Attributes:
        where: What opens it.
        pace: How many times longer than in a file things take there.
        claims: How many claims it has.
        claim_elsewhere: Claims the draw for another machine, for so many seconds.
    """

    where: str
    pace: float
    claims: Callable[[], int]
    claim_elsewhere: Callable[[float], None]

    async def has_claims(self, count: int) -> None:
        """Wait until there are so many."""
        ends = time.monotonic() + PATIENCE
        while self.claims() != count:
            assert time.monotonic() < ends, f"there never were {count} claims"
            await asyncio.sleep(0.01)


def in_a_file(path: Path) -> Place:
    def claims() -> int:
        with closing(sqlite3.connect(path)) as db:
            return int(db.execute("SELECT COUNT(*) FROM claims").fetchone()[0])

    def claim_elsewhere(seconds: float) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            values = (*DRAW, ELSEWHERE, time.time() + seconds)
            db.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", values)

    return Place(str(path), 1.0, claims, claim_elsewhere)


def on_postgresql(postgres: Postgres) -> Place:
    url = postgres.create()

    def claims() -> int:
        return int(postgres.sql("SELECT COUNT(*) FROM archon_claims", name_of(url)))

    def claim_elsewhere(seconds: float) -> None:
        # By the server's clock, which all machines share.
        until = f"now() + INTERVAL '{seconds} seconds'"
        values = f"decode('{DRAW[0].hex()}', 'hex'), {DRAW[1]}, '{ELSEWHERE}', {until}"
        postgres.sql(f"INSERT INTO archon_claims VALUES ({values})", name_of(url))

    return Place(url, 3.0, claims, claim_elsewhere)


@pytest.fixture(params=["file", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return in_a_file(tmp_path / "samples.sqlite")
    pytest.importorskip("psycopg")
    return on_postgresql(request.getfixturevalue("postgres"))


@pytest.fixture
def stores(place: Place) -> Iterator[list[Store]]:
    """Two stores in one place; as to claims, each might as well be in a process of its own."""
    opened = [open_store(place.where), open_store(place.where)]
    yield opened
    for store in opened:
        store.close()


def scripted(script: Any = "x", latency: float = 0.02) -> ScriptedModel:
    return ScriptedModel(script, latency=latency, capabilities=Capabilities(multiple=True))


async def test_two_stores_buy_a_draw_once(stores: list[Store], place: Place) -> None:
    models = [scripted(lambda request, index: f"{time.perf_counter_ns()}") for _ in stores]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    first, second = await asyncio.gather(*asked)
    assert first.completions == second.completions
    assert sum(len(model.requests) for model in models) == 1
    await place.has_claims(0)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 4), st.sampled_from(["buy", "buy", "cancel"])),
        min_size=1,
        max_size=12,
    ),
    seed=st.integers(0, 2**62),
)
def test_however_requests_overlap_all_are_served_and_every_draw_is_bought_once(
    place: Place, requests: list[tuple[int, int, int, str]], seed: int
) -> None:
    async def buy() -> None:
        opened = [open_store(place.where) for _ in range(3)]
        models = [scripted(latency=0.002) for _ in opened]
        stored = [Stored(model, store) for model, store in zip(models, opened, strict=True)]
        tasks = []
        for who, start, count, _ in requests:
            request = replace(ASK, seed=seed, indices=tuple(range(start, start + count)))
            tasks.append(asyncio.create_task(stored[who].complete(request)))
        await asyncio.sleep(0.001 * place.pace)
        for task, (*_, end) in zip(tasks, requests, strict=True):
            if end == "cancel":
                task.cancel()
        async with asyncio.timeout(60):
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

    asyncio.run(buy())
    assert place.claims() == 0


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_the_other_buys_what_one_did_not_get(stores: list[Store], place: Place, end: str) -> None:
    first = scripted(lambda request, index: PermanentError("no", reason="forbidden"), 0.5 * place.pace)
    buying = asyncio.create_task(Stored(first, stores[0]).complete(ASK))
    await place.has_claims(1)
    waiting = asyncio.create_task(Stored(scripted("yes"), stores[1]).complete(ASK))
    await asyncio.sleep(0.02)
    if end == "is cancelled":
        buying.cancel()
    with pytest.raises(ModelError if end == "fails" else asyncio.CancelledError):
        await buying
    assert (await asyncio.wait_for(waiting, PATIENCE)).completions[0].text == "yes"
    await place.has_claims(0)


async def test_a_failed_purchase_can_be_tried_again_at_once(stores: list[Store]) -> None:
    replies: Iterator[Any] = iter([PermanentError("no", reason="forbidden"), "yes"])
    stored = Stored(scripted(lambda request, index: next(replies), latency=0), stores[0])
    with pytest.raises(PermanentError):
        await stored.complete(ASK)
    assert (await asyncio.wait_for(stored.complete(ASK), PATIENCE)).completions[0].text == "yes"


async def test_a_sample_that_came_between_looking_and_claiming_is_taken(stores: list[Store]) -> None:
    key, draw = DRAW
    assert not await stores[0].find(key, (draw,))
    stores[1].put(key, "m", {draw: Completion("theirs")})
    stores[1].commit()
    assert not await stores[0].claim([DRAW])


async def test_who_has_looked_and_not_yet_claimed_takes_what_came_meanwhile(stores: list[Store]) -> None:
    model = scripted()
    key, draw = DRAW
    asking = asyncio.create_task(Stored(model, stores[0]).complete(ASK))
    await asyncio.sleep(0)
    stores[1].put(key, "m", {draw: Completion("theirs")})
    stores[1].commit()
    assert (await asyncio.wait_for(asking, PATIENCE)).completions[0].text == "theirs"
    assert not model.requests


CLAIM_AND_STAY = """
import asyncio, sys, time
from archon import open_store

async def stay():
    store = open_store(sys.argv[1])
    assert await store.claim([(bytes.fromhex(sys.argv[2]), 0)])
    print("claimed", flush=True)
    time.sleep(100)

asyncio.run(stay())
"""


@contextmanager
def claimant(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has claimed the draw and stays."""
    command = [sys.executable, "-c", CLAIM_AND_STAY, place.where, DRAW[0].hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


@pytest.mark.parametrize("reaped", [True, False])
async def test_a_killed_process_is_not_waited_for(stores: list[Store], place: Place, reaped: bool) -> None:
    with claimant(place) as process:
        buying = asyncio.create_task(Stored(scripted("mine"), stores[0]).complete(ASK))
        await asyncio.sleep(0.3 * place.pace)
        assert not buying.done(), "the other one lives"
        process.kill()
        if reaped:
            process.wait()
        assert (await asyncio.wait_for(buying, PATIENCE)).completions[0].text == "mine"


async def test_claims_of_another_machine_end_with_their_time(stores: list[Store], place: Place) -> None:
    seconds = 0.4 * place.pace
    place.claim_elsewhere(seconds)
    started = time.monotonic()
    await asyncio.wait_for(Stored(scripted(latency=0), stores[0]).complete(ASK), PATIENCE)
    assert time.monotonic() - started >= 0.5 * seconds


async def test_claims_are_renewed_while_the_purchase_lasts(
    stores: list[Store], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archon.claims.CLAIM_SECONDS", 0.3 * place.pace)
    monkeypatch.setattr("archon.claims.RENEW_SECONDS", 0.05 * place.pace)
    models = [scripted(latency=0.8 * place.pace), scripted(latency=0)]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    await asyncio.gather(*asked)
    assert sum(len(model.requests) for model in models) == 1


def test_a_store_outlives_the_event_loop_that_used_it(stores: list[Store]) -> None:
    """Timers that a closed loop never rang must not keep the next one from committing, renewing and looking."""
    models = [scripted(latency=0), scripted(latency=0)]
    for seed in range(2):
        # The loop closes before the commit is due.
        asyncio.run(Stored(models[0], stores[0]).complete(replace(ASK, seed=seed)))

    async def second() -> None:
        await asyncio.wait_for(Stored(models[1], stores[1]).complete(replace(ASK, seed=1)), PATIENCE)

    async def both() -> None:
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.05)
        await Stored(models[0], stores[0]).complete(replace(ASK, seed=2))
        await waiting

    asyncio.run(both())
    assert not models[1].requests
    assert len(models[0].requests) == 3


def test_processes_may_make_the_store_together(place: Place) -> None:
    command = [sys.executable, "-c", "import sys, archon; archon.open_store(sys.argv[1]).close()", place.where]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=100) for process in running] == [0] * 4


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


async def test_an_older_store_is_brought_up_to_date_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
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
