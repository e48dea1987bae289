"""The sample store on PostgreSQL: what it keeps, what it refuses, and what a server that goes away costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon import ConfigError, open_store
from archon.cli.app import run
from archon.cost import Usage
from archon.models.base import Capabilities, Completion, Request, Sampling, TokenLogprob
from archon.models.store import Stored
from archon.state import Message
from archon.store import Store, request_key
from archon.testing import ScriptedModel
from tests.loopback import Answer, serve
from tests.postgres import GUARDED, PASSWORD, Postgres, name_of

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
