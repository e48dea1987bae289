"""The sample store on PostgreSQL keeps what the one in a file promises, across processes and machines."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archon import ConfigError, ModelError, PermanentError, open_store
from archon.cli.app import run
from archon.cost import Usage
from archon.models.base import Capabilities, Completion, Request, Sampling, TokenLogprob
from archon.models.store import Stored
from archon.state import Message
from archon.store import Store, request_key
from archon.testing import ScriptedModel
from tests.loopback import Answer, serve
from tests.postgres import GUARDED, PASSWORD, Postgres

pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow

ASK = Request((Message("user", "2 + 2?"),), Sampling(temperature=0.8))
DRAW = (request_key("scripted/model", ASK), 0)


@pytest.fixture
def stores(database: str) -> Iterator[list[Store]]:
    """Two stores on one database; as to claims, each might as well be on a machine of its own."""
    opened = [open_store(database), open_store(database)]
    yield opened
    for store in opened:
        store.close()


def scripted(script: Any = "x", latency: float = 0.02) -> ScriptedModel:
    return ScriptedModel(script, latency=latency, capabilities=Capabilities(multiple=True))


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


async def claimed(postgres: Postgres, url: str, count: int) -> None:
    """Wait until there are so many claims."""
    for _ in range(1000):
        if postgres.sql("SELECT COUNT(*) FROM archon_claims", name_of(url)) == str(count):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"there never were {count} claims")


async def test_a_sample_comes_back_as_it_was_and_the_first_stays(stores: list[Store]) -> None:
    tokens = (TokenLogprob("a\x00é", -0.5, (("b", -1.25),)),)
    completion = Completion("x\x00 \U0001f600", "length", Usage(1, 0, 2), tokens, "why", 1.5, "END")
    stores[0].put(b"key\x00", "m", {3: completion})
    stores[0].commit()
    stores[1].put(b"key\x00", "m", {3: Completion("later"), 4: Completion("more")})
    assert (await stores[0].find(b"key\x00", (2, 3)))[3] == completion
    stores[1].commit()
    for store in stores:
        found = await store.find(b"key\x00", (2, 3, 4))
        assert found == {3: completion, 4: Completion("more")}


async def test_what_is_not_yet_written_is_found(stores: list[Store]) -> None:
    stores[0].put(b"k", "m", {0: Completion("soon")})
    assert (await stores[0].find(b"k", (0,)))[0].text == "soon"
    assert not await stores[0].claim([(b"k", 0)])


async def test_two_stores_buy_a_draw_once(stores: list[Store], postgres: Postgres, database: str) -> None:
    models = [scripted(lambda request, index: f"{time.perf_counter_ns()}") for _ in stores]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    first, second = await asyncio.gather(*asked)
    assert first.completions == second.completions
    assert sum(len(model.requests) for model in models) == 1
    await claimed(postgres, database, 0)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 4), st.sampled_from(["buy", "buy", "cancel"])),
        min_size=1,
        max_size=12,
    ),
    seed=st.integers(0, 2**62),
)
def test_however_requests_overlap_all_are_served_and_every_draw_is_bought_once(
    database: str, postgres: Postgres, requests: list[tuple[int, int, int, str]], seed: int
) -> None:
    async def run() -> None:
        opened = [open_store(database) for _ in range(3)]
        models = [scripted(latency=0.002) for _ in opened]
        stored = [Stored(model, store) for model, store in zip(models, opened, strict=True)]
        tasks = []
        for who, start, count, _ in requests:
            request = replace(ASK, seed=seed, indices=tuple(range(start, start + count)))
            tasks.append(asyncio.create_task(stored[who].complete(request)))
        await asyncio.sleep(0.004)
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

    asyncio.run(run())
    assert postgres.sql("SELECT COUNT(*) FROM archon_claims", name_of(database)) == "0"


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_the_other_buys_what_one_did_not_get(
    stores: list[Store], postgres: Postgres, database: str, end: str
) -> None:
    first = scripted(lambda request, index: PermanentError("no", reason="forbidden"), 2)
    buying = asyncio.create_task(Stored(first, stores[0]).complete(ASK))
    await claimed(postgres, database, 1)
    waiting = asyncio.create_task(Stored(scripted("yes"), stores[1]).complete(ASK))
    if end == "is cancelled":
        buying.cancel()
    with pytest.raises(ModelError if end == "fails" else asyncio.CancelledError):
        await buying
    assert (await asyncio.wait_for(waiting, 20)).completions[0].text == "yes"
    await claimed(postgres, database, 0)


async def test_a_failed_purchase_can_be_tried_again_at_once(stores: list[Store]) -> None:
    replies: Iterator[Any] = iter([PermanentError("no", reason="forbidden"), "yes"])
    stored = Stored(scripted(lambda request, index: next(replies), latency=0), stores[0])
    with pytest.raises(PermanentError):
        await stored.complete(ASK)
    assert (await asyncio.wait_for(stored.complete(ASK), 20)).completions[0].text == "yes"


async def test_a_sample_that_came_between_looking_and_claiming_is_taken(stores: list[Store]) -> None:
    key, draw = DRAW
    assert not await stores[0].find(key, (draw,))
    stores[1].put(key, "m", {draw: Completion("theirs")})
    stores[1].commit()
    assert not await stores[0].claim([DRAW])


CLAIM_AND_STAY = """
import asyncio, sys, time
from archon import open_store

