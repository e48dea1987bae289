"""What searches over steps buy with tokens and reward passes, on a simulated reasoner with a more or less noisy reward.

Simulated: :class:`archon.testing_reasoning.Reasoner` is a model of laws and load, not evidence about any language
model. Every seed stands for a few problems of its own length and difficulty, the same for all searches; they are hard
ones, which an answer in one go hardly ever gets right, and an error in the reward stays for several steps. Intervals
are of 95 %: of the mean over seeds, and for ratios by resampling seeds.

    python -m tests.benchmarks.stepwise [--quick]
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from archon.stepwise import Partial
from archon.testing_reasoning import MARGIN, Reasoner
from techniques.stepwise.a_star import a_star, waiting
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.beam_search import beam_search
from techniques.stepwise.dvts import dvts
from techniques.stepwise.particle_filter import particle_filter
from techniques.stepwise.posterior import log_potential
from techniques.stepwise.search import Exhausted, Limit, Search
from techniques.stepwise.step_best_of_n import step_best_of_n

SEEDS, PROBLEMS = 150, 3
NOISES = (0.5, 1.0, 2.0, 3.0, 5.0)
DEPTHS, RIGHT = (4, 10), (0.25, 0.6)
PERSISTENCE = 0.8
STAR = "A*, weight 16, again 1, size k"
COMPARED = (8, 16, 32)
RESAMPLED = 1000

Run = Callable[[Search, int], Awaitable[Sequence[Partial]]]
Array = NDArray[np.float64]


async def best_of_n(search: Search, n: int) -> list[Partial]:
    """Draw whole answers and score each once."""
    (answers,) = await search.extend([(search.root, n)])
    while any(answer.open for answer in answers):
        families = await search.extend([(answer, 1) for answer in answers])
        answers = [answer for family in families for answer in family]
    scored = await search.score(answers)
    return best_first([answer for answer in scored if answer is not None], "last")


async def particles(search: Search, n: int) -> list[Partial]:
    """As in Puri et al. 2025, but resampled systematically."""
    population = await particle_filter(search, n, log_potential("odds"))
    return best_first([path[-1] for path in population.paths], "last")


def star(weight: float, again: float | None = None) -> Run:
    """A* with so much weight on the reward, beginnings waiting again at so much more."""

    async def run(search: Search, k: int) -> list[Partial]:
        return await a_star(search, waiting(search, weight), k=k, cost="1-r", again=again)

    return run


@dataclass(frozen=True)
class Way:
    """A search and the sizes it is tried with.

    Attributes:
        run: The search.
        sizes: What it takes for its size.
        calls: The most steps it may draw.
    """

    run: Run
    sizes: tuple[int, ...]
    calls: int | None = None


WAYS = {
    "best of n": Way(best_of_n, (1, 4, 16, 64)),
    "beam search, m = 4": Way(lambda search, n: beam_search(search, n=n, m=4), (4, 8, 16, 32)),
    "particle filter": Way(particles, (4, 8, 16, 32)),
    "A*, weight 1, size k": Way(star(1.0), (4, 8), 256),
    "A*, weight 16, size k": Way(star(16.0), (3, 4, 6, 8, 12), 256),
    STAR: Way(star(16.0, 1.0), (1, 2, 4, 8, 12), 256),
    "dvts, m = 4": Way(lambda search, n: dvts(search, n=n, m=4), (8, 32)),
    "best step of n": Way(step_best_of_n, (4, 16)),
}


@dataclass(frozen=True)
class Measured:
    """What one search of one size came to, the mean of each seed."""

    size: int
    right: Array
    tokens: Array
    calls: Array
    passes: Array


async def once(way: Way, size: int, noise: float, problem: int) -> tuple[float, ...]:
    """One search on one problem: right or not, tokens, calls, passes."""
    rng = random.Random(f"problem {problem}")
    depth, right = rng.randint(*DEPTHS), rng.uniform(*RIGHT)
    reasoner = Reasoner(
        depth, right=right, noise=noise, persistence=PERSISTENCE, seed=problem, draws=problem * 1000 + size
    )
    search = Search(reasoner, reasoner, rng=random.Random(problem), limit=Limit(calls=way.calls))
    try:
        found = await way.run(search, size)
    except Exhausted:
        found = search.answers()
    correct = bool(found) and reasoner.correct(found[0])
    return float(correct), search.spent.tokens, search.spent.calls, search.spent.passes


async def measure(way: Way, size: int, noise: float, seeds: int) -> Measured:
    """All problems of all seeds."""
    rows = [await once(way, size, noise, problem) for problem in range(seeds * PROBLEMS)]
    by_seed = np.array(rows).reshape(seeds, PROBLEMS, 4).mean(axis=1)
    return Measured(size, *by_seed.T)


def interval(values: Array) -> tuple[float, float]:
    """The mean of independent seeds and half of its 95 % interval."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / math.sqrt(len(values)))


