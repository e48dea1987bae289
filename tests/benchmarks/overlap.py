"""Do independent calls overlap, across questions too?

Twenty questions with eight samples each, one request per sample, against a loopback server that takes 100 ms for
each. One after the other they take 16 s; the ideal is 0.1 s.

    python -m tests.benchmarks.overlap
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from archon import Architecture, Engine, ModelPool, Task
from tests.loopback import Answer, serve

QUESTIONS, SAMPLES, LATENCY, ROUNDS = 20, 8, 0.1, 5


def architecture(base_url: str, samples: int = SAMPLES) -> Architecture:
    """One generate layer over the loopback server."""
    models = {"m": {"use": "openai/loopback", "base_url": base_url}}
    layers = [{"generate": {"model": "m", "n": samples}}, "vote"]
    return Architecture.model_validate({"name": "overlap", "models": models, "layers": layers, "answer": "math"})


async def measure(base_url: str) -> float:
    """Wall seconds for all questions with a pool of its own, connections included."""
    async with ModelPool() as pool, Engine(architecture(base_url), pool) as engine:
        started = time.perf_counter()
        async for _ in engine.run_all(Task.of(f"Question {i}?") for i in range(QUESTIONS)):
            pass
        return time.perf_counter() - started


def run() -> dict[str, Any]:
    """Every round, in a new event loop each."""
    with serve(lambda body: Answer(delay=LATENCY)) as server:
        seconds = [asyncio.run(measure(server.base_url)) for _ in range(ROUNDS)]
        assert server.calls == ROUNDS * QUESTIONS * SAMPLES
    return {
        "calls": QUESTIONS * SAMPLES,
        "latency": LATENCY,
        "ideal": LATENCY,
        "one_by_one": QUESTIONS * SAMPLES * LATENCY,
        "seconds": {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)},
    }


def main() -> None:
    """Print the table and the JSON."""
    result = run()
    table = Table("calls", "one by one", "ideal", "median", "min to max", title="Overlap", title_justify="left")
    seconds = result["seconds"]
    table.add_row(
        str(result["calls"]),
        f"{result['one_by_one']:.1f} s",
        f"{result['ideal']:.2f} s",
        f"{seconds['median']:.3f} s",
        f"{seconds['min']:.3f} to {seconds['max']:.3f} s",
    )
    Console().print(table)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
