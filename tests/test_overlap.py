"""Twenty questions x eight samples at 100 ms each: bounded by latency, not by us."""

from __future__ import annotations

import asyncio

from tests.benchmarks import overlap
from tests.loopback import Answer, serve


def test_everything_independent_is_in_flight_at_once() -> None:
    with serve(lambda body: Answer(delay=overlap.LATENCY)) as server:
        asyncio.run(overlap.measure(server.base_url))
        assert server.calls == overlap.QUESTIONS * overlap.SAMPLES
        assert server.most_in_flight == overlap.QUESTIONS * overlap.SAMPLES
