"""``archon tree``: what a search over steps looked at, and what it decided for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from archon.cli.console import output, print_json, progress
from archon.errors import ConfigError
from archon.runs import read_records, read_settings
from archon.suggest import nearest, unknown
from archon.tree import SearchTree, View, read_trees, view
from archon.treedraw import shortened, to_dot, to_svg
from evals.directory import ABOUT, read_about, trace_files
from evals.records_io import RECORDS, read_jsonl

MOST = 40
WIDEST = 100
LISTED = 10


class Narrow(Tree):
    """A tree whose levels take two columns each, so that deep ones fit."""

    ASCII_GUIDES = ("  ", "| ", "+ ", "` ")
    TREE_GUIDES = [("  ", "│ ", "├╴", "└╴"), ("  ", "┃ ", "┣╸", "┗╸"), ("  ", "║ ", "╠═", "╚═")]  # noqa: RUF012


def tree(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run or of an evaluation.")],
    question: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION",
            help="The id of a question; of an evaluation that of a problem, with #1 its repetition 1.",
        ),
    ],
    benchmark: Annotated[
        str | None, typer.Option(help="Look at this benchmark of an evaluation, the first one if left out.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="Show the tree of this architecture alone.")] = None,
    layer: Annotated[str | None, typer.Option(help="Show the tree of this layer alone, such as 0.beam_search.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Show at most so many steps, 0 for all; {MOST}, in files all.")
    ] = None,
    dot: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tree for Graphviz.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the tree.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show the tree that a search over the steps of an answer has left."""
    if (run / ABOUT).is_file():
        trees, said = _of_evaluation(run, question, benchmark)
    elif benchmark is not None:
        raise ConfigError(
            f"--benchmark {benchmark}: {run} is not the directory of an evaluation and has no benchmarks."
        )
    else:
        trees, said = _of_run(run, question)
    trees = _chosen(trees, architecture, layer)
    if json:
        print_json([found.to_data() for found in trees])
    for path, what in ((svg, "picture"), (dot, "file")):
        if path is None:
            continue
        if len(trees) > 1:
            raise ConfigError(
                f"one {what} holds one tree, and question '{question}' has {len(trees)}: {_named(trees)}; "
                "choose with --architecture or --layer."
            )
        (found,) = trees
        part = view(found, limit or None)
        drawn = to_dot(part, _title(found)) if path is dot else to_svg(part, _title(found), _about(found))
        _write(path, drawn)
    if json or svg or dot:
        return
    for found in trees:
        part = view(found, MOST if limit is None else limit or None)
        console = output()
        console.print(_picture(part, said.get(found.architecture, "")), width=min(console.width, WIDEST))


def _of_run(run: Path, question: str) -> tuple[list[SearchTree], dict[str, str]]:
    """The trees of a question, and what each architecture was asked.

    Raises:
        ConfigError: There is no such run, no such question or no tree.
    """
    if not (run / "run.json").is_file():
        beside = sorted(path.parent.name for file in ("run.json", ABOUT) for path in run.parent.glob(f"*/{file}"))
        there = f" In {run.parent} there are: {_list(beside)}." if beside else ""
        raise ConfigError(f"{run} is not the directory of a run or of an evaluation.{there}")
    _, architectures = read_settings(run)
    with (run / "trace.jsonl").open("rb") as lines:
        trees = read_trees(lines)
    if not trees:
        kinds = {layer.kind for architecture in architectures for part in architecture.layers for layer in part}
        raise ConfigError(f"{run} has no tree: nothing in it searched over steps; it ran {_list(sorted(kinds))}.")
    found = _known("question with a tree", question, trees)
    return found, _questions(run, found)


def _of_evaluation(run: Path, question: str, benchmark: str | None) -> tuple[list[SearchTree], dict[str, str]]:
    """The trees of a problem, and what it asks, by architecture; errors as in :func:`_of_run`."""
    about = read_about(run)
    names = [row["name"] for row in about["benchmarks"]]
    if benchmark is not None and benchmark not in names:
        raise ConfigError(f"--benchmark {benchmark}: {unknown('benchmark', benchmark, names)}")
    chosen = benchmark or names[0]
    trees: dict[str, list[SearchTree]] = {}
    for (on, architecture), file in trace_files(run, about).items():
        if on == chosen:
            with file.open("rb") as lines:
                for asked, found in read_trees(lines).items():
                    trees.setdefault(asked, []).extend(replace(tree, architecture=architecture) for tree in found)
    if not trees:
        kinds = {kind for row in about["architectures"] for layer in row["layers"] for kind in layer}
        raise ConfigError(
            f"{run} has no tree on {chosen}: nothing in it searched over steps; it ran {_list(sorted(kinds))}."
        )
    first = f"{question}#0"
    found = _known("question with a tree", first if first in trees else question, trees)
    problem = found[0].question.rpartition("#")[0]
    records = (r for r in read_jsonl(run / RECORDS) if r.benchmark == chosen and r.problem == problem)
    return found, {record.architecture: record.question for record in records}


