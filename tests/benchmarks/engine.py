"""What the engine adds to a call: processor time and wall time against raw clients, in the same run.

A loopback server of fixed latency runs in a process of its own, and so does each way of asking it, set up as the
command line is. The baselines send the same number of requests with the same concurrency: bare aiohttp, and the openai
client as it comes. The engine runs with everything on: limiter, retries, sample store, ledgers and trace. Of three
rounds the best of each way counts.

    python -m tests.benchmarks.engine [--quick]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import openai
from rich.console import Console
from rich.table import Table

from archon import Architecture, Engine, ModelPool, SampleStore, Task
from archon.trace import TraceFile
from tests.benchmarks.alone import alone
from tests.loopback import Answer, serve

CONCURRENCY = 256
ROUNDS = 3


@dataclass(frozen=True)
class Load:
    """One workload.

    Attributes:
        name: What it is called.
        questions: How many.
        layers: The architecture's layers.
        latency: Seconds per reply.
        calls: Requests per question.
        depth: Requests that have to follow each other.
    """

    name: str
    questions: int
    layers: tuple[Any, ...]
    latency: float
    calls: int
    depth: int

    @property
    def ideal(self) -> float:
        """Wall seconds if nothing but latency and the concurrency counted."""
        return max(self.depth, self.questions * self.calls / CONCURRENCY) * self.latency


def generate(n: int) -> dict[str, Any]:
    return {"generate": {"model": "m", "n": n}}


LOADS = (
    Load("best of 8 and a ranking", 500, (generate(8), {"rank": {"model": "m"}}), 0.05, 9, 2),
    Load(
        "generate, critique, rank, fuse",
        200,
        (generate(8), {"critique": {"model": "m"}}, {"rank": {"model": "m"}}, {"fuse": {"model": "m"}}),
        0.1,
        11,
        4,
    ),
    Load("vote of 64", 100, (generate(64), "vote"), 0.02, 64, 1),
    Load("single calls", 5000, (generate(1),), 0.0, 1, 1),
)
TEXT = "\n\n".join(f"[{i}]\nFine, the answer is {i}. [1] > [2]" for i in range(1, 9))


def _serve(latency: float, pipe: Connection) -> None:
    with serve(lambda body: Answer((TEXT,), delay=latency)) as server:
        pipe.send(server.base_url)
        pipe.recv()


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(latency, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


async def raw_aiohttp(url: str, load: Load, folder: Path) -> None:
    """The same number of posts, nothing else."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Question?"}]}).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def call() -> None:
            headers = {"content-type": "application/json"}
            async with session.post(f"{url}/chat/completions", data=body, headers=headers) as reply:
                json.loads(await reply.read())

        await asyncio.gather(*(call() for _ in range(load.questions * load.calls)))


async def raw_openai(url: str, load: Load, folder: Path) -> None:
    """The openai client as it comes."""
    gate = asyncio.Semaphore(CONCURRENCY)
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

        async def call() -> None:
            async with gate:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Question?"}])

        await asyncio.gather(*(call() for _ in range(load.questions * load.calls)))


async def engine(url: str, load: Load, folder: Path) -> None:
    """The engine with everything on."""
    models = {"m": {"use": "openai/loopback", "base_url": url, "concurrency": CONCURRENCY}}
    architecture = Architecture.model_validate(
        {"name": "load", "models": models, "layers": list(load.layers), "answer": "math"}
    )
    store, trace = SampleStore(folder / "samples.sqlite"), TraceFile(folder / "trace.jsonl")
    async with ModelPool() as pool, Engine(architecture, pool, store=store, observe=trace) as running:
        async for _ in running.run_all(Task.of(f"Question {i}?") for i in range(load.questions)):
            pass
        assert running.paid.total.calls == load.questions * load.calls
    store.close()
    trace.close()


WAYS: dict[str, Callable[[str, Load, Path], Awaitable[None]]] = {
    "aiohttp": raw_aiohttp,
    "openai": raw_openai,
    "archon": engine,
}


def measure(way: str, load: Load) -> dict[str, Any]:
    """Wall seconds and processor milliseconds per call."""
    with server(load.latency) as url, tempfile.TemporaryDirectory() as folder:

        async def timed() -> tuple[float, float]:
            # What is imported and compiled on first use is no part of what a call costs.
            with tempfile.TemporaryDirectory() as warm:
                await WAYS[way](url, replace(load, questions=1), Path(warm))
            wall, cpu = time.perf_counter(), time.process_time()
            await WAYS[way](url, load, Path(folder))
            return time.perf_counter() - wall, time.process_time() - cpu

        wall, cpu = asyncio.run(timed())
    calls = load.questions * load.calls
    return {"wall": wall, "cpu_ms_per_call": cpu / calls * 1000, "efficiency": load.ideal / wall}


def best(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Every way's least processor time and wall time: whatever else the machine does only adds to them."""
    return {
        way: {
            "wall": min(measured[way]["wall"] for measured in rounds),
            "cpu_ms_per_call": min(measured[way]["cpu_ms_per_call"] for measured in rounds),
            "efficiency": max(measured[way]["efficiency"] for measured in rounds),
        }
        for way in WAYS
    }


def main() -> None:
    """Print the table and the JSON."""
    loads: tuple[Load, ...] = LOADS
    if "--quick" in sys.argv:
        loads = tuple(Load(**{**asdict(load), "questions": load.questions // 10}) for load in LOADS)
    table = Table("load", "calls", "way", "CPU ms/call", "x aiohttp", "wall s", "efficiency", title_justify="left")
    results = []
    for load in loads:
        measured = best([{way: alone(measure, way, load) for way in WAYS} for _ in range(ROUNDS)])
        results.append({"load": load.name, "calls": load.questions * load.calls, **measured})
        for way, figures in measured.items():
            ratio = figures["cpu_ms_per_call"] / measured["aiohttp"]["cpu_ms_per_call"]
            table.add_row(
                load.name,
                f"{load.questions * load.calls:,}",
                way,
                f"{figures['cpu_ms_per_call']:.3f}",
                f"{ratio:.2f}",
                f"{figures['wall']:.2f}",
                f"{figures['efficiency']:.2f}",
            )
    Console(width=110).print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
