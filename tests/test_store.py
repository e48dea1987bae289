"""The sample store: nothing is bought twice, nothing is shared that must not be."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import Architecture, ConfigError, Engine, PermanentError, SampleStore, Task
from archon.concurrency import run_sync
from archon.cost import Usage
from archon.models.base import Capabilities, Completion, Request, Sampling, TokenLogprob
from archon.models.store import Stored
from archon.state import Message
from archon.store import request_key
from archon.testing import ScriptedModel

ASK = Request((Message("user", "2 + 2?"),), Sampling(temperature=0.8))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    opened = SampleStore(tmp_path / "samples.sqlite")
    yield opened
    opened.close()


def arch(*layers: Any, **model: Any) -> Architecture:
    models = {"m": {"use": "openai/scripted", "temperature": 0.8, **model}}
    return Architecture.model_validate({"name": "a", "models": models, "layers": list(layers)})


def bought(model: ScriptedModel) -> int:
    return len(model.draws())


async def run(store: SampleStore, model: ScriptedModel, architecture: Architecture, seed: int = 0) -> list[str]:
    async with Engine(architecture, models={"m": model}, store=store, seed=seed) as engine:
        result = await engine.run(Task.of("q"))
    return [candidate.text for candidate in result.candidates]


def fresh(multiple: bool = False) -> ScriptedModel:
    capabilities = Capabilities(multiple=multiple)
    return ScriptedModel(lambda request, index: f"{time.perf_counter_ns()} {index}", capabilities=capabilities)


@pytest.mark.parametrize("multiple", [False, True])
async def test_eight_after_four_buys_four(store: SampleStore, multiple: bool) -> None:
    model = fresh(multiple)
    four = await run(store, model, arch({"generate": {"model": "m", "n": 4}}))
    eight = await run(store, model, arch({"generate": {"model": "m", "n": 8}}))
    assert bought(model) == 8
    assert eight[:4] == four
    assert len(set(eight)) == 8


async def test_greedy_decoding_buys_one_whatever_the_seed(store: SampleStore) -> None:
    model = fresh()
    architecture = arch({"generate": {"model": "m", "n": 8}}, temperature=0)
    first = await run(store, model, architecture)
    second = await run(store, model, architecture, seed=9)
    assert bought(model) == 1
    assert first == second == first[:1] * 8


async def test_the_same_seed_is_free_and_another_is_not(store: SampleStore) -> None:
    model = fresh()
    architecture = arch({"generate": {"model": "m", "n": 3}})
    assert await run(store, model, architecture, seed=1) == await run(store, model, architecture, seed=1)
    assert bought(model) == 3
    await run(store, model, architecture, seed=2)
    assert bought(model) == 6


async def test_a_common_prefix_is_shared(store: SampleStore) -> None:
    model = fresh()
    await run(store, model, arch({"generate": {"model": "m", "n": 4}}, {"fuse": {"model": "m"}}))
    await run(store, model, arch({"generate": {"model": "m", "n": 4}}, {"fuse": {"model": "m", "n": 3}}))
    assert bought(model) == 4 + 1 + 2


async def test_two_engines_at_once_do_not_buy_the_same_sample_twice(store: SampleStore) -> None:
    model = ScriptedModel("x", latency=0.02)
    architecture = arch({"generate": {"model": "m", "n": 5}})
    await asyncio.gather(*(run(store, model, architecture) for _ in range(4)))
    assert bought(model) == 5


async def test_a_failed_purchase_is_tried_by_the_one_who_waited(store: SampleStore) -> None:
    replies: Iterator[Any] = iter([PermanentError("no", reason="forbidden"), "yes"])
    stored = Stored(ScriptedModel(lambda request, index: next(replies), latency=0.01), store)
    first, second = await asyncio.gather(stored.complete(ASK), stored.complete(ASK), return_exceptions=True)
    assert isinstance(first, PermanentError)
    assert not isinstance(second, BaseException)
    assert second.completions[0].text == "yes"
    assert not store.buying


async def test_costs_are_attributed_in_full_and_paid_once(store: SampleStore) -> None:
    price = {"input": 1.0, "output": 1.0, "date": "2026-11-01"}
    architecture = arch({"generate": {"model": "m", "n": 4}}, price=price)
    outcomes = []
    for _ in range(2):
        async with Engine(architecture, models={"m": ScriptedModel("one two")}, store=store) as engine:
            outcomes.append(await engine.run(Task.of("q")))
    first, second = outcomes
    assert replace(first.totals, seconds=0) == replace(second.totals, seconds=0) == replace(first.paid, seconds=0)
    assert first.totals.dollars == pytest.approx(4 * (1 + 2) / 1e6)
    assert (second.paid.calls, second.paid.dollars, second.paid.usage) == (0, 0.0, Usage())


COMPLETIONS = st.builds(
    Completion,
    text=st.text(),
    finish_reason=st.sampled_from(["stop", "length"]),
    usage=st.none() | st.builds(Usage, *[st.integers(0, 10**6)] * 4),
    logprobs=st.none()
    | st.lists(
        st.builds(
            TokenLogprob,
            st.text(max_size=4),
            st.floats(-100, 0),
            st.lists(st.tuples(st.text(max_size=4), st.floats(-100, 0)), max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    reasoning=st.none() | st.text(),
    stop_reason=st.none() | st.text(max_size=4),
)


@settings(deadline=None)
@given(COMPLETIONS)
def test_a_sample_comes_back_as_it_was(completion: Completion) -> None:
    async def there_and_back(path: Path) -> Completion:
        store = SampleStore(path)
        store.put(b"key", "m", {3: completion})
        store.close()
        again = SampleStore(path)
        try:
            return again.get(b"key", (2, 3))[3]
        finally:
            again.close()

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert run_sync(there_and_back(Path(folder) / "s.sqlite")) == completion


def test_everything_that_changes_a_draw_changes_its_address() -> None:
    variants = [
        ("other", ASK),
        ("m", Request((Message("system", "x"), *ASK.messages), ASK.sampling)),
        ("m", Request(ASK.messages, Sampling(temperature=0.9))),
        ("m", Request(ASK.messages, Sampling(temperature=0.8, extra={"top_k": 5}))),
        ("m", Request(ASK.messages, ASK.sampling, seed=1)),
        ("m", Request(ASK.messages, ASK.sampling, stream="rank.0")),
        ("m", ASK),
    ]
    assert len({request_key(*variant) for variant in variants}) == len(variants)


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3), st.integers(), st.text())
def test_an_address_is_the_hash_of_one_json_list(identity: str, said: list[str], seed: int, stream: str) -> None:
    # Whatever way it is worked out, samples that were stored before have to be found again.
    messages = tuple(Message("user", text) for text in said)
    sampling = Sampling(temperature=0.8, stop=("é",), extra={"b": {"d": 1, "c": None}, "a": [True, 0.5]})
    settings = {"extra": sampling.extra, "stop": ["é"], "temperature": 0.8}
    parts = [identity, [["user", text] for text in said], settings, seed, stream]
    plain = json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()
    request = Request(messages, sampling, seed=seed, stream=stream)
    assert request_key(identity, request) == hashlib.blake2b(plain, digest_size=16).digest()


async def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    one, two = SampleStore(path), SampleStore(path)
    one.put(b"a", "m", {0: Completion("from one")})
    two.put(b"a", "m", {0: Completion("from two"), 1: Completion("more")})
    one.commit()
    two.commit()
    assert two.get(b"a", (0, 1))[0].text == one.get(b"a", (0, 1))[0].text == "from one"
    one.close()
    two.close()


async def test_stats_prune_and_export(store: SampleStore) -> None:
    store.put(b"a", "openai/x", {0: Completion("1"), 1: Completion("2")})
    store.put(b"b", "openai/y", {0: Completion("3")})
    store.commit()
    assert dict(store.stats().by_model) == {"openai/x": 2, "openai/y": 1}
    assert [sample["text"] for sample in store.export()] == ["1", "2", "3"]
    assert store.prune(0) == 0
    assert store.prune(time.time() + 1, "openai/x") == 2
    assert store.stats().samples == 1


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="another version"):
        SampleStore(path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("not a database, and long enough to be taken for one" * 10)
    with pytest.raises(ConfigError, match="cannot be opened"):
        SampleStore(path)
