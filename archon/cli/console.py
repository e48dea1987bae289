"""Where output goes: data to stdout, everything for people on the side to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

WIDTH_WITHOUT_TERMINAL = 120


def output() -> Console:
    """For the result a command was asked for."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)


def show_markdown(text: str) -> None:
    """Markdown: rendered for people at a terminal, as it is for everything else."""
    if sys.stdout.isatty():
        output().print(Markdown(text, code_theme="ansi_dark"))
    else:
        sys.stdout.write(text + "\n")


def progress() -> Console:
    """For progress and remarks."""
    return Console(stderr=True, highlight=False)


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