async def stay():
    assert await open_store(sys.argv[1]).claim([(bytes.fromhex(sys.argv[2]), 0)])
    print("claimed", flush=True)
    time.sleep(100)

asyncio.run(stay())
"""


@contextmanager
def claimant(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has claimed the draw and stays."""
    command = [sys.executable, "-c", CLAIM_AND_STAY, url, DRAW[0].hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


async def test_a_killed_process_is_not_waited_for(stores: list[Store], database: str) -> None:
    with claimant(database) as process:
        buying = asyncio.create_task(Stored(scripted("mine"), stores[0]).complete(ASK))
        await asyncio.sleep(0.5)
        assert not buying.done(), "the other one lives"
        process.kill()
        assert (await asyncio.wait_for(buying, 30)).completions[0].text == "mine"


async def test_claims_of_another_machine_end_by_the_clock_of_the_server(
    stores: list[Store], postgres: Postgres, database: str
) -> None:
    request, draw = DRAW
    values = f"decode('{request.hex()}', 'hex'), {draw}, 'elsewhere 1 2 0badcafe', now() + INTERVAL '1 second'"
    postgres.sql(f"INSERT INTO archon_claims VALUES ({values})", name_of(database))
    started = time.monotonic()
    await asyncio.wait_for(Stored(scripted(latency=0), stores[0]).complete(ASK), 30)
    assert time.monotonic() - started >= 0.5


async def test_claims_are_renewed_while_the_purchase_lasts(
    stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archon.claims.CLAIM_SECONDS", 1.0)
    monkeypatch.setattr("archon.claims.RENEW_SECONDS", 0.1)
    models = [scripted(latency=2.5), scripted(latency=0)]
    asked = [Stored(model, store).complete(ASK) for model, store in zip(models, stores, strict=True)]
    await asyncio.gather(*asked)
    assert sum(len(model.requests) for model in models) == 1


def test_a_store_outlives_the_event_loop_that_used_it(stores: list[Store]) -> None:
    models = [scripted(latency=0), scripted(latency=0)]
    for seed in range(2):
        # The loop closes before the commit is due.
        asyncio.run(Stored(models[0], stores[0]).complete(replace(ASK, seed=seed)))
    asyncio.run(Stored(models[0], stores[0]).complete(replace(ASK, seed=1)))
    stores[0].commit()
    asyncio.run(Stored(models[1], stores[1]).complete(replace(ASK, seed=1)))
    assert not models[1].requests
    assert len(models[0].requests) == 2


async def test_a_server_that_restarts_loses_nothing(stores: list[Store], postgres: Postgres) -> None:
    stored = Stored(scripted(lambda request, index: str(index)), stores[0])
    await stored.complete(ASK)
    postgres.stop()
    # What is asked meanwhile waits for the server.
    asked = asyncio.create_task(stored.complete(replace(ASK, indices=(0, 1))))
    await asyncio.sleep(0.3)
    assert not asked.done()
    await asyncio.to_thread(postgres.start)
    reply = await asyncio.wait_for(asked, 60)
    assert [completion.text for completion in reply.completions] == ["0", "1"]
    stores[0].commit()
    assert len(await stores[1].find(DRAW[0], (0, 1))) == 2


async def test_a_server_that_stays_away_is_said_in_a_sentence(
    stores: list[Store], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archon.postgres_worker.RECONNECT_SECONDS", 0.2)
    stores[0].put(*DRAW[:1], "m", {0: Completion("kept")})
    postgres.stop()
    try:
        with pytest.raises(ConfigError, match=r"^The sample store cannot be used: [^\n]*\.$"):
            await stores[0].find(b"k", (0,))
        with pytest.raises(ConfigError, match="cannot be used"):
            stores[0].commit()
    finally:
        postgres.start()
    # What could not be written then is written now.
    stores[0].commit()
    assert (await stores[1].find(DRAW[0], (0,)))[0].text == "kept"


def test_stores_may_be_made_together(database: str) -> None:
    command = [sys.executable, "-c", "import sys, archon; archon.open_store(sys.argv[1]).close()", database]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=100) for process in running] == [0] * 4


def test_a_store_of_another_version_is_refused(database: str, postgres: Postgres) -> None:
    open_store(database).close()
    postgres.sql("UPDATE archon_store SET version = 99", name_of(database))
    with pytest.raises(ConfigError, match="another version of Archon; use --store with another database"):
        open_store(database)


def test_a_wrong_password_is_refused_without_being_shown(database: str, postgres: Postgres) -> None:
    with pytest.raises(ConfigError, match="cannot be opened") as caught:
        open_store(postgres.url(name_of(database), GUARDED, "wrong-one"))
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_store("postgresql://u@/x?host=/nowhere")


def test_stats_prune_and_export(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(database)

    async def fill() -> None:
        store.put(b"a", "openai/x", {0: Completion("1"), 1: Completion("2")})
        store.put(b"b", "openai/y", {0: Completion("3")})

    asyncio.run(fill())
    store.close()
    assert run(["cache", "stats", "--store", database, "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats["by_model"] == {"openai/x": 2, "openai/y": 1}
    assert stats["path"] == database
    assert run(["cache", "export", "--store", database]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["request"], row["draw"], row["text"]) for row in rows} == {
        ("61", 0, "1"),
        ("61", 1, "2"),
        ("62", 0, "3"),
    }
    assert run(["cache", "prune", "--store", database, "--older-than", "1"]) == 0
    assert "0 samples" in capsys.readouterr().err
    assert run(["cache", "prune", "--store", database, "--older-than", "0", "--model", "openai/x"]) == 0
    assert "2 samples" in capsys.readouterr().err


def test_a_run_keeps_no_password_and_resumes_with_one_from_the_environment(
    database: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(lambda body: Answer(("4",))) as server:
        model = f'{{use: openai/t, base_url: "{server.base_url}"}}'
        text = f"name: a\nmodels: {{m: {model}}}\nlayers: [generate: {{model: m}}]\n"
        (tmp_path / "a.yaml").write_text(text)
        url = postgres.url(name_of(database), GUARDED, PASSWORD)
        assert run(["run", "a.yaml", "--question", "2 + 2?", "--store", url]) == 0
        calls = server.calls
        assert calls == 1
        (directory,) = (tmp_path / "runs").iterdir()
        written = [path.read_text() for path in directory.rglob("*") if path.is_file()]
        assert not any(PASSWORD in text for text in written)
        settings = json.loads((directory / "run.json").read_text())
        assert settings["store"] == postgres.url(name_of(database), GUARDED)
        (directory / "records.jsonl").write_text("")
        assert run(["run", "--resume", str(directory)]) == 2, "there is no password"
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        assert run(["run", "--resume", str(directory)]) == 0
        assert server.calls == calls, "all was in the store"
