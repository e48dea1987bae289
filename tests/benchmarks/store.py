"""What the sample store delivers and takes: hits and samples per second, bytes, and what buying through it adds.

python -m tests.benchmarks.store [--quick]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from archon import SampleStore
from archon.cost import Usage
from archon.models.base import Capabilities, Completion, Model, Reply, Request, Sampling
from archon.models.store import Stored
from archon.models.wrapper import Wrapper
from archon.state import Message
from archon.store import request_key
from archon.testing import ScriptedModel

PROMISED_HITS = 20_000
DRAWS = 8
IN_FLIGHT = 256
TEXT = "First we count the boxes, then the eggs in each of them. " * 15 + "The answer is 84."
COMPLETION = Completion(TEXT, usage=Usage(200, 0, 180))


class Instant(Wrapper):
    """A model that answers in the next turn of the event loop, for the price of nearly nothing."""

    async def complete(self, request: Request) -> Reply:
        """The same completion for every draw."""
        await asyncio.sleep(0)
        return Reply((COMPLETION,) * len(request.indices), COMPLETION.usage)


def requests(count: int, draws: int) -> list[Request]:
    """Different conversations of the usual length, ``draws`` samples each."""
    question = "A shop sells eggs in boxes of twelve. " * 15
    sampling = Sampling(temperature=0.8, max_tokens=400)
    indices = tuple(range(draws))
    return [Request((Message("user", f"{question} {i}"),), sampling, indices=indices) for i in range(count)]


async def through(model: Model, asked: Iterable[Request]) -> float:
    """Processor seconds until all are answered, so many at a time."""
    waiting = iter(asked)

    async def work() -> None:
        for request in waiting:
            await model.complete(request)

    started = time.process_time()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return time.process_time() - started


async def measure(folder: Path, samples: int) -> dict[str, float]:
    """Every figure, on a store of about so many samples."""
    store = SampleStore(folder / "samples.sqlite")
    bare = Instant(ScriptedModel("", capabilities=Capabilities(multiple=True)))
    stored = Stored(bare, store)
    several = requests(samples // DRAWS, DRAWS)
    keys = [request_key(bare.identity, request) for request in several]

    started = time.perf_counter()
    for start in range(0, len(keys), 100):
        for key in keys[start : start + 100]:
            store.put(key, "m", dict.fromkeys(range(DRAWS), COMPLETION))
        store.commit()
    written = time.perf_counter() - started

    started = time.perf_counter()
    for key in keys:
        store.get(key, range(DRAWS))
    read_together = time.perf_counter() - started

    started = time.perf_counter()
    for key in keys:
        for draw in range(DRAWS):
            store.get(key, (draw,))
    read_singly = time.perf_counter() - started

    hit_together = await through(stored, several)
    singles = [replace(request, indices=(draw,)) for request in several for draw in range(DRAWS)]
    hit_singly = await through(stored, singles)
    size = store.stats().bytes

    new = [replace(request, seed=1) for request in singles]
    unstored, bought = await through(bare, new), await through(stored, new)
    store.close()
    count = len(singles)
    return {
        "samples": count,
        "samples_written_per_second": count / written,
        "bytes_per_sample": size / count,
        "get_hits_per_second_8_draws": count / read_together,
        "get_hits_per_second_1_draw": count / read_singly,
        "stored_hits_per_second_8_draws": count / hit_together,
        "stored_hits_per_second_1_draw": count / hit_singly,
        "cpu_us_added_to_a_purchase": (bought - unstored) / count * 1e6,
    }


def main() -> None:
    """Print the table and the JSON."""
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, Any] = asyncio.run(measure(Path(folder), 8_000 if "--quick" in sys.argv else 80_000))
    table = Table("figure", "measured", "promised", title_justify="left")
    for name, value in figures.items():
        promise = f"{PROMISED_HITS:,}" if "hits" in name else ""
        table.add_row(name.replace("_", " "), f"{value:,.1f}" if value < 1000 else f"{value:,.0f}", promise)
    Console(width=80).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
