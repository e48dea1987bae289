"""The directory a run leaves behind: what ran, on what, and what came of it. A run that was cut goes on from it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from archon.architecture import Architecture
from archon.cost import Share, totals_to_data
from archon.errors import ConfigError
from archon.questions import Fields, Question, read_questions
from archon.result import Result, describe
from archon.source import dump_architecture, load_architecture
from archon.state import number_repeats
from archon.trace import TraceFile

PACKAGES = ("archon-inference", "openai", "httpx", "httptools", "pydantic", "xllamacpp", "math-verify", "reasoning-gym")
Rows = dict[int, dict[str, Any]]


class RunDirectory:
    """``runs/<time>-<name>/``, made by :meth:`create` and opened again by :meth:`resume`.

    It holds ``run.json``, ``architectures/``, ``questions.jsonl``, ``records.jsonl`` (one row per architecture and
    question, the last one counts), ``trace.jsonl`` and, once the run is over, ``summary.json``.

    Attributes:
        path: The directory.
        settings: What else decides the outcome, such as the seed.
        architectures: What runs.
        questions: What it runs on.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        architectures: Sequence[Architecture],
        questions: Sequence[Question],
    ) -> None:
        self.path = path
        self.settings = settings
        self.architectures = architectures
        tasks = number_repeats(question.task for question in questions)
        self.questions = [replace(q, task=task) for q, task in zip(questions, tasks, strict=True)]
        self.trace = TraceFile(path / "trace.jsonl")
        self._records = (path / "records.jsonl").open("a", encoding="utf-8")

    @classmethod
    def create(
        cls,
        root: Path,
        architectures: Sequence[Architecture],
        questions: Sequence[Question],
        settings: Mapping[str, Any],
    ) -> Self:
        """Make the directory of a new run."""
        name = architectures[0].name + (f"-and-{len(architectures) - 1}" if len(architectures) > 1 else "")
        path = new_directory(root, f"{time.strftime('%Y%m%d-%H%M%S')}-{name}")
        for architecture in architectures:
            file = path / "architectures" / f"{architecture.name}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(dump_architecture(architecture), encoding="utf-8")
        lines = [json.dumps(_question_data(question), ensure_ascii=False) + "\n" for question in questions]
        (path / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
        started = {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "python": platform.python_version()}
        names = [architecture.name for architecture in architectures]
        # Written last: a directory without it was never a run.
        _write(path / "run.json", {**started, "versions": installed_versions(), "architectures": names, **settings})
        return cls(path, settings, architectures, questions)

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Open the directory of a run that was cut.

        Raises:
            ConfigError: It is not the directory of a run.
        """
        settings, architectures = read_settings(path)
        questions = read_questions(path / "questions.jsonl", Fields(question="messages"))
        end_last_line(path / "records.jsonl")
        end_last_line(path / "trace.jsonl")
        return cls(path, settings, architectures, questions)

    def finished(self, architecture: str) -> Rows:
        """The questions that one architecture has answered already, by position."""
        rows = read_records(self.path, architecture)
        return {position: row for position, row in rows.items() if row["status"] == "done"}

    def record(
        self, architecture: str, position: int, result: Result, grade: Mapping[str, Any], elapsed: float
    ) -> dict[str, Any]:
        """Append what became of one question, and return it."""
        row = {"architecture": architecture, "position": position, **to_record(result), **grade}
        row["elapsed"] = round(elapsed, 3)
        self._records.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._records.flush()
        return row

    def close(self, summary: Any = None) -> None:
        """Write the summary, if there is one, and close the files."""
        if summary is not None:
            _write(self.path / "summary.json", summary)
        self._records.close()
        self.trace.close()


def read_settings(path: Path) -> tuple[Mapping[str, Any], list[Architecture]]:
    """What a run directory says of its run: the settings, and the architectures as they ran.

    Raises:
        ConfigError: It is not the directory of a run.
    """
    try:
        settings = json.loads((path / "run.json").read_text(encoding="utf-8"))
        names = settings["architectures"]
    except (OSError, ValueError, KeyError):
        raise ConfigError(f"{path} is not the directory of a run: there is no readable run.json in it.") from None
    return settings, [load_architecture(path / "architectures" / f"{name}.yaml") for name in names]


def read_records(path: Path, architecture: str) -> Rows:
    """What became of the questions that one architecture was asked, by position; of several records the last counts."""
    rows: Rows = {}
    for line in (path / "records.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            # The line that was being written when the run was killed; its question is asked again.
            continue
        if row["architecture"] == architecture:
            rows[row["position"]] = row
    return rows


def to_record(result: Result) -> dict[str, Any]:
    """One result as JSON values."""
    row: dict[str, Any] = {
        "id": result.task.id,
        "question": result.task.question,
        "status": result.status,
        "answer": result.answer,
        "text": result.text,
        "attributed": totals_to_data(result.totals),
        "paid": totals_to_data(result.paid),
        "shares": [_share_to_data(share) for share in result.shares],
        "seconds": round(result.seconds, 3),
        "failures": [{"layer": f.layer, "kind": f.kind, "reason": f.reason} for f in result.failures],
    }
    if result.error is not None:
        row["error"] = describe(result.error)
    return row


def _share_to_data(share: Share) -> dict[str, Any]:
    return {
        "layer": share.layer,
        "technique": share.technique,
        "model": share.model,
        "attributed": totals_to_data(share.attributed),
        "paid": totals_to_data(share.paid),
    }


def _question_data(question: Question) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in question.task.messages]
    data: dict[str, Any] = {"id": question.task.id, "messages": messages}
    return data if question.reference is None else {**data, "answer": question.reference}


def _write(file: Path, data: Any) -> None:
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def end_last_line(file: Path) -> None:
    """Close the line that a killed run left open, so that the next one starts on its own."""
    if file.is_file() and (content := file.read_bytes()) and not content.endswith(b"\n"):
        with file.open("ab") as opened:
            opened.write(b"\n")


def new_directory(root: Path, name: str) -> Path:
    """A directory that did not exist before, with a number behind its name where that is taken."""
    for attempt in range(1000):
        path = root / (f"{name}-{attempt + 1}" if attempt else name)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{root / name} and a thousand like it exist")


def installed_versions() -> dict[str, str]:
    """The versions of the packages that decide what comes out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
