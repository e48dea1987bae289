"""What happened on the way to an answer: read from the trace, bounded, and shown where the answer is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.report import analyse, load, to_html, with_traces
from evals.report.traces import EVENTS, read_events
from tests.evals.report.simulated import KINDS, records, settings, write_run

TWO = KINDS[:2]


def lines(*events: Mapping[str, Any], question: str = "p0#0") -> list[bytes]:
    numbered = [{"time": 100.0 + place, "question": question, "run": 0, **e} for place, e in enumerate(events)]
    return [json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in numbered]


STARTED = {"kind": "question_started"}
CALL = {"kind": "call", "layer": "0.generate", "model": "m", "completion_tokens": 7}


def run_with(folder: Path, *traces: tuple[str, list[bytes]], problems: int = 2) -> Path:
    run = write_run(folder / "run", records(problems, TWO), settings(TWO))
    for architecture, trace in traces:
        file = run / "trace" / "sums" / f"{architecture}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(trace))
    return run


def traces(run: Path) -> dict[tuple[str, str], Any]:
    report = with_traces(analyse(*load([run])), [run])
    return {
        (answer["architecture"], question["problem"]): answer["trace"]
        for question in report["benchmarks"][0]["reading"]["questions"]
        for answer in question["answers"]
    }


def test_an_answer_has_the_events_of_its_question_and_no_others(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "What is 0 + 0?"}], "replies": ["It is\n0."]}
    left = {"kind": "layer", "layer": "0.generate", "candidates": [{"text": "It is\n0.", "score": 0.5}]}
    mine = lines(STARTED, {**CALL, **talk}, left, {"kind": "question", "status": "done", "seconds": 2})
    other = lines(STARTED, {**CALL, "model": "other"}, question="p1#0")
    run = run_with(tmp_path, ("vote-8", mine[:2] + other + mine[2:]))
    found = traces(run)
    trace = found["vote-8", "p0"]
    assert trace["file"] == "run/trace/sums/vote-8.jsonl" and trace["left_out"] == 0
    assert [(e["kind"], e["at"]) for e in trace["events"]] == [
        ("question_started", 0), ("call", 1), ("layer", 2), ("question", 3),
    ]  # fmt: skip
    assert trace["events"][1]["said"] == "model m, completion tokens 7"
    assert [(t["name"], t["text"]) for t in trace["events"][1]["texts"]] == [
        ("user", "What is 0 + 0?"),
        ("reply 1", "It is\n0."),
    ]
    assert [t["name"] for t in trace["events"][2]["texts"]] == ["candidate 1 (score 0.5)"]
    assert [e["said"] for e in found["vote-8", "p1"]["events"]] == ["", "model other, completion tokens 7"]
    assert found["single", "p0"] is None
    page = to_html(with_traces(analyse(*load([run])), [run]))
    assert "The trace: 4 events" in page and "What is 0 + 0?</pre>" in page


def test_the_last_attempt_counts_and_broken_lines_do_not() -> None:
    again = lines(STARTED, {**CALL, "model": "new"})
    late = lines({**CALL, "model": "late", "run": 5})
    trace = [*lines({**STARTED, "run": 5}, {**CALL, "run": 5}), again[0], *late, again[1], b'{"question":"p0#0", "ki']
    named = lines({**CALL, "architecture": "b", "model": "elsewhere"})
    (events,) = read_events([*trace, *named], "a", ["p0#0"]).values()
    assert [event.get("model") for event in events] == [None, "new"]


def test_what_a_model_wrote_is_neither_taken_for_a_question_nor_for_markup(tmp_path: Path) -> None:
    evil = '"question":"p0#0" <script>alert(1)</script>'
    other = lines(STARTED, {**CALL, "replies": [evil]}, question="p1#0")
    run = run_with(tmp_path, ("single", other))
    assert traces(run)["single", "p0"] is None
    page = to_html(with_traces(analyse(*load([run])), [run]))
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_long_traces_are_cut_and_say_where_the_rest_is(tmp_path: Path) -> None:
    text = "a long thought " * 1000
    asked: list[Mapping[str, Any]] = [STARTED, *({**CALL, "replies": [text]} for _ in range(EVENTS + 5))]
    run = run_with(tmp_path, ("single", lines(*asked)))
    trace = traces(run)["single", "p0"]
    assert (len(trace["events"]), trace["left_out"]) == (EVENTS, 6)
    first, second = (event["texts"][0]["text"] for event in trace["events"][1:3])
    assert first.endswith("more characters in the trace)") and second == "as in 2"
    page = to_html(with_traces(analyse(*load([run])), [run]))
    assert "6 more of them in run/trace/sums/single.jsonl." in page


def test_what_runs_say_does_not_depend_on_traces_and_large_runs_stay_small(tmp_path: Path) -> None:
    problems = 150
    every = [
        line
        for place in range(problems)
        for line in lines(
            STARTED, *({**CALL, "replies": [f"{place} {n} " + "x" * 1900]} for n in range(40)), question=f"p{place}#0"
        )
    ]
    run = run_with(tmp_path, ("single", every), problems=problems)
    report = analyse(*load([run]))
    told = with_traces(report, [run])
    assert told["benchmarks"][0]["results"] == report["benchmarks"][0]["results"]
    held = [trace for trace in traces(run).values() if trace is not None]
    assert sum(trace["left_out"] for trace in held) > 0
    assert len(to_html(told)) - len(to_html(report)) < 4_500_000
