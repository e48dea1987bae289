"""Programs that techniques run: told in the trace, bounded together, and stopped with their question."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from archon import Architecture, Candidate, Engine, Result, State, Task
from archon.budget import BudgetSpec
from archon.concurrency import gather
from archon.errors import SandboxError
from archon.sandbox import Execution, Limits, Sandbox
from archon.stream import LayerStarted
from archon.technique import Context, Programs, Technique
from archon.trace import Event, Observer, TraceFile, ignore

FOREVER = "while True: pass"


class RunAll(Technique):
    """Runs programs side by side; how they ended are the candidates."""

    needs_candidates: ClassVar[bool] = False
    programs: tuple[str, ...]
    seconds: float | None = None

    async def __call__(self, state: State, context: Context) -> State:
        executions = await gather(
            context.fork(index).sandbox.run(program, stdin="given", seconds=self.seconds)
            for index, program in enumerate(self.programs)
        )
        return state.with_candidates(Candidate(f"{done.kind}: {done.stdout}") for done in executions)


RunAll.kind = "run_all"


def engine(
    *programs: str,
    seconds: float | None = None,
    sandbox: Programs | None = None,
    observe: Observer = ignore,
    budget: Mapping[str, float] | None = None,
    run_budget: BudgetSpec | None = None,
) -> Engine:
    architecture = Architecture.model_validate(
        {"name": "a", "layers": [RunAll(programs=programs, seconds=seconds)], "budget": budget}
    )
    return Engine(architecture, sandbox=sandbox, observe=observe, budget=run_budget)


async def run(*programs: str, **settings: object) -> Result:
    async with engine(*programs, **settings) as running:  # type: ignore[arg-type]
        return await running.run(Task.of("q", id="q"))


class Waiting:
    """A sandbox in which nothing ever comes of a program."""

    def __init__(self, expected: int) -> None:
        self.running = self.ended = 0
        self.full = asyncio.Event()
        self._expected = expected

    async def run(
        self,
        program: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        seconds: float | None = None,
    ) -> Execution:
        self.running += 1
        if self.running == self._expected:
            self.full.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.running -= 1
            self.ended += 1
        raise AssertionError("nobody ended it")


class Broken(Waiting):
    """A sandbox that does not work."""

    async def run(self, program: str, **settings: object) -> Execution:
        raise SandboxError("no sandbox works here")


async def test_programs_run_and_their_events_hold_what_is_needed_to_run_them_again(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "trace.jsonl")
    result = await run("print(input())", "raise SystemExit(3)", "print('x' * 50_000)", observe=trace)
    trace.close()
    assert [candidate.text for candidate in result.candidates][:2] == ["ok: given\n", "error: "]
    told = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    events = {event["program"]: event for event in told if event["kind"] == "execution"}
    first = events["print(input())"]
    assert (first["question"], first["layer"], first["run"], first["stream"]) == ("q", "0.run_all", 0, "run_all.0/0")
    assert (first["stdin"], first["ended"], first["exit_code"], first["stdout"]) == ("given", "ok", 0, "given\n")
    assert 0 < first["seconds"] < 10
    assert "files" not in first
    second = events["raise SystemExit(3)"]
    assert (second["ended"], second["exit_code"]) == ("error", 3)
    assert len(events["print('x' * 50_000)"]["stdout"]) == 10_000
    again = await Sandbox().run(first["program"], stdin=first["stdin"])
    assert again.stdout == first["stdout"]


async def test_all_branches_and_questions_share_one_sandbox() -> None:
    sandbox = Sandbox(Limits(seconds=5), parallel=1)
    clock = "import time; s = time.time(); time.sleep(0.05); print(s, time.time())"
    async with engine(clock, clock, sandbox=sandbox) as running:
        results = [result async for _, result in running.run_all([Task.of("p"), Task.of("q")])]
    texts = [candidate.text.removeprefix("ok: ") for result in results for candidate in result.candidates]
    spans = sorted(tuple(map(float, text.split())) for text in texts)
    assert len(spans) == 4
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


async def test_a_technique_may_allow_less_time_than_the_sandbox_but_not_more() -> None:
    started = time.monotonic()
    assert (await run(FOREVER, seconds=0.3)).text == "timeout: "
    assert (await run(FOREVER, seconds=60, sandbox=Sandbox(Limits(seconds=0.3)))).text == "timeout: "
    assert time.monotonic() - started < 8


async def test_leaving_a_stream_ends_its_programs() -> None:
    sandbox = Waiting(3)
    events: list[Event] = []
    async with (
        engine(*"abc", sandbox=sandbox, observe=events.append) as running,
        aclosing(running.stream(Task.of("q"))) as stream,
    ):
        async for event in stream:
            assert isinstance(event, LayerStarted)
            await sandbox.full.wait()
            break
    assert (sandbox.running, sandbox.ended) == (0, 3)
    assert [event.data["ended"] for event in events if event.kind == "execution"] == ["cancelled"] * 3


async def test_the_time_of_a_budget_holds_for_programs_too() -> None:
    for budgets in ({"budget": {"seconds": 0.2}}, {"run_budget": BudgetSpec(seconds=0.2)}):
        sandbox = Waiting(1)
        events: list[Event] = []
        started = time.monotonic()
        result = await run("a", sandbox=sandbox, observe=events.append, **budgets)
        assert time.monotonic() - started < 5
        assert [failure.kind for failure in result.failures] == ["budget"]
        assert sandbox.ended == 1
        assert [event.data["ended"] for event in events if event.kind == "execution"] == ["budget"]


async def test_a_sandbox_that_cannot_run_is_an_error_of_the_question() -> None:
    result = await run("a", sandbox=Broken(1))
    assert isinstance(result.error, SandboxError)
