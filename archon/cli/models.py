"""``archon models``: what there is, fetch weights, probe an endpoint, serve a local model."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from archon.cli.console import output, print_json, progress
from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.models.catalogue import Weights, find
from archon.models.llama import LlamaServer
from archon.models.local import CONTEXT, SLOTS, local_path
from archon.models.pool import ModelPool, base_url_of
from archon.models.probe import Probe, probe, remember_capabilities
from archon.models.providers import LOCAL, PROVIDERS
from archon.models.spec import ModelSpec
from archon.models.template import TEMPLATES
from archon.models.weights import installed, pull

app = typer.Typer(no_args_is_help=True, help="Local weights and remote endpoints.", rich_markup_mode=None)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("list")
def list_models(json: JsonFlag = False) -> None:
    """List local models and remote providers."""
    local: list[dict[str, Any]] = [
        {
            "use": f"local/{weights.name}",
            "bytes": weights.size,
            "licence": weights.licence,
            "sha256": weights.sha256,
            "path": None if path is None else str(path),
        }
        for weights, path in installed()
    ]
    remote: list[dict[str, Any]] = [
        {
            "use": f"{name}/…",
            "base_url": provider.base_url,
            "key": provider.key_variable,
            "key_set": bool(provider.key_variable and os.environ.get(provider.key_variable)),
        }
        for name, provider in PROVIDERS.items()
    ]
    if json:
        print_json({"local": local, "providers": remote})
        return
    table = Table("local model", "size", "licence", "on this machine", title="Local models", title_justify="left")
    for entry in local:
        have = "yes" if entry["path"] else f"no: archon models pull {entry['use'].removeprefix('local/')}"
        table.add_row(entry["use"], f"{entry['bytes'] / 1e6:,.0f} MB", entry["licence"], have)
    output().print(table)
    table = Table("provider", "endpoint", "key", title="Providers (any other: base_url)", title_justify="left")
    for entry in remote:
        key = "none needed" if not entry["key"] else f"{entry['key']} ({'set' if entry['key_set'] else 'not set'})"
        table.add_row(entry["use"], entry["base_url"], key)
    output().print(table)


@app.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="A local model, such as qwen2.5-coder-0.5b.")],
    source: Annotated[Path | None, typer.Option("--from", help="Take the weights from this file.")] = None,
) -> None:
    """Fetch the weights of a local model and verify them."""
    path = pull_with_progress(find(name.removeprefix("local/")), source)
    output().print(str(path), markup=False, soft_wrap=True)


def pull_with_progress(weights: Weights, source: Path | None = None) -> Path:
    """Fetch weights under a progress bar on stderr."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=progress(),
        transient=True,
    )
    with bar:
        shown = bar.add_task(weights.name, total=weights.size)

        def report(message: str, done: int, total: int) -> None:
            bar.update(shown, description=message, completed=done, total=total)

        return pull(weights, source=source, progress=report)


@app.command("probe")
def probe_model(
    use: Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="Such as openai/gpt-4o-mini.")],
    base_url: Annotated[str | None, typer.Option(help="The root of an OpenAI-compatible API.")] = None,
    api_key: Annotated[str | None, typer.Option(metavar="VARIABLE", help="The variable that holds the key.")] = None,
    template: Annotated[str | None, typer.Option(help=f"The model's chat template: {', '.join(TEMPLATES)}.")] = None,
    json: JsonFlag = False,
) -> None:
    """Find out what an endpoint really supports, and remember it."""
    key = f"${{{api_key}}}" if api_key else None
    try:
        spec = ModelSpec.model_validate({"use": use, "base_url": base_url, "api_key": key, "template": template})
    except ValueError as error:
        raise ConfigError(_first_line(error)) from None
    found = run_sync(_probe(spec))
    if spec.provider != LOCAL:
        remember_capabilities(base_url_of(spec), spec.model, found.capabilities)
    if json:
        print_json({"use": use, "findings": dict(found.findings), "capabilities": _plain(found)})
        return
    table = Table("asked", "found", title=use, title_justify="left")
    for topic, finding in found.findings.items():
        table.add_row(topic, finding)
    output().print(table)


async def _probe(spec: ModelSpec) -> Probe:
    async with ModelPool() as pool:
        return await probe(await pool.bare_model(spec), spec.template)


def _plain(found: Probe) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found.capabilities)


def _first_line(error: ValueError) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return str(error)


@app.command("serve")
def serve(
    name: Annotated[str, typer.Argument(help="A local model, such as qwen2.5-coder-0.5b.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    slots: Annotated[int, typer.Option(min=1, help="Requests served at once.")] = SLOTS,
    context: Annotated[int, typer.Option(min=256, help="Tokens per request.")] = CONTEXT,
) -> None:
    """Serve a local model over the OpenAI API until interrupted."""
    path = local_path(name.removeprefix("local/"))
    with LlamaServer(path, slots=slots, context=context, host=host, port=port, alias=name) as server:
        output().print(server.base_url, markup=False)
        progress().print(f"{name} answers at {server.base_url}; stop it with Ctrl-C.", markup=False, soft_wrap=True)
        while True:
            time.sleep(3600)
