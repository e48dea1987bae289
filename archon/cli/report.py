"""``archon report``: what runs came to, as a page, Markdown or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer

from archon.cli.console import print_json, progress, show_markdown
from archon.errors import ConfigError
from archon.suggest import unknown
from evals.report import (
    analyse,
    claims_to_markdown,
    load,
    to_markdown,
    with_traces,
    write_html,
    write_png,
)
from search.directory import is_search, read_result
from search.page import write_page

PAGE = "report.html"


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of evaluations or runs, or of one search.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help=f"Where the page goes; {PAGE} in the first RUN if left out."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print as Markdown and write no page.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON and write no page.")] = False,
    claims: Annotated[
        bool, typer.Option("--claims", help="Print only whether voting and refinement pay; with --json as JSON.")
    ] = False,
    expert_usd: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[BENCHMARK=]USD",
            help="What a human expert costs per problem, everywhere or on one benchmark; without it none is counted.",
        ),
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write the figures as pictures.")] = None,
) -> None:
    """Report accuracy, cost and uncertainty of runs as one page, computed from their records alone."""
    if markdown and json:
        raise ConfigError("--markdown and --json both print to stdout: give one of them.")
    searches = [run for run in runs if is_search(run)]
    if searches:
        if len(runs) > 1 or markdown or claims or expert_usd or png is not None:
            raise ConfigError(f"{searches[0]} is a search, which is reported by itself, as a page or with --json.")
        _report_search(searches[0], output or searches[0] / PAGE, json=json)
        return
    records, settings = load(runs)
    found = analyse(records, settings, experts=_experts(expert_usd or (), {record.benchmark for record in records}))
    if png is not None:
        for path in write_png(found, png):
            progress().print(f"Picture: {path}", markup=False, soft_wrap=True)
    if json and claims:
        print_json([{"benchmark": b["name"], "claims": b["claims"]} for b in found["benchmarks"]])
    elif json:
        print_json(with_traces(found, runs))
    elif claims:
        show_markdown(claims_to_markdown(found).rstrip("\n"))
    elif markdown:
        show_markdown(to_markdown(found).rstrip("\n"))
    else:
        page = output or runs[0] / PAGE
        write_html(with_traces(found, runs), page)
        sys.stdout.write(f"{page}\n")


def _report_search(run: Path, page: Path, *, json: bool) -> None:
    if json:
        print_json(read_result(run))
    else:
        write_page(run, page)
        sys.stdout.write(f"{page}\n")


def _experts(options: Sequence[str], benchmarks: Collection[str]) -> dict[str, float]:
    """What an expert costs, by benchmark; an option for one benchmark goes before one for all.

    Raises:
        ConfigError: One is no amount, or is for no benchmark of the report.
    """
    for_all: dict[str, float] = {}
    for_one: dict[str, float] = {}
    for option in options:
        name, _, amount = option.rpartition("=")
        try:
            dollars = float(amount)
        except ValueError:
            dollars = math.nan
        if not 0 < dollars < math.inf:
            raise ConfigError(f"--expert-usd {option}: write what an expert costs in dollars, as in 3.5 or gsm8k=3.5.")
        if name and name not in benchmarks:
            raise ConfigError(f"--expert-usd {option}: {unknown('benchmark', name, benchmarks)}")
        for_one.update({name: dollars} if name else {})
        for_all.update({} if name else dict.fromkeys(benchmarks, dollars))
    return for_all | for_one
