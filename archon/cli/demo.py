"""``archon demo``: three architectures on the same problems, on a real model that needs no key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from archon.architecture import Architecture
from archon.cli.console import progress
from archon.cli.models import pull_with_progress
from archon.cli.run import execute, report
from archon.errors import ConfigError
from archon.models.catalogue import find
from archon.questions import Question
from archon.runs import RunDirectory
from archon.source import load_architecture
from archon.state import Task
from evals.sources import GymSource

MODEL = "qwen2.5-coder-1.5b"
FAMILY = "gsm_symbolic"
LONGEST, LARGEST = 200, 100
ARCHITECTURES = ("single", "vote", "stack")


def demo(
    questions: Annotated[int, typer.Option(min=1, help="How many problems.")] = 6,
    model: Annotated[str, typer.Option(help="A local model.")] = MODEL,
    seed: Annotated[int, typer.Option(help="Decides the problems and every draw.")] = 0,
    configs: Annotated[Path, typer.Option(help="Where the architectures are.")] = Path("configs/architectures"),
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Compare one sample, a vote and a stack of techniques on a small local model."""
    weights = find(model)
    progress().print(f"Fetching {weights.name} ({weights.size / 1e6:,.0f} MB) unless it is here already.")
    pull_with_progress(weights)
    problems = list(islice(small_problems(seed), questions))
    architectures = [_load(configs / f"{name}.yaml", model) for name in ARCHITECTURES]
    # Without the sample store, so that the seconds of one architecture owe nothing to another.
    settings = {"seed": seed, "budget": None, "family": FAMILY, "model": model, "store": None}
    directory = RunDirectory.create(runs, architectures, problems, settings)
    outcomes = execute(directory, None)
    title = f"{questions} short word problems ({FAMILY}), local/{model}"
    return report(outcomes, directory.path, json=json, title=title)


def small_problems(seed: int) -> Iterator[Question]:
    """Problems with which a model that runs on two cores has a chance: a short text, a whole number up to 100."""
    for row in GymSource(family=FAMILY).rows(seed=seed, folder=Path()):
        question, answer = row.values["question"], row.values["answer"]
        if len(question) <= LONGEST and answer.isdecimal() and int(answer) <= LARGEST:
            yield Question(Task.of(question, id=row.values["id"]), answer)


def _load(path: Path, model: str) -> Architecture:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; run the demo in a checkout, or say --configs.")
    roles = load_architecture(path).models
    return load_architecture(path, [f"models.{role}.use=local/{model}" for role in roles])
