"""``archon validate``, ``archon techniques``, ``archon rewards`` and ``archon schema``: look without running."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticUndefined
from rich.table import Table

from archon.cli.console import output, print_json
from archon.kinds import Configuration, Registry
from archon.knobs import knob_to_data, knobs_of
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
    kind: Annotated[str | None, typer.Argument(help="Show this technique alone, with its documentation.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the techniques, their settings and what may be searched over."""
    _list(Technique.kinds, kind, json)


def list_rewards(
    kind: Annotated[str | None, typer.Argument(help="Show this reward alone, with its documentation.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the rewards that techniques may score candidates with."""
    _list(Reward.kinds, kind, json)


def _list(family: Registry[Any], kind: str | None, json: bool) -> None:
    known = {kind: family.get(kind)} if kind else family.all()
    if json:
        print_json([_facts(cls) for cls in known.values()])
        return
    if kind:
        output().print(inspect.getdoc(known[kind]), markup=False)
    table = Table(family.what, "what it does", "calls", "settings", "knobs", show_lines=True)
    for cls in known.values():
        facts = _facts(cls)
        settings = "\n".join(
            f"{name}{'' if value is None else f' = {value}'}" for name, value in facts["settings"].items()
        )
        knobs = "\n".join(f"{name}: {_range(knob)}" for name, knob in facts["knobs"].items())
        table.add_row(cls.kind, facts["summary"], cls.calls or "not known", settings, knobs)
    output().print(table)


def schema() -> None:
    """Print the JSON Schema of architectures, for editors."""
    print_json(architecture_schema())


def _facts(cls: type[Configuration]) -> dict[str, Any]:
    doc = inspect.getdoc(cls) or ""
    paragraphs = doc.split("\n\n")
    settings = {
        name: "(required)" if info.default is PydanticUndefined else info.default
        for name, info in cls.model_fields.items()
    }
    source = next((" ".join(p.split()) for p in paragraphs if p.startswith("Source:")), "")
    return {
        "kind": cls.kind,
        "summary": " ".join(paragraphs[0].split()),
        "source": source.removeprefix("Source: "),
        "calls": cls.calls or None,
        "settings": settings,
        "knobs": {name: knob_to_data(knob) for name, knob in knobs_of(cls).items()},
    }


def _range(knob: dict[str, Any]) -> str:
    if knob["kind"] == "choice":
        return ", ".join(map(str, knob["choices"]))
    return f"{knob['low']} to {knob['high']}" + (" (log)" if knob["log"] else "")
