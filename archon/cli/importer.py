"""``archon import``: other projects' configurations as architectures of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archon.cli.console import output, print_json, progress
from archon.errors import ConfigError
from archon.source import dump_architecture, load_architecture


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="A configuration of the research code.")],
    output_file: Annotated[Path | None, typer.Option("--output", help="Write the YAML here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the architecture as JSON.")] = False,
) -> None:
    """Turn a JSON configuration of the research code into YAML."""
    if file.suffix.lower() != ".json":
        raise ConfigError(f"{file}: a configuration to import is a .json file.")
    architecture = load_architecture(file)
    text = dump_architecture(architecture)
    if output_file is not None:
        try:
            output_file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{output_file}: cannot be written: {error.strerror}.") from None
        progress().print(f"Written to {output_file}", markup=False, soft_wrap=True)
    if json:
        print_json(architecture.to_data())
    elif output_file is None:
        output().print(text, markup=False, soft_wrap=True, end="")
