"""``archon benchmarks``: what there is, and a problem of one as it would be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from archon.answers import answer_format_to_data
from archon.cli.console import output, print_json
from archon.errors import ConfigError
from evals.benchmark import Benchmark, list_benchmarks, load_benchmark, parse_data
from evals.graders.base import Problem

app = typer.Typer(help="Benchmarks: list them, look at one.", rich_markup_mode=None)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="NAME=FILE", help="Read the rows of this benchmark from a file of yours."),
]


@app.callback(invoke_without_command=True)
def benchmarks(context: typer.Context) -> None:
    """List benchmarks, or show a problem of one as it would be asked."""
    if context.invoked_subcommand is None:
        list_all()


@app.command("list")
def list_all(data: DataOption = None, json: JsonFlag = False) -> None:
    """List the benchmarks that come with Archon."""
    given = parse_data(data or ())
    listed = list_benchmarks(given)
    _check(given, listed)
    if json:
        print_json([_facts(benchmark) for benchmark in listed])
        return
    table = Table("benchmark", "problems", "rows from", "answer", "grader", "licence of the data")
    for benchmark in listed:
        table.add_row(
            benchmark.name if not benchmark.card.source.needs_part else f"{benchmark.name}/…",
            _count(benchmark),
            "a local file" if benchmark.local else benchmark.card.source.kind,
            benchmark.answer.kind,
            benchmark.card.grader_kind,
            benchmark.card.licence,
        )
    output().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Such as gsm8k, bbh/navigate, or the file of a card.")],
    data: DataOption = None,
    seed: Annotated[int, typer.Option(help="Decides which problem is shown.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Show one problem of a benchmark as it would be asked, and what is known of the benchmark."""
    given = parse_data(data or ())
    benchmark = load_benchmark(name, given)
    _check(given, [benchmark])
    (problem,) = benchmark.problems(limit=1, seed=seed)
    if json:
        print_json({**_facts(benchmark), "problem": _problem(problem)})
        return
    output().print(_shown(benchmark, problem), soft_wrap=True)


def _check(given: dict[str, Path], meant: list[Benchmark]) -> None:
    """Make sure that every file that was given belongs to a benchmark that is looked at.

    Raises:
        ConfigError: One does not; its rows would silently not be used.
    """
    names = [name for b in meant for name in (b.name, *(f"{b.name}.{table}" for table in b.card.beside))]
    cards = {b.card.name for b in meant}
    for name in given:
        if name not in names and not (len(meant) > 1 and name.partition("/")[0] in cards):
            raise ConfigError(f"--data {name}={given[name]}: '{name}' is not looked at; named are {', '.join(names)}.")


def _count(benchmark: Benchmark) -> str:
    if benchmark.local:
        return "as in the file"
    if benchmark.card.source.endless:
        return f"{benchmark.card.source.known_size} or any"
    return "not known" if benchmark.card.problems is None else f"{benchmark.card.problems:,}"


def _facts(benchmark: Benchmark) -> dict[str, Any]:
    card = benchmark.card
    return {
        "name": benchmark.name,
        "title": card.title,
        "description": card.description,
        "card": str(benchmark.path),
        "problems": card.source.known_size if card.source.endless else card.problems,
        "source": card.model_dump(mode="json")["source"],
        "local": None if benchmark.local is None else str(benchmark.local),
        "answer": answer_format_to_data(card.answer),
        "grader": card.grader,
        "judge": None if card.judge is None else card.judge.model_dump(mode="json", exclude_defaults=True),
        "licence": card.licence,
        "homepage": card.homepage,
        "paper": card.paper,
        "expert_dollars": card.expert_dollars,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "id": problem.id,
        "messages": [{"role": message.role, "content": message.content} for message in problem.messages],
        "reference": problem.reference,
        "fields": sorted(problem.fields),
        "follow_ups": list(problem.follow_ups),
        "group": problem.group,
    }


def _shown(benchmark: Benchmark, problem: Problem) -> Group:
    """The facts in a grid, then the turns as they are sent."""
    card = benchmark.card
    grid = Table.grid(padding=(0, 2, 0, 0))
    facts = {
        "about": card.description,
        "problems": _count(benchmark),
        "answer": benchmark.answer.kind,
        "grader": card.grader_kind + (f", asking {card.judge.use}" if card.judge else ""),
        "expert": "" if card.expert_dollars is None else f"${card.expert_dollars:g} per problem",
        "licence": card.licence,
        "paper": card.paper,
        "homepage": card.homepage,
    }
    for key, fact in facts.items():
        if fact:
            grid.add_row(Text(key, "dim"), Text(fact))
    turns: list[tuple[str, str]] = [(message.role, message.content) for message in problem.messages]
    turns += [("user, after the answer", turn) for turn in problem.follow_ups]
    said = [part for role, content in turns for part in (Text(f"\n{role}", "bold"), Text(content))]
    end = [Text(f"\nright answer: {problem.reference}")] if problem.reference is not None else []
    end += [Text(f"{'' if end else chr(10)}the grader also sees: {', '.join(sorted(problem.fields))}", "dim")]
    return Group(Text(f"{card.title} ({benchmark.name}), problem {problem.id}", "bold"), grid, *said, *end)
