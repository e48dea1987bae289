"""What k samples would give, from the pools of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evals.records import Record
from evals.report.numbers import draws_for
from evals.statistics.curves import Protocol, curve, powers
from evals.statistics.pools import Pool, merged, pools_of

PROTOCOLS: dict[Protocol, str] = {"coverage": "pass@k", "majority": "maj@k", "best": "best-of-k"}


def curves(name: str, records: Sequence[Record]) -> list[dict[str, Any]]:
    """The curves of one architecture, empty where no pool has two graded samples.

    Where an architecture draws one sample at a time, its repetitions are the pool. Problems whose pools fell short of
    the usual size are left out and counted: a curve can go no further than its smallest pool.
    """
    pools = pools_of(records).get(name, {})
    if all(pool.n == 1 for runs in pools.values() for pool in runs):
        pools = {problem: [merged(runs)] for problem, runs in pools.items()}
    sizes = sorted(pool.n for runs in pools.values() for pool in runs)
    if not sizes or (usual := sizes[len(sizes) // 2]) < 2:
        return []
    kept = {problem: full for problem, runs in pools.items() if (full := [pool for pool in runs if pool.n >= usual])}
    groups = {record.problem: record.group for record in records}
    clusters = [groups[problem] for problem in kept]
    flat = list(kept.values())
    left_out = len({record.problem for record in records}) - len(kept)
    return [
        {
            "architecture": name,
            "protocol": PROTOCOLS[protocol],
            "left_out": left_out,
            "points": [
                {"k": point.k, "value": point.value, "low": point.low, "high": point.high, "n": point.n}
                for point in curve(flat, protocol, powers(usual), groups=clusters, draws=draws_for(len(flat)))
            ],
        }
        for protocol in PROTOCOLS
        if protocol != "best" or _rewarded(flat)
    ]


def _rewarded(pools: Sequence[Sequence[Pool]]) -> bool:
    return all(pool.rewards is not None for runs in pools for pool in runs)
