"""The directory a run leaves behind: what ran, on what, and what came of it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from archon.architecture import Architecture
from archon.engine import Result, describe
from archon.source import dump_architecture
from archon.trace import TraceFile

PACKAGES = ("archon-inference", "openai", "httpx", "aiohttp", "pydantic", "xllamacpp", "math-verify")


class RunDirectory:
    """``runs/<time>-<name>/``: ``run.json``, ``architectures/``, ``records.jsonl``, ``trace.jsonl``, ``summary.json``.

    Args:
        root: Where runs are kept.
        architectures: What is going to run.
        settings: What else decides the outcome: seed, input, fields.
    """

    def __init__(self, root: Path, architectures: Sequence[Architecture], settings: Mapping[str, Any]) -> None:
        name = architectures[0].name + (f"-and-{len(architectures) - 1}" if len(architectures) > 1 else "")
        self.path = _new_directory(root, f"{time.strftime('%Y%m%d-%H%M%S')}-{name}")
        for architecture in architectures:
            file = self.path / "architectures" / f"{architecture.name}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(dump_architecture(architecture), encoding="utf-8")
        started = {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "python": platform.python_version()}
        self._write("run.json", {**started, "versions": _versions(), **settings})
        self.trace = TraceFile(self.path / "trace.jsonl")
        self._records = (self.path / "records.jsonl").open("a", encoding="utf-8")

    def record(self, architecture: str, position: int, result: Result, grade: Mapping[str, Any]) -> dict[str, Any]:
        """Append what became of one question, and return it."""
        row = {"architecture": architecture, "position": position, **to_record(result), **grade}
        self._records.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._records.flush()
        return row

    def close(self, summary: Any = None) -> None:
        """Write the summary, if there is one, and close the files."""
        if summary is not None:
            self._write("summary.json", summary)
        self._records.close()
        self.trace.close()

    def _write(self, name: str, data: Any) -> None:
        (self.path / name).write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def to_record(result: Result) -> dict[str, Any]:
    """One result as JSON values."""
    totals = result.totals
    row: dict[str, Any] = {
        "id": result.task.id,
        "question": result.task.question,
        "status": result.status,
        "answer": result.answer,
        "text": result.text,
        "calls": totals.calls,
        "samples": totals.samples,
        "failed_calls": totals.failed,
        "prompt_tokens": totals.usage.prompt,
        "cached_tokens": totals.usage.cached,
        "completion_tokens": totals.usage.completion,
        "reasoning_tokens": totals.usage.reasoning,
        "dollars": totals.dollars if totals.unpriced < totals.calls else None,
        "unpriced_calls": totals.unpriced,
        "paid": {
            "calls": result.paid.calls,
            "failed_attempts": result.paid.failed,
            "prompt_tokens": result.paid.usage.prompt,
            "completion_tokens": result.paid.usage.completion,
            "dollars": result.paid.dollars if result.paid.unpriced < max(result.paid.calls, 1) else None,
        },
        "seconds": round(result.seconds, 3),
        "failures": [{"layer": f.layer, "kind": f.kind, "reason": f.reason} for f in result.failures],
    }
    if result.error is not None:
        row["error"] = describe(result.error)
    return row


def _new_directory(root: Path, name: str) -> Path:
    for attempt in range(1000):
        path = root / (f"{name}-{attempt + 1}" if attempt else name)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{root / name} and a thousand like it exist")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
