"""The trace: append-only lines from which every answer can be drawn again, and in which no secret stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon import Architecture, Context, Engine, SampleStore, State, Task, Technique
from archon.models.base import Request
from archon.models.retry import RetryPolicy
from archon.testing import ScriptedModel, isolated_registry
from archon.trace import TraceFile
from tests.loopback import Answer, error, serve

LAYERS = [
    {"generate": {"model": "m", "n": 3, "temperature": 0.9}},
    {"critique": {"model": "m"}},
    {"verify": {"model": "m"}},
    {"rank": {"model": "m", "keep": 2}},
    {"fuse": {"model": "m"}},
]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_an_answer_can_be_drawn_again_from_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-very-secret")
    faults = iter([error(500, "bad key sk-very-secret"), Answer(drop=True)])

    def script(body: dict[str, Any]) -> Answer:
        text = f"[1] right {body['seed'] % 1000}\n[2] wrong [Correct] [2] > [1] The answer is {body['seed'] % 7}."
        return next(faults, Answer((text,)))

    store, trace = SampleStore(tmp_path / "s.sqlite"), TraceFile(tmp_path / "trace.jsonl")
    with serve(script) as server:
        model = {"use": "openai/x", "base_url": server.base_url, "api_key": "${TEST_KEY}"}
        data = {"name": "a", "models": {"m": model}, "layers": LAYERS, "answer": "math"}
        asked = Architecture.model_validate(data)
        async with Engine(asked, store=store, observe=trace, retry=RetryPolicy(base=0.0)) as running:
            first = await running.run(Task.of("What is 2 + 2?", id="q"))
            await running.run(Task.of("What is 2 + 2?", id="again"))
        assert "sk-very-secret" in server.heads[0]
    store.close()
    trace.close()
    events = lines(tmp_path / "trace.jsonl")
    kinds = {event["kind"] for event in events}
    assert {"question_started", "layer_started", "attempt", "retry", "call", "hit", "layer", "question"} <= kinds
    assert "sk-very-secret" not in (tmp_path / "trace.jsonl").read_text()
    assert "uthorization" not in (tmp_path / "trace.jsonl").read_text()

    replies: dict[tuple[str, str, int], str] = {
        (json.dumps(event["messages"]), event["stream"], index): reply
        for event in events
        if event["kind"] == "call"
        for index, reply in zip(event["indices"], event["replies"], strict=True)
    }

    def replay(request: Request, index: int) -> str:
        messages = json.dumps([{"role": m.role, "content": m.content} for m in request.messages])
        return replies[messages, request.stream, index]

    async with Engine(asked, models={"m": ScriptedModel(replay)}) as running:
        redrawn = await running.run(Task.of("What is 2 + 2?", id="q"))
    assert redrawn.candidates == first.candidates
    assert redrawn.text == first.text
    last = [event for event in events if event["kind"] == "layer" and event["question"] == "q"][-1]
    assert last["candidates"][0]["text"] == first.text


async def test_a_budget_that_ends_is_told(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "trace.jsonl")
    data = {
        "name": "a",
        "models": {"m": {"use": "openai/x"}},
        "layers": [{"generate": {"model": "m", "n": 3}}],
        "budget": {"calls": 2},
    }
    async with Engine(Architecture.model_validate(data), models={"m": ScriptedModel("4")}, observe=trace) as running:
        await running.run(Task.of("q"))
    trace.close()
    (told,) = [event for event in lines(tmp_path / "trace.jsonl") if event["kind"] == "budget"]
    assert "2 calls" in told["error"]
    assert told["layer"] == "0.generate"


async def test_a_technique_puts_events_of_its_own_into_the_trace(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "trace.jsonl")
    with isolated_registry():

        class Ponder(Technique, kind="ponder"):
            """Think aloud, in a branch."""

            needs_candidates = False

            async def __call__(self, state: State, context: Context) -> State:
                context.fork("aside").record("thought", {"depth": 2, "run": "another"})
                return state

        asked = Architecture.model_validate({"name": "a", "layers": [Ponder()]})
        async with Engine(asked, observe=trace) as running:
            await running.run(Task.of("q", id="first"))
            await running.run(Task.of("q", id="second"))
    trace.close()
    told = [event for event in lines(tmp_path / "trace.jsonl") if event["kind"] == "thought"]
    assert [(event["question"], event["run"], event["layer"], event["depth"]) for event in told] == [
        ("first", 0, "0.ponder", 2),
        ("second", 1, "0.ponder", 2),
    ]
