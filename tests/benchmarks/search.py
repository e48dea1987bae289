"""What a search finds, and what it pays, in a simulated world whose truth is known.

Simulated: :class:`search.simulated.World` is a world of laws, fitted to two real models and their judgements of each
other (``tests/benchmarks/calibrate.py``); the large model is extrapolated. Every seed is a sample of problems of its
own, with other quirks of models and judges, which a study searches on. The truth of an architecture is its accuracy on
many problems that no study sees; the exhaustive best is chosen on one half of them and measured, like every winner, on
the other. Intervals are of 95 % over seeds.

With ``--http N``, the first study also runs N times on endpoints of the same worlds: real techniques, engine, client,
server and sample store, over the loopback interface.

    python -m tests.benchmarks.search [--quick] [--seeds N] [--http N]
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.progress import track
from rich.table import Table

from archon.architecture import Architecture
from archon.store import SampleStore
from search.asking import BenchmarkEvaluator
from search.evaluator import Evaluator
from search.laws import SimulatedModel
from search.simulated import World
from search.space import Space
from search.spec import StudySpec
from search.storage import create_study
from search.study import Study
from tests.loopback import Answer, serve
from tests.search.endpoints import Endpoints, problem_set

SPACE = Path(__file__).parents[2] / "configs" / "searches" / "simulated.yaml"
PROBLEMS, UNSEEN, SEEDS, TRIALS = 1000, 4000, 20, 300
CHOSEN_ON, MEASURED_ON = slice(0, UNSEEN // 2), slice(UNSEEN // 2, UNSEEN)
# No study has this seed.
UNSEEN_SEED = 1_000_000
CEILING = 0.003

# The 0.5B and the 1.5B, and one that is half as far above the 1.5B as that is above the 0.5B.
MODELS = {
    "openai/simulated-small": SimulatedModel(-2.09, (0.05, 0.1)),
    "openai/simulated-medium": SimulatedModel(2.75, (0.15, 0.6)),
    "openai/simulated-large": SimulatedModel(5.17, (2.5, 10.0)),
}

STUDIES: Mapping[str, StudySpec] = {
    "TPE, racing, shared samples": StudySpec(sampler="tpe", trials=TRIALS),
    "TPE, asha, shared samples": StudySpec(sampler="tpe", trials=TRIALS, racing="asha"),
    "TPE, everything anew": StudySpec(sampler="tpe", trials=TRIALS, racing="off", surrogate=False),
    "random, everything anew": StudySpec(sampler="random", trials=TRIALS, racing="off", surrogate=False),
    # About as many evaluations as racing makes.
    "random, a tenth, anew": StudySpec(sampler="random", trials=TRIALS // 10, racing="off", surrogate=False),
    "greedy, everything anew": StudySpec(sampler="greedy", trials=TRIALS, racing="off", surrogate=False, parallel=1),
}


@dataclass(frozen=True)
class Found:
    """What one study came to in one world."""

    regret: float
    accuracy: float
    apparent: float
    evaluations: float
    paid: int
    trials: int


async def search(space: Space, spec: StudySpec, evaluator: Evaluator, unseen: World, best: float, size: int) -> Found:
    """Run one study and measure its winner."""
    study = Study(space, lambda architecture: None, evaluator, spec, create_study(spec))
    history = await study.run()
    winner = history.best
    assert winner is not None
    accuracy, _ = unseen.truth(winner.architecture, MEASURED_ON)
    evaluations = study.progress.evaluations / (size * PROBLEMS)
    progress = study.progress
    return Found(best - accuracy, accuracy, winner.accuracy, evaluations, progress.paid, progress.trials)


def search_over_http(spec: StudySpec, world: World, unseen: World, best: float, size: int) -> Found:
    """Run one study on endpoints of the world, with a sample store of its own."""
    endpoints = Endpoints(world)

    def script(body: dict[str, Any]) -> Answer:
        for remembered in (server.bodies, server.heads, server.answered):
            remembered.clear()
        return endpoints(body)

    with serve(script) as server, tempfile.TemporaryDirectory() as directory:
        os.environ |= {"SIMULATED_URL": server.base_url, "OPENAI_API_KEY": "none"}
        store = SampleStore(Path(directory) / "samples.sqlite")
        try:
            evaluator = BenchmarkEvaluator(problem_set(world.problems), store=store)
            return asyncio.run(search(Space.load(SPACE), spec, evaluator, unseen, best, size))
        finally:
            store.close()


def exhaustive(unseen: World, architectures: Sequence[Architecture]) -> float:
    """The truth about the best that costs no more than the ceiling: chosen on one half, measured on the other."""
    found = [unseen.truth(architecture, CHOSEN_ON) for architecture in track(architectures, "all", transient=True)]
    best = max(range(len(found)), key=lambda i: (found[i][1] <= CEILING, found[i][0]))
    return unseen.truth(architectures[best], MEASURED_ON)[0]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95 % interval, which one value does not have."""
    if len(values) == 1:
        return values[0], math.nan
    return float(np.mean(values)), float(1.96 * np.std(values, ddof=1) / math.sqrt(len(values)))