def price(accuracies: Sequence[float], costs: Sequence[float], target: float) -> float:
    """What reaching an accuracy costs, between the sizes tried on a straight line; infinite where none reaches it."""
    points = sorted(zip(costs, accuracies, strict=True))
    before: tuple[float, float] | None = None
    for cost, reached in points:
        if reached >= target:
            if before is None:
                return cost
            share = (target - before[1]) / (reached - before[1])
            return before[0] + share * (cost - before[0])
        # Spending more for less is nobody's choice.
        before = (cost, reached) if before is None or reached > before[1] else before
    return math.inf


def ratio(ours: Sequence[Measured], theirs: Sequence[Measured], what: str) -> dict[str, float]:
    """How our cost compares with theirs at an accuracy that both reach, with its 95 % interval."""
    target = 0.97 * min(max(m.right.mean() for m in side) for side in (ours, theirs))
    seeds = len(ours[0].right)

    def at(places: NDArray[np.intp]) -> float:
        prices = [
            price([m.right[places].mean() for m in side], [getattr(m, what)[places].mean() for m in side], target)
            for side in (ours, theirs)
        ]
        return prices[0] / prices[1] if all(map(math.isfinite, prices)) else math.nan

    rng = np.random.default_rng(0)
    resampled = [at(rng.integers(seeds, size=seeds)) for _ in range(RESAMPLED)]
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return {"accuracy": float(target), "ratio": at(np.arange(seeds)), "low": float(low), "high": float(high)}


def compare(measured: Mapping[str, Sequence[Measured]]) -> dict[str, Any]:
    """The figures on the claims, at one level of noise."""
    beams, filtered = measured["beam search, m = 4"], measured["particle filter"]
    pairs = [(beam, particle) for beam in beams for particle in filtered if beam.size == particle.size]
    gains = {particle.size: interval(particle.right - beam.right) for beam, particle in pairs}
    stars = {name: measured[name] for name in measured if name.startswith("A*")}
    return {
        "tokens of A* / best of n": {n: ratio(m, measured["best of n"], "tokens") for n, m in stars.items()},
        "passes of A* / particle filter": {n: ratio(m, filtered, "passes") for n, m in stars.items()},
        "particle filter - beam search, by n": gains,
    }


def claims(results: Sequence[Mapping[str, Any]]) -> Table:
    """What the comparisons come to at every level of noise, with their intervals."""

    def ranged(what: Mapping[str, float]) -> str:
        return f"{what['ratio']:.2f} ({what['low']:.2f} to {what['high']:.2f}) at {what['accuracy']:.2f}"

    table = Table("noise", title="At equal accuracy, and at equal n; 95 % intervals")
    for heading in ("tokens, A* / best of n", "passes, A* / particle filter"):
        table.add_column(heading)
    for n in COMPARED:
        table.add_column(f"particles - beams, n = {n}", justify="right")
    for found in results:
        tokens, passes, gains = (found[name] for name in found if name != "noise")
        differences = [f"{gains[n][0]:+.3f} ± {gains[n][1]:.3f}" for n in COMPARED]
        table.add_row(f"{found['noise']:g}", ranged(tokens[STAR]), ranged(passes[STAR]), *differences)
    return table


def main() -> None:
    """Print the tables and the JSON."""
    seeds = SEEDS // 5 if "--quick" in sys.argv else SEEDS
    table = Table("noise", "search", "size", title=f"Simulated: {seeds} seeds of {PROBLEMS} problems")
    for heading in ("accuracy", "tokens", "steps drawn", "reward passes"):
        table.add_column(heading, justify="right")
    results = []
    for noise in NOISES:
        # How often a sound text has a higher reward than a faulty one.
        ranked = 0.5 * (1 + math.erf(2 * MARGIN / noise / 2))
        table.add_section()
        measured: dict[str, list[Measured]] = {}
        for name, way in WAYS.items():
            measured[name] = [asyncio.run(measure(way, size, noise, seeds)) for size in way.sizes]
            for m in measured[name]:
                mean, half = interval(m.right)
                spent = [f"{values.mean():,.0f}" for values in (m.tokens, m.calls, m.passes)]
                table.add_row(f"{noise:g} ({ranked:.2f})", name, str(m.size), f"{mean:.3f} ± {half:.3f}", *spent)
        results.append({"noise": noise, **compare(measured)})
    console = Console(width=170)
    console.print(table)
    console.print(claims(results))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
