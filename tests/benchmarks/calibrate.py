"""Fits the simulated world to real samples, and compares what it says with what was seen.

Intervals of the numbers are standard errors of a bootstrap over problems. The comparison shows accuracies of whole
architectures. The fit never saw majorities; the others it knows from single samples, pairs in order, and fusions.

    python -m tests.benchmarks.calibrate [--drawn drawn.jsonl]
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from archon.architecture import Architecture
from search.laws import Laws, Line, SimulatedModel
from search.simulated import World
from tests.benchmarks import fits
from tests.benchmarks.draw import OUT
from tests.benchmarks.fits import JUDGES, Row, of_stage

RESAMPLES, PROBLEMS = 100, 20_000
Fit = tuple[dict[str, float], Laws]


def fit(rows: Sequence[Row]) -> Fit:
    """The abilities of the two models and the numbers of the world."""
    solved = fits.solving(rows)
    common, own = fits.popularity(*fits.agreement(rows))
    scores = {judge: fits.scoring(rows, judge) for judge in JUDGES}
    # A scorer's noise that comes again stands for that of every judge: nobody else was asked about one answer twice.
    lasting = float(np.mean([share for share, *_ in scores.values()]))
    verified = {judge: fits.lenient(rows, judge) for judge in JUDGES}
    alone = fits.alone(rows)

    def line(value: Callable[[str], float]) -> Line:
        return fits.line(solved.abilities, {judge: value(judge) for judge in JUDGES})

    def rising(value: Callable[[str], float]) -> Line:
        return fits.rising(solved.abilities, {judge: value(judge) for judge in JUDGES})

    with_remarks = {row["problem"] for row in of_stage(rows, "critique")}
    same = [row for row in rows if row["problem"] in with_remarks]
    remark = [fits.apart(same, "critique", judge) - fits.apart(same, "rank", judge) for judge in JUDGES]
    return dict(solved.abilities), Laws(
        difficulty=solved.difficulty,
        quirk=solved.quirk,
        warmth=solved.warmth,
        common=common,
        own=own,
        score=rising(lambda judge: fits.apart(rows, "score", judge)),
        rank=rising(lambda judge: fits.apart(rows, "rank", judge)),
        verify=rising(lambda judge: verified[judge][0]),
        fuse=rising(lambda judge: fits.taking_up(rows, judge, alone, lasting)),
        lasting=lasting,
        remark=float(np.mean(remark)),
        leniency=line(lambda judge: verified[judge][1]),
        alone=alone,
        middle=line(lambda judge: scores[judge][1]),
        unit=line(lambda judge: scores[judge][2]),
    )


def resampled(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows with problems drawn with replacement."""
    rng = np.random.default_rng(0)
    problems = sorted({row["problem"] for row in rows})
    by_problem = {problem: [row for row in rows if row["problem"] == problem] for problem in problems}
    for _ in range(RESAMPLES):
        chosen = rng.choice(len(problems), len(problems))
        yield [row for place in chosen for row in by_problem[problems[place]]]


def flat(found: Fit) -> dict[str, float]:
    """All numbers by name; of lines, what both models come to."""
    abilities, laws = found
    numbers = {f"ability of the {model}": ability for model, ability in abilities.items()}
    for name in Laws.__dataclass_fields__:
        value = getattr(laws, name)
        if isinstance(value, Line):
            numbers |= {f"{name}, {model}": value(ability) for model, ability in abilities.items()}
        else:
            numbers[name] = value
    return numbers


MIXED = [{"generate": {"model": model, "n": 2, "temperature": 0.7}} for model in JUDGES]


