"""What happened on the way to each answer that a report shows, from the traces of its runs."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from evals.directory import ABOUT, read_about, trace_files
from evals.report.reading import ALL_CHARACTERS, clipped
from evals.report.words import number

EVENTS = 100
"""How many events of one answer a report holds."""
SHORT = 100

# Where an event says which question it is of; what a model wrote comes after it.
_QUESTION = re.compile(rb'"question":("(?:[^"\\]|\\.)*")')
_TOLD = frozenset({"time", "kind", "architecture", "question", "layer", "run", "stream", "technique"})
_LABELS = {"replies": "reply", "candidates": "candidate", "critiques": "critique", "failures": "failure"}
Data = Mapping[str, Any]
Event = dict[str, Any]
Answer = tuple[str, str, str, int]
"""Benchmark, architecture, problem and repeat."""


def with_traces(report: Data, paths: Sequence[Path]) -> dict[str, Any]:
    """The report with the events of every answer whose text it holds, as far as it has room for them.

    An answer's ``trace`` becomes its ``file``, its ``events`` (``kind``, ``layer``, ``at`` in seconds from when the
    question was asked, ``said`` and ``texts``) and the number ``left_out``; it stays ``None`` where there are none.

    Args:
        report: As :func:`evals.report.analyse` made it.
        paths: The directories of its runs; of two with the same answer the first one counts.
    """
    wanted = {
        (benchmark["name"], answer["architecture"], question["problem"], answer["repeat"])
        for benchmark in report["benchmarks"]
        for question in benchmark["reading"]["questions"]
        for answer in question["answers"]
    }
    found: dict[Answer, tuple[str, list[Event]]] = {}
    for path in paths:
        for (benchmark, architecture), (file, asked) in _sources(path, wanted).items():
            with file.open("rb") as lines:
                events = read_events(lines, architecture, asked)
            name = f"{path.resolve().name}/{file.relative_to(path).as_posix()}"
            for question, (problem, repeat) in asked.items():
                if question in events:
                    found.setdefault((benchmark, architecture, problem, repeat), (name, events[question]))
    return {**report, "benchmarks": [_told(benchmark, found) for benchmark in report["benchmarks"]]}


def _sources(path: Path, wanted: Collection[Answer]) -> dict[tuple[str, str], tuple[Path, dict[str, tuple[str, int]]]]:
    """For each benchmark and architecture the file, and which question of it is which problem and repetition."""
    asked: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}
    if (path / ABOUT).is_file():
        for benchmark, architecture, problem, repeat in wanted:
            asked.setdefault((benchmark, architecture), {})[f"{problem}#{repeat}"] = (problem, repeat)
        files = trace_files(path, read_about(path))
    else:
        # An ordinary run does not say which of several questions with one id an event is of.
        again = {answer[:3] for answer in wanted if answer[3]}
        for benchmark, architecture, problem, repeat in wanted:
            if (benchmark, architecture, problem) not in again:
                asked.setdefault((benchmark, architecture), {})[problem] = (problem, repeat)
        files = dict.fromkeys(asked, path / "trace.jsonl") if (path / "trace.jsonl").is_file() else {}
    return {key: (file, asked[key]) for key, file in files.items() if key in asked}


def read_events(lines: Iterable[bytes], architecture: str, questions: Collection[str]) -> dict[str, list[Event]]:
    """The events of some questions, from the last time that each was asked.

    A line that is cut or is no event is passed over, as is what an event says to be of another architecture.

    Args:
        lines: Those of a trace.
        architecture: Whose events they are.
        questions: The ids under which it was asked.
    """
    wanted = {json.dumps(question, ensure_ascii=False).encode(): question for question in questions}
    found: dict[str, list[Event]] = {}
    for line in lines:
        place = _QUESTION.search(line)
        if place is None or place[1] not in wanted:
            continue
        try:
            event = from_json(line)
        except ValueError:
            continue
        if event.get("architecture", architecture) != architecture:
            continue
        events = found.setdefault(wanted[place[1]], [])
        if event["kind"] == "question_started":
            events.clear()
        # What is left of an earlier attempt may come later than the start of the next.
        if not events or event.get("run") in (None, events[0].get("run")):
            events.append(event)
    return found


def _told(benchmark: Data, found: Mapping[Answer, tuple[str, list[Event]]]) -> Data:
    """The benchmark with its traces, those of the questions that come first before all others."""
    room = ALL_CHARACTERS
    questions = []
    for question in benchmark["reading"]["questions"]:
        answers = []
        for answer in question["answers"]:
            key = (benchmark["name"], answer["architecture"], question["problem"], answer["repeat"])
            trace = None
            if key in found:
                file, events = found[key]
                shown = list(_within(room, _shown(events[:EVENTS])))
                room -= sum(map(_size, shown))
                trace = {"file": file, "events": shown, "left_out": len(events) - len(shown)}
            answers.append({**answer, "trace": trace})
        questions.append({**question, "answers": answers})
    return {**benchmark, "reading": {**benchmark["reading"], "questions": questions}}


def _within(room: int, events: Iterable[Data]) -> Iterator[Data]:
    for event in events:
        room -= _size(event)
        if room < 0:
            return
        yield event


def _size(event: Data) -> int:
    return len(event["said"]) + sum(len(text["text"]) for text in event["texts"])


def _shown(events: Sequence[Event]) -> Iterator[Data]:
    """The events in short lines, with texts that a line has no room for; a text that stood before is not repeated."""
    stood: dict[str, int] = {}
    for position, event in enumerate(events, 1):
        said: list[str] = []
        texts: list[tuple[str, str]] = []
        for key, value in event.items():
            if key not in _TOLD and value not in (None, "", 0, [], {}):
                _tell(key, value, said, texts)
        shown = []
        for name, text in texts:
            first = stood.setdefault(text, position)
            again = first < position and len(text) > SHORT
            shown.append({"name": name, "text": f"as in {first}" if again else clipped(text, "the trace")})
        yield {
            "kind": event["kind"],
            "layer": event.get("layer", ""),
            "at": round(event["time"] - events[0]["time"], 3),
            "said": ", ".join(said),
            "texts": shown,
        }


def _tell(key: str, value: Any, said: list[str], texts: list[tuple[str, str]]) -> None:
    """Put one thing that an event says where it fits: a few words into the line, what is longer below it."""
    name = key.replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, int | float | str | list | dict):
        said.append(f"{name} {json.dumps(value)}")
    elif isinstance(value, int | float):
        said.append(f"{name} {number(value, 6)}")
    elif isinstance(value, str) and len(value) <= SHORT and "\n" not in value:
        said.append(f"{name} {value}")
    elif isinstance(value, str):
        texts.append((name, value))
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        texts.extend((f"{_LABELS.get(key, name)} {place}", part) for place, part in enumerate(value, 1))
    elif key == "messages":
        texts.extend((part["role"], part["content"]) for part in value)
    elif key == "candidates":
        for place, part in enumerate(value, 1):
            facts: list[str] = []
            below: list[tuple[str, str]] = []
            for inner, content in part.items():
                if inner not in ("text", "origin"):
                    _tell(inner, content, facts, below)
            label = " ".join((_LABELS[key], str(place), *([f"({', '.join(facts)})"] if facts else [])))
            texts.append((label, part["text"]))
            texts.extend((f"{_LABELS[key]} {place}, {what}", text) for what, text in below)
    else:
        written = json.dumps(value, ensure_ascii=False)
        if len(written) <= SHORT:
            said.append(f"{name} {written}")
        else:
            texts.append((name, written))
