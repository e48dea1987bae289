"""What many questions cost: processor time per call as their number grows, memory in flight, and resuming.

    python -m tests.benchmarks.scale [--quick]

Three tables: 1,000, 4,000 and 16,000 questions of one call each against a loopback server without latency (processor
time per call should not grow); 10,000 questions in flight at once against a server that takes its time (memory of the
process at its peak, beyond what it has after a single question); a run of 50,000 stored samples read back through the
engine (seconds). Each measurement has a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from archon import Architecture, Engine, ModelPool, SampleStore, Task
from archon.trace import TraceFile
from tests.benchmarks.alone import alone
from tests.benchmarks.engine import CONCURRENCY, ROUNDS, generate, server


def architecture(url: str, n: int, concurrency: int) -> Architecture:
    models = {"m": {"use": "openai/loopback", "base_url": url, "concurrency": concurrency}}
    return Architecture.model_validate({"name": "scale", "models": models, "layers": [generate(n)], "answer": "math"})


async def ask(url: str, folder: Path, questions: int, n: int = 1, concurrency: int = CONCURRENCY) -> int:
    """Everything on: limiter, retries, store, ledgers and trace; returns the calls that were sent."""
    store, trace = SampleStore(folder / "samples.sqlite"), TraceFile(folder / "trace.jsonl")
    asked = architecture(url, n, concurrency)
    async with ModelPool() as pool, Engine(asked, pool, store=store, observe=trace) as running:
        async for _ in running.run_all(Task.of(f"Question {i}?") for i in range(questions)):
            pass
        sent = running.paid.total.calls
    store.close()
    trace.close()
    return sent


def megabytes() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth(questions: int) -> dict[str, Any]:
    """Processor time per call."""
    with server(0.0) as url, tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as warm:
        # What is imported and compiled on first use is no part of what a call costs.
        asyncio.run(ask(url, Path(warm), 100))
        started = time.process_time()
        calls = asyncio.run(ask(url, Path(folder), questions))
        return {"questions": questions, "cpu_ms_per_call": (time.process_time() - started) / calls * 1000}


def best_growth(questions: int) -> dict[str, Any]:
    """The best of some rounds: whatever else the machine does only adds to it."""
    rounds = [alone(growth, questions) for _ in range(ROUNDS)]
    return min(rounds, key=lambda measured: float(measured["cpu_ms_per_call"]))


def memory(questions: int) -> dict[str, Any]:
    """Memory with so many requests in flight at the same time."""
    with server(5.0) as url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(url, Path(folder), 1))
        before = megabytes()
        asyncio.run(ask(url, Path(folder), questions, concurrency=questions))
        return {"questions": questions, "peak_mb": megabytes(), "added_mb": megabytes() - before}


def resuming(questions: int) -> dict[str, Any]:
    """Seconds to read back samples, eight per question, that an earlier run has bought."""
    with server(0.0) as url, tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(ask(url, Path(folder), questions, 8)) == 8 * questions
        started, cpu = time.perf_counter(), time.process_time()
        assert asyncio.run(ask(url, Path(folder), questions, 8)) == 0
        wall = time.perf_counter() - started
    return {"samples": 8 * questions, "seconds": wall, "cpu_seconds": time.process_time() - cpu}


def main() -> None:
    """Print the tables and the JSON."""
    share = 10 if "--quick" in sys.argv else 1
    results = {
        "growth": [best_growth(questions // share) for questions in (1000, 4000, 16_000)],
        "memory": [alone(memory, 10_000 // share)],
        "resuming": [alone(resuming, 6250 // share)],
    }
    for name, rows in results.items():
        table = Table(*rows[0], title=name, title_justify="left")
        for row in rows:
            table.add_row(*(f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" for value in row.values()))
        Console(width=100).print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