def _chosen(trees: list[SearchTree], architecture: str | None, layer: str | None) -> list[SearchTree]:
    if architecture is not None:
        by_name: dict[str, list[SearchTree]] = {}
        for tree in trees:
            by_name.setdefault(tree.architecture, []).append(tree)
        trees = _known("architecture with a tree of this question", architecture, by_name)
    if layer is not None:
        by_layer: dict[str, list[SearchTree]] = {}
        for tree in trees:
            by_layer.setdefault(tree.layer, []).append(tree)
        trees = _known("layer with a tree of this question", layer, by_layer)
    return trees


def _known(what: str, name: str, known: Mapping[str, list[SearchTree]]) -> list[SearchTree]:
    if name in known:
        return known[name]
    guess = nearest(name, known)
    hint = f" Did you mean '{guess}'?" if guess else ""
    raise ConfigError(f"there is no {what} called '{name}', but there are: {_list(list(known))}.{hint}")


def _list(names: Sequence[str]) -> str:
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _named(trees: Iterable[SearchTree]) -> str:
    return _list([_title(tree, question=False) for tree in trees])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}.") from None
    progress().print(f"Written: {path}", markup=False, soft_wrap=True)


def _title(tree: SearchTree, *, question: bool = True) -> str:
    asked = f"question {tree.question}" if question else ""
    return " · ".join(part for part in (asked, tree.architecture, tree.layer) if part)


def _about(tree: SearchTree) -> str:
    counts = f"{len(tree.steps):,} steps · {tree.tokens:,} tokens · {tree.scored:,} scored"
    return f"{counts} · complete answers: {tree.answers:,}" + ("" if tree.chosen else " · nothing was chosen")


def _questions(run: Path, trees: Iterable[SearchTree]) -> dict[str, str]:
    """What was asked, by architecture, where its answer is on record."""
    found: dict[str, str] = {}
    for tree in trees:
        for row in read_records(run, tree.architecture).values():
            if row["id"] == tree.question:
                found[tree.architecture] = row["question"]
    return found


def _picture(part: View, asked: str) -> RenderableType:
    tree = part.tree
    heading = Text(_title(tree), style="bold")
    if asked:
        heading.append(f"\n{shortened(asked, 300)}", style="not bold")
    heading.append(f"\n{_about(tree)}", style="not bold dim")
    if hidden := part.hidden.get(0):
        heading.append(f"\nnot shown at the first step: {hidden}", style="not bold dim")
    root = Narrow(heading, guide_style="dim")
    waiting: list[tuple[Tree, int]] = [(root, 0)]
    while waiting:
        branch, number = waiting.pop()
        for child in part.children.get(number, ()):
            # Steps without an alternative stand below each other and do not go further to the right.
            chain = [child]
            while len(following := part.children.get(chain[-1], ())) == 1:
                chain.append(following[0])
            waiting.append((branch.add(_lines(part, chain)), chain[-1]))
    return root


def _lines(part: View, chain: Sequence[int]) -> Table:
    lines = Table.grid(expand=True, padding=(0, 1))
    lines.add_column(width=1)
    lines.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    lines.add_column(width=4, justify="right", no_wrap=True)
    lines.add_column(width=5, justify="right", no_wrap=True)
    lines.add_column(width=24, no_wrap=True, overflow="ellipsis")
    for number in chain:
        node = part.tree.nodes[number]
        chosen = number in part.tree.chosen
        style = "bold green" if chosen else "" if node.complete or not node.marks else "dim"
        hidden = part.hidden.get(number)
        lines.add_row(
            "●" if chosen else "○",
            Text(shortened(node.step, WIDEST) or "(nothing)"),
            "" if node.score is None else f"{node.score:.2f}",
            "" if node.tokens is None else f"{node.tokens}",
            Text(node.became),
            style=style,
        )
        if hidden:
            lines.add_row("", Text(f"… {hidden}", style="dim italic"), "", "", "")
    return lines