def number(option: str, default: int) -> int:
    """The number after an option of the command line."""
    return int(sys.argv[sys.argv.index(option) + 1]) if option in sys.argv else default


def main() -> None:
    """Print the table and the JSON."""
    quick = "--quick" in sys.argv
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    space = Space.load(SPACE)
    settings = list(space.enumerate())
    every = 40 if quick else 1
    architectures = [space.build(params) for params in track(settings[::every], "building", transient=True)]
    size = len(settings)
    unseen = World(UNSEEN_SEED, 0, MODELS, unseen=UNSEEN)
    best = exhaustive(unseen, architectures)
    found: dict[str, list[Found]] = {name: [] for name in STUDIES}
    seeds = range(2 if quick else number("--seeds", SEEDS))
    fewer = 5 if quick else 1
    for seed in track(seeds, "seeds", transient=True):
        for name, spec in STUDIES.items():
            given = spec.model_copy(update={"seed": seed, "trials": spec.trials // fewer, "ceiling": CEILING})
            world = World(seed, PROBLEMS, MODELS, share="anew" not in name)
            found[name].append(asyncio.run(search(space, given, world, unseen, best, size)))
            print(f"seed {seed}: {name}: {100 * found[name][-1].regret:.2f} points below", file=sys.stderr)
    first, spec = next(iter(STUDIES.items()))
    for seed in track(range(number("--http", 0)), "over HTTP", transient=True):
        given = spec.model_copy(update={"seed": seed, "trials": spec.trials // fewer, "ceiling": CEILING})
        name = f"{first}, over HTTP"
        found.setdefault(name, []).append(search_over_http(given, World(seed, PROBLEMS, MODELS), unseen, best, size))
        print(f"seed {seed}: {name}: {100 * found[name][-1].regret:.2f} points below", file=sys.stderr)
    table = Table(
        "study",
        title=f"Simulated: {size:,} architectures, {PROBLEMS} problems a seed; "
        f"the best of all is right on {100 * best:.1f} %",
    )
    for heading in ("seeds", "points below the best", "evaluations, % of all", "calls paid", "looked like", "was"):
        table.add_column(heading, justify="right")
    data = {}
    for name, results in found.items():
        regret, half_width = interval([100 * f.regret for f in results])
        row = {
            "seeds": len(results),
            "points_below_best": regret,
            "half_width": half_width,
            "evaluations": float(np.mean([f.evaluations for f in results])),
            "paid": float(np.mean([f.paid for f in results])),
            "apparent": float(np.mean([f.apparent for f in results])),
            "accuracy": float(np.mean([f.accuracy for f in results])),
            "trials": float(np.mean([f.trials for f in results])),
        }
        data[name] = row
        table.add_row(
            name,
            str(len(results)),
            f"{regret:.2f} ± {half_width:.2f}",
            f"{100 * row['evaluations']:.2f}",
            f"{row['paid']:,.0f}",
            f"{100 * row['apparent']:.1f}",
            f"{100 * row['accuracy']:.1f}",
        )
    Console(width=120).print(table)
    print(json.dumps({"best": best, "studies": data}, indent=1))


if __name__ == "__main__":
    main()
