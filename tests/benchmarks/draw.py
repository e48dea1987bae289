"""Draws the real samples that the simulated world of :mod:`search.simulated` is fitted to.

The two embedded models work on word problems, judge each other's answers, and fuse them. What it keeps of every
answer is what it says and whether that is right; ``tests/benchmarks/calibrate.py`` reads it. Samples lie in a store, so
that a run which was stopped goes on where it was.

    python -m tests.benchmarks.draw --data mawps_dev.jsonl --store samples.sqlite [--out drawn.jsonl]
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from archon.answers import MathAnswer
from archon.architecture import Architecture
from archon.engine import Engine
from archon.models.pool import ModelPool
from archon.result import Result
from archon.state import Candidate, Task
from archon.store import Store
from archon.stores import open_store
from evals.benchmark import load_benchmark
from evals.graders.base import Problem

OUT = Path(__file__).with_name("drawn.jsonl")
PROBLEMS = 80
SYSTEM = """\
Solve the word problem with one short calculation per line and end with the answer, like this:

Tom has 3 bags with 4 apples each. He eats 2 apples. How many apples are left?
3 bags * 4 apples = 12 apples
12 apples - 2 apples = 10 apples
Answer: 10"""
MODELS = {"small": "local/qwen2.5-coder-0.5b", "solver": "local/qwen2.5-coder-1.5b"}


@dataclass(frozen=True)
class Stage:
    """One architecture on some problems."""

    name: str
    layers: Sequence[Any]
    problems: slice
    about: dict[str, Any]


def draw(model: str, n: int, temperature: float | None = None) -> dict[str, Any]:
    """A component that answers."""
    return {"generate": {"model": model, "n": n, "system": SYSTEM, "temperature": temperature}}


def stages(problems: int) -> Iterator[Stage]:
    """Everything that is drawn, what matters most first; what takes long is asked of fewer problems."""
    judged, checked = 3 * problems // 5, 2 * problems // 5
    both = [draw("small", 2), draw("solver", 2)]
    for model in MODELS:
        yield Stage("draw", [draw(model, 6)], slice(problems), {"model": model, "temperature": 0.7})
    for judge in MODELS:
        score = {"score": {"reward": {"logprob": {"model": judge}}}}
        yield Stage("score", [both, score], slice(problems), {"judge": judge})
    yield from halves("rank", judged, lambda judge: [{"rank": {"model": judge, "keep": 4}}])
    for model in MODELS:
        yield Stage("draw", [draw(model, 3, 0.2)], slice(judged), {"model": model, "temperature": 0.2})
    yield from halves("fuse", judged, lambda judge: [{"fuse": {"model": judge}}])
    for judge in MODELS:
        for model in MODELS:
            verify = {"verify": {"model": judge, "max_tokens": 200}}
            yield Stage("verify", [draw(model, 1), verify], slice(checked), {"judge": judge, "model": model})
    remarked = {"max_tokens": 300}
    yield from halves(
        "critique",
        problems // 4,
        lambda judge: [{"critique": {"model": judge, **remarked}}, {"rank": {"model": judge, "keep": 4}}],
    )


def halves(name: str, problems: int, layers: Callable[[str], list[Any]]) -> Iterator[Stage]:
    """Two answers of either model judged by either: half of the time one model's stand first, half the other's."""
    for judge in MODELS:
        for first, order in enumerate((("small", "solver"), ("solver", "small"))):
            both = [draw(model, 2) for model in order]
            yield Stage(name, [both, *layers(judge)], slice(first, problems, 2), {"judge": judge})


def architecture(stage: Stage, url: str | None) -> Architecture:
    """What a stage runs."""
    models = {
        role: {"use": use if url is None else f"openai/{role}", "base_url": url, "temperature": 0.7, "max_tokens": 100}
        for role, use in MODELS.items()
    }
    return Architecture.model_validate({"name": stage.name, "models": models, "layers": stage.layers, "answer": "math"})


def row(stage: Stage, problem: Problem, result: Result) -> dict[str, Any]:
    """What is kept of an answer."""
    answers = MathAnswer()
    wanted = str(problem.reference)

    def about(candidate: Candidate) -> list[Any]:
        answer = answers.extract(candidate.text)
        right = answer is not None and answers.equal(answer, wanted)
        return [candidate.origin, answer, int(right), candidate.score, candidate.verdict]

    usage = result.totals.usage
    return {
        "stage": stage.name,
        **stage.about,
        "problem": problem.id,
        "candidates": [about(candidate) for candidate in result.candidates],
        "tokens": [usage.prompt, usage.completion],
        "failures": [failure.kind for failure in result.failures],
    }


async def run(
    problems: Sequence[Problem], store: Store | None, out: Path | None = None, url: str | None = None
) -> list[dict[str, Any]]:
    """Draw what is missing and write all of it down; from models of the same names at an address, if it is given."""
    rows: list[dict[str, Any]] = []
    with Progress() as progress:
        async with ModelPool() as pool:
            for stage in stages(len(problems)):
                chosen = problems[stage.problems]
                bar = progress.add_task(f"{stage.name} {' '.join(map(str, stage.about.values()))}", total=len(chosen))
                async with Engine(architecture(stage, url), pool, store=store) as engine:
                    for start in range(0, len(chosen), 4):
                        some = chosen[start : start + 4]
                        tasks = [Task(problem.messages, problem.id) for problem in some]
                        done = await asyncio.gather(*map(engine.run, tasks))
                        rows += [row(stage, problem, result) for problem, result in zip(some, done, strict=True)]
                        progress.advance(bar, len(some))
                        if store is not None:
                            store.commit()
                if out is not None:
                    out.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return rows


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    problems = load_benchmark("mawps", {"mawps": given.data}).problems(PROBLEMS)
    store = open_store(given.store)
    try:
        asyncio.run(run(problems, store, given.out))
    finally:
        store.close()


if __name__ == "__main__":
    main()
