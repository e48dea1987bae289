"""Reports in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archon.errors import ConfigError
from evals.report.html import to_html
from evals.report.markdown import to_markdown


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON; the same report gives the same bytes."""
    return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as JSON; errors as in :func:`write_html`."""
    write_text(path, to_json(report))


def write_markdown(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as Markdown; errors as in :func:`write_html`."""
    write_text(path, to_markdown(report))


def write_html(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as one page that needs nothing else.

    Raises:
        ConfigError: The file cannot be written.
    """
    write_text(path, to_html(report))


def write_text(path: Path, text: str) -> None:
    """Write a file; errors as in :func:`write_html`."""
    try:
        # A lone half of a surrogate pair, which JSON may hold, has no place in a file of UTF-8.
        path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}.") from None
