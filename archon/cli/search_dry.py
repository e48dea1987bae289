"""``archon search --dry-run``: what a search space holds, and what searching it would cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.progress import Progress
from rich.table import Table

from archon.cli.console import output, print_json, progress
from archon.estimate import ASSUMPTIONS, Figures, figures_to_data
from archon.observed import Profile
from archon.questions import Fields, read_questions
from archon.state import Task
from search.census import Census, Expense, census, expense
from search.space import Space

# Enough for a mean; every one of them is walked twice.
ESTIMATED = 400
QUESTION_CHARACTERS = 200
PROBLEMS = 100


def dry_run(
    space: Path,
    *,
    questions_file: Path | None,
    question_field: str,
    limit: int | None,
    problems: int | None,
    trials: int,
    most: int,
    sample: int,
    seed: int,
    json: bool,
) -> None:
    """Print the size of a space and what a study of it is expected to cost; no model is asked."""
    loaded = Space.load(space)
    questions = None if questions_file is None else read_questions(questions_file, Fields(question_field), limit)
    tasks = [Task.of("x" * QUESTION_CHARACTERS, id="1")] if questions is None else [q.task for q in questions]
    per_trial = problems or (PROBLEMS if questions is None else len(tasks))
    with looking() as told:
        counted = census(loaded, most=most, sample=sample, seed=seed, progress=told)
    chosen = counted.kept
    if len(chosen) > ESTIMATED:
        chosen = tuple(Random(seed).sample(chosen, ESTIMATED))
    costs = expense(chosen, tasks, Profile.load())
    if json:
        print_json(_data(loaded, counted, costs, per_trial, trials, assumed=questions is None))
        return
    output().print(_space_table(loaded, counted))
    output().print(_cost_table(costs, per_trial, trials, assumed=questions is None))


@contextmanager
def looking() -> Iterator[Any]:
    """A bar for the look at a space; what it gives is told how many architectures are done, of how many."""
    console = progress()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at architectures", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _space_table(space: Space, counted: Census) -> Table:
    """What there is and what the rules leave of it."""
    table = _table(f"{space.name}: {len(space.parameters)} parameters")
    table.add_column("settings", overflow="fold")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("for example", overflow="fold")
    about = "" if counted.exact else "≈ "
    table.add_row("all", _count(counted.size), "", space.description)
    for rule, share in counted.pruned.items():
        table.add_row(
            f"turned down by {rule}", about + _count(share * counted.size), _percent(share), counted.reasons[rule]
        )
    table.add_section()
    table.add_row("valid", about + _count(counted.valid), _percent(counted.share), "")
    if counted.exact:
        table.caption = f"They make {counted.distinct:,} different architectures."
    else:
        low, high = counted.interval
        table.caption = (
            f"Estimated from {counted.looked_at:,} settings: {_percent(low)} to {_percent(high)} are valid with 95 % "
            "confidence."
        )
    return table


def _cost_table(costs: Expense, problems: int, trials: int, *, assumed: bool) -> Table:
    """One question, one evaluation and the study."""
    table = _table("Expected cost")
    table.add_column("")
    for heading in ("calls", "samples", "tokens in", "tokens out", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("a question, cheapest architecture", *_cells(costs.least))
    table.add_row("a question, dearest architecture", *_cells(costs.most))
    table.add_row("a question, on average", *_cells(costs.mean))
    table.add_section()
    table.add_row(f"an evaluation ({problems:,} problems)", *_cells(costs.mean.times(problems)))
    table.add_row(f"a study ({trials:,} evaluations)", *_cells(costs.mean.times(problems * trials)))
    said = [f"The average is over {costs.architectures:,} architectures, every sample bought anew."]
    if assumed:
        said.append(f"Questions are taken to have {QUESTION_CHARACTERS} characters; --input tells how long they are.")
    if costs.unknown:
        said.append(f"{costs.unknown:,} of them have a technique that does not say what it asks; it is not counted.")
    table.caption = "\n".join([*said, f"Assumed where nothing was observed: {ASSUMPTIONS}."])
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )


def _cells(figures: Figures) -> list[str]:
    numbers = (figures.calls, figures.samples, figures.prompt, figures.completion)
    return [*(f"{n:,.0f}" if n >= 100 or n == round(n) else f"{n:.1f}" for n in numbers), _dollars(figures)]


def _dollars(figures: Figures) -> str:
    if figures.unpriced >= figures.calls > 0:
        return "unknown"
    return ("≥ " if figures.unpriced else "") + f"${figures.dollars:,.4f}"


def _count(value: float) -> str:
    return "no end" if math.isinf(value) else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _data(
    space: Space, counted: Census, costs: Expense, problems: int, trials: int, *, assumed: bool
) -> dict[str, Any]:
    """The same as JSON values; what has no end is ``null``."""
    return {
        "space": space.name,
        "parameters": [{"name": p.name, "values": str(p.domain), "when": p.when} for p in space.parameters],
        "rules": {rule.name: {"doc": rule.doc, **rule.model_dump(mode="json")} for rule in space.rules},
        "size": _finite(counted.size),
        "looked_at": counted.looked_at,
        "exact": counted.exact,
        "valid": _finite(counted.valid),
        "valid_share": counted.share,
        "valid_share_interval": list(counted.interval),
        "distinct": counted.distinct if counted.exact else None,
        "pruned": {
            rule: {"share": share, "settings": _finite(share * counted.size), "example": counted.reasons[rule]}
            for rule, share in counted.pruned.items()
        },
        "per_question": {
            "mean": figures_to_data(costs.mean),
            "cheapest": figures_to_data(costs.least),
            "dearest": figures_to_data(costs.most),
            "architectures": costs.architectures,
            "unknown": costs.unknown,
            "length_assumed": assumed,
        },
        "per_evaluation": {"problems": problems, **figures_to_data(costs.mean.times(problems))},
        "per_study": {"trials": trials, **figures_to_data(costs.mean.times(problems * trials))},
        "assumptions": ASSUMPTIONS,
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else round(value)
