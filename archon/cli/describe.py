"""``archon validate``, ``techniques``, ``rewards``, ``pages`` and ``schema``: look without running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from archon.cli.console import output, print_json, show_markdown
from archon.facts import Facts, all_facts, facts_of, facts_to_data, knob_in_words
from archon.kinds import Registry
from archon.pages import page_text, write_pages
from archon.reward import Reward
from archon.schema import architecture_schema
from archon.source import dump_architecture, load_architecture
from archon.technique import Technique


def validate(
    architectures: Annotated[list[Path], typer.Argument(metavar="ARCHITECTURE...", help="YAML files to check.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a setting.")] = None,
    resolved: Annotated[bool, typer.Option(help="Print the architecture as it will run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the architecture as JSON.")] = False,
) -> None:
    """Check architectures without running them."""
    loaded = [load_architecture(path, set_ or ()) for path in architectures]
    if json:
        print_json([architecture.to_data() for architecture in loaded])
        return
    for path, architecture in zip(architectures, loaded, strict=True):
        if resolved:
            output().print(dump_architecture(architecture), markup=False, soft_wrap=True, end="")
            continue
        stack = " → ".join(" + ".join(c.kind for c in layer) for layer in architecture.layers)
        output().print(f"{path}: {architecture.name} is valid: {stack}", markup=False, soft_wrap=True)


def list_techniques(
    kind: Annotated[str | None, typer.Argument(help="Show the page of this technique.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the techniques with their papers, what they cost in calls, and what may be searched over."""
    _list(Technique.kinds, kind, json)


def list_rewards(
    kind: Annotated[str | None, typer.Argument(help="Show the page of this reward.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the rewards that techniques may score candidates with, like the techniques."""
    _list(Reward.kinds, kind, json)


def pages(
    folder: Annotated[Path, typer.Argument(help="The folder of the documentation.")],
    json: Annotated[bool, typer.Option("--json", help="Print the changed files as JSON.")] = False,
) -> None:
    """Write the pages of all techniques and rewards, rendered from their code."""
    changed = write_pages(folder)
    if json:
        print_json([str(path) for path in changed])
        return
    for path in changed:
        output().print(str(path), markup=False, soft_wrap=True)


def schema() -> None:
    """Print the JSON Schema of architectures, for editors."""
    print_json(architecture_schema())


def _list(family: Registry[Any], kind: str | None, json: bool) -> None:
    listed = [facts_of(family.get(kind))] if kind else all_facts(family)
    if json:
        print_json([facts_to_data(facts) for facts in listed])
    elif kind:
        show_markdown(page_text(listed[0]))
    else:
        for facts in listed:
            output().print(_entry(facts))


def _entry(facts: Facts) -> Group:
    """A kind in a few lines that wrap at any width."""
    knobs = ", ".join(f"{name} {knob_in_words(knob)}" for name, knob in facts.knobs.items())
    rows = {"calls": facts.calls or "not known", "paper": facts.source, "knobs": knobs}
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, text in rows.items():
        if text:
            grid.add_row(Text(f"  {name}", "dim"), _plain(text))
    return Group(Text(facts.kind, "bold"), Padding(_plain(facts.summary), (0, 0, 0, 2)), grid, Text())


def _plain(markdown: str) -> Text:
    return Text(markdown.replace("`", ""))