def seen(rows: Sequence[Row]) -> Iterator[tuple[str, list[float], list[Any]]]:
    """Architectures with what they came to on every problem: seen, or worked out from what was drawn."""
    for model in JUDGES:
        for temperature in (0.7, 0.2):
            drawn = of_stage(rows, "draw", model=model, temperature=temperature)
            single = {"generate": {"model": model, "temperature": temperature}}
            right = [float(np.mean([c[2] for c in row["candidates"]])) for row in drawn]
            yield f"one of the {model} at {temperature}", right, [single]
        drawn = of_stage(rows, "draw", model=model, temperature=0.7)
        several = {"generate": {"model": model, "n": 6, "temperature": 0.7}}
        yield f"vote of 6 of the {model}", [voted(row, lambda c: 1.0) for row in drawn], [several, "vote"]
    mixed = of_stage(rows, "score", judge="small")
    yield "vote of 2 and 2", [voted(row, lambda c: 1.0) for row in mixed], [MIXED, "vote"]
    for judge in JUDGES:
        scored = of_stage(rows, "score", judge=judge)
        score = {"score": {"reward": {"logprob": {"model": judge}}}}
        best = [float(max(row["candidates"], key=lambda c: c[3] or 0.0)[2]) for row in scored]
        yield f"best of 2 and 2 by the {judge}", best, [MIXED, {"score": {**score["score"], "keep": 1}}]
        weighted = [voted(row, lambda c: c[3] or 0.0) for row in scored]
        yield f"vote of 2 and 2 weighted by the {judge}", weighted, [MIXED, score, {"vote": {"weighted": True}}]
        rank, fuse = {"rank": {"model": judge, "keep": 1}}, {"fuse": {"model": judge}}
        yield f"2 and 2 ranked by the {judge}", first(rows, "rank", judge), [MIXED, rank]
        yield f"2 and 2 fused by the {judge}", first(rows, "fuse", judge), [MIXED, fuse]
        critique = {"critique": {"model": judge}}
        yield f"2 and 2 criticised, ranked by the {judge}", first(rows, "critique", judge), [MIXED, critique, rank]


def first(rows: Sequence[Row], stage: str, judge: str) -> list[float]:
    """Whether the first candidate is right, for every problem."""
    return [float(row["candidates"][0][2]) for row in of_stage(rows, stage, judge=judge)]


def voted(row: Row, weight: Callable[[Any], float]) -> float:
    """How likely a vote is to choose a right answer: ties are broken at random."""
    votes: Counter[str] = Counter()
    right = {}
    for candidate in row["candidates"]:
        if candidate[1] is not None:
            votes[candidate[1]] += weight(candidate)  # type: ignore[assignment]
            right[candidate[1]] = float(candidate[2])
    winners = [answer for answer, count in votes.items() if count == max(votes.values())]
    return float(np.mean([right[answer] for answer in winners])) if winners else 0.0


def architecture(layers: Sequence[Any]) -> Architecture:
    """An architecture of the two models."""
    models = {model: {"use": f"openai/{model}"} for model in JUDGES}
    return Architecture.model_validate({"name": "seen", "models": models, "layers": layers, "answer": "math"})


def main() -> None:
    """Print both tables and the JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--drawn", type=Path, default=OUT)
    rows = [json.loads(line) for line in parser.parse_args().drawn.read_text(encoding="utf-8").splitlines()]
    found = fit(rows)
    samples = [flat(fit(some)) for some in track(list(resampled(rows)), "bootstrap", transient=True)]
    problems = len({row["problem"] for row in rows})
    table = Table("number", title=f"Fitted to {problems} problems; ± one standard error")
    table.add_column("fit", justify="right")
    table.add_column("±", justify="right")
    errors = {name: float(np.std([sample[name] for sample in samples], ddof=1)) for name in samples[0]}
    for name, value in flat(found).items():
        table.add_row(name, f"{value:.2f}", f"{errors[name]:.2f}")
    console = Console(width=100)
    console.print(table)
    abilities, laws = found
    models = {f"openai/{model}": SimulatedModel(ability, (0.0, 0.0)) for model, ability in abilities.items()}
    world = World(0, 0, models, unseen=PROBLEMS, laws=laws)
    compared = Table("architecture", title="Accuracy seen, and in the world so fitted")
    for heading in ("n", "seen, %", "world, %", "difference, in standard errors"):
        compared.add_column(heading, justify="right")
    data = []
    for name, scores, layers in seen(rows):
        accuracy, error = float(np.mean(scores)), float(np.std(scores, ddof=1)) / math.sqrt(len(scores))
        said, _ = world.truth(architecture(layers))
        off = (accuracy - said) / error
        data.append([name, len(scores), accuracy, error, said, off])
        shown = f"{100 * accuracy:.1f} ± {100 * error:.1f}"
        compared.add_row(name, str(len(scores)), shown, f"{100 * said:.1f}", f"{off:+.1f}")
    console.print(compared)
    print(laws)
    print(json.dumps({"fit": flat(found), "errors": errors, "architectures": data}, indent=1))


if __name__ == "__main__":
    main()
