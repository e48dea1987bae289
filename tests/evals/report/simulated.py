"""Records that no model ever answered: invented, with known chances, for tests and benchmarks of reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archon.cost import Totals, Usage
from evals.records import Record, Sample, Spent
from evals.report import Contender, Run, Settings

MODEL = "simulated/coin"
DATE = "2026-11-01"


@dataclass(frozen=True, slots=True)
class Kind:
    """An invented architecture: ``layers`` of techniques, ``samples`` in its pool, ``skill`` in choosing from it."""

    name: str
    layers: tuple[tuple[str, ...], ...]
    samples: int
    skill: float
    without: str = ""
    whole: str = ""
    rewarded: bool = False


KINDS = (
    Kind("single", (("generate",),), 1, 0.0),
    Kind("vote-8", (("generate",), ("vote",)), 8, 0.5),
    Kind("rank-8", (("generate",), ("rank",)), 8, 0.8, rewarded=True),
    Kind("rank-8 − 1.rank", (("generate",),), 8, 0.0, without="1.rank", whole="rank-8"),
    Kind("refine", (("generate",), ("self_refine",)), 1, 0.1),
)


def settings(kinds: Sequence[Kind] = KINDS, benchmarks: Sequence[str] = ("sums",), *, priced: bool = True) -> Settings:
    models = {"m": (MODEL, DATE if priced else None)}
    contenders = tuple(Contender(k.name, "", k.layers, models, k.without, k.whole) for k in kinds)
    run = Run("simulated", "2026-11-20T10:00:00+0000", 7, 2, {"archon-inference": "0.1.0"})
    return Settings((run,), contenders, tuple(benchmarks), DATE if priced else None)


def records(
    problems: int,
    kinds: Sequence[Kind] = KINDS,
    *,
    benchmark: str = "sums",
    repeats: int = 1,
    seed: int = 0,
    priced: bool = True,
    rate: float | None = None,
    text: str = "It is {answer}.",
) -> list[Record]:
    """``problems`` of a difficulty of their own; ``rate`` makes them all alike."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(1.2, 1.0, problems) if rate is None else np.full(problems, rate)
    return [
        _record(rng, kind, benchmark, problem, repeat, float(rates[problem]), priced=priced, text=text)
        for kind in kinds
        for problem in range(problems)
        for repeat in range(repeats)
    ]


def _record(
    rng: Any, kind: Kind, benchmark: str, problem: int, repeat: int, rate: float, *, priced: bool, text: str
) -> Record:
    truth = str(problem)
    draws = rng.random((3, kind.samples))
    right = (draws[0] < rate).tolist()
    given = [truth if r else f"wrong {int(3 * d)}" for r, d in zip(right, draws[1].tolist(), strict=True)]
    rewards = [round(float(r) + d, 3) for r, d in zip(right, draws[2].tolist(), strict=True)]
    samples = tuple(
        Sample(text.format(answer=answer), answer, float(r), reward if kind.rewarded else None)
        for answer, r, reward in zip(given, right, rewards, strict=True)
    )
    lucky = any(right) and (kind.samples == 1 or rng.random() < kind.skill or right[0])
    score = float(lucky or (kind.samples == 1 and rng.random() < kind.skill))
    answer = truth if score else given[0] if not right[0] else "wrong 0"
    parts = tuple(
        _spent(rng, f"{place}.{layer[0]}", layer[0], kind.samples if place == 0 else 1, priced=priced)
        for place, layer in enumerate(kind.layers)
        if layer[0] != "vote"
    )
    total = sum((part.totals for part in parts), Totals())
    return Record(
        benchmark,
        kind.name,
        f"p{problem}",
        repeat,
        f"p{problem}",
        "done",
        f"What is {problem} + 0?",
        truth,
        text.format(answer=answer),
        answer,
        score,
        "equal" if score else "not equal",
        samples=samples,
        attributed=total,
        paid=total,
        spent=parts,
        seconds=round(float(rng.gamma(4, 0.2)), 4),
    )


def _spent(rng: Any, layer: str, technique: str, samples: int, *, priced: bool) -> Spent:
    tokens = int(rng.integers(40, 200)) * samples
    dollars = round((100 * 1.0 + tokens * 4.0) / 1e6, 9) if priced else 0.0
    totals = Totals(1, samples, 0, Usage(100, 0, tokens, 0), dollars, 0 if priced else 1, 0, round(tokens / 50, 4))
    return Spent(layer, technique, MODEL, totals)


def write_run(folder: Path, found: Sequence[Record], about: Settings) -> Path:
    """An evaluation's directory, as far as a report reads it."""
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text("".join(json.dumps(record.to_row()) + "\n" for record in found))
    run = about.runs[0]
    data = {
        "started": run.started,
        "seed": run.seed,
        "repeats": run.repeats,
        "versions": dict(run.versions),
        "price_date": about.price_date,
        "benchmarks": [{"name": name} for name in about.benchmarks],
        "architectures": [
            {
                "name": c.name,
                "file": f"{c.name}.yaml",
                "description": c.description,
                "without": c.without,
                "whole": c.whole,
                "layers": [list(layer) for layer in c.layers],
                "models": {r: {"use": u, "price": d and {"date": d}} for r, (u, d) in c.models.items()},
            }
            for c in about.contenders
        ],
    }
    (folder / "eval.json").write_text(json.dumps(data))
    return folder
