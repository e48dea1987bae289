"""The questions of the page, each with all its answers, folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.report import words
from evals.report.markup import Markup, el, join
from evals.report.reading import KINDS

Data = Mapping[str, Any]


def section(benchmark: Data, number: int) -> list[Markup]:
    """What is worth reading of one benchmark: counts, a filter, and the questions."""
    found = benchmark["reading"]
    counts = [
        el("li", el("b", f"{found['counts'][kind]:,}"), f" {kind}: {meaning}")
        for kind, meaning in KINDS.items()
        if found["counts"][kind]
    ]
    crashes = [
        el("p", f"{c['architecture']}: {words.count(c['records'], 'answer')} without a grade, in no mean.")
        for c in found["grader_crashes"]
    ]
    left = found["left_out"]
    note = f"{words.count(left, 'more question')} not shown here; all are in records.jsonl and trace/ of the run."
    return [
        el("ul", *counts, class_="counts"),
        *crashes,
        _filter(found, number),
        el(
            "div",
            *(_question(question, benchmark["unit"]) for question in found["questions"]),
            id=f"questions-{number}",
        ),
        el("p", note, class_="note") if left else join(),
    ]


def _filter(found: Data, number: int) -> Markup:
    kinds = [kind for kind in KINDS if any(q["kind"] == kind for q in found["questions"])]
    choices = [el("option", "all kinds", value=""), *(el("option", kind, value=kind) for kind in kinds)]
    return el(
        "div",
        el("label", "Show ", el("select", *choices, class_="kind")),
        el("label", "Find ", el("input", type="search", class_="find", placeholder="words or an id")),
        el("span", "", class_="found", aria_live="polite"),
        class_="filter",
        data_for=f"questions-{number}",
    )


def _question(question: Data, unit: Data) -> Markup:
    marks = [
        el("span", _mark(answer), class_=f"grade {_grade(answer)}", title=f"{answer['architecture']}: {_grade(answer)}")
        for answer in question["answers"]
    ]
    first = question["question"].strip().replace("\n", " ")
    return el(
        "details",
        el(
            "summary",
            el("span", question["kind"], class_=f"kind-{question['kind'].replace(' ', '-')} tag"),
            el("span", question["problem"], class_="id"),
            el("span", first[:110] + ("…" if len(first) > 110 else ""), class_="gist"),
            el("span", *marks[:24], class_="grades"),
        ),
        el("pre", question["question"]),
        el("p", el("b", "Reference: "), question["reference"]) if question["reference"] is not None else None,
        *(_answer(answer) for answer in question["answers"]),
        class_="question",
        data_kind=question["kind"],
    )


def _grade(answer: Data) -> str:
    score = answer["score"]
    if score is None:
        return "ungraded"
    return "right" if score == 1 else "wrong" if score == 0 else "partly"


def _mark(answer: Data) -> str:
    return {"right": "✓", "wrong": "✗", "partly": "~", "ungraded": "?"}[_grade(answer)]


def _answer(answer: Data) -> Markup:
    repeat = f", repeat {answer['repeat']}" if answer["repeat"] else ""
    cost = "no price" if answer["dollars"] is None else words.money(answer["dollars"])
    spent = (
        f"{words.count(answer['calls'], 'call')}, {words.count(answer['tokens'], 'token')}, {cost}, "
        f"{words.seconds(answer['seconds'])} s"
    )
    grade = _grade(answer) + ("" if answer["score"] in (None, 0, 1) else f" ({words.number(answer['score'])})")
    notes = [part for part in (answer["status"] if answer["status"] != "done" else "", answer["reason"]) if part]
    found = "no answer found" if answer["answer"] is None else answer["answer"]
    return el(
        "details",
        el(
            "summary",
            el("span", _mark(answer), class_=f"grade {_grade(answer)}"),
            el("b", answer["architecture"]),
            f"{repeat}: {found[:80]}",
            el("small", f" {grade}; {spent}"),
        ),
        el("p", "; ".join(notes), class_="note") if notes else None,
        el("p", answer["error"], class_="error") if answer["error"] else None,
        el("pre", answer["text"]) if answer["text"] is not None else None,
        *(el("p", f"{f['layer']}: {f['kind']}: {f['reason']}", class_="error") for f in answer["failures"]),
        _samples(answer),
        _layers(answer),
        _trace(answer["trace"]),
        class_="answer",
    )


def _samples(answer: Data) -> Markup | None:
    if not answer["samples"]:
        return None
    left = answer["samples_left_out"]
    return el(
        "details",
        el("summary", f"The pool of {words.count(len(answer['samples']) + left, 'sample')}"),
        *(
            el(
                "div",
                el("span", _mark(sample), class_=f"grade {_grade(sample)}"),
                " " + ("no answer found" if sample["answer"] is None else sample["answer"]),
                "" if sample["reward"] is None else el("small", f" reward {words.number(sample['reward'])}"),
                el("pre", sample["text"]),
            )
            for sample in answer["samples"]
        ),
        el("p", f"{left:,} more in records.jsonl.", class_="note") if left else None,
        class_="samples",
    )


def _layers(answer: Data) -> Markup | None:
    if not answer["layers"]:
        return None
    rows = [
        el(
            "li",
            f"{layer['layer']} with {layer['model']}: {words.count(layer['calls'], 'call')}, "
            f"{words.count(layer['tokens'], 'token')}, {words.seconds(layer['seconds'])} s",
        )
        for layer in answer["layers"]
    ]
    return el("details", el("summary", "What each layer spent"), el("ul", *rows), class_="samples")


ENDS = {"question": "question ended", "layer": "layer ended"}


def _trace(trace: Data | None) -> Markup | None:
    """What happened, event by event, each with its texts folded."""
    if trace is None:
        return None
    events, left = trace["events"], trace["left_out"]
    return el(
        "details",
        el("summary", f"The trace: {words.count(len(events) + left, 'event')}"),
        el("ol", *(_event(event) for event in events), class_="trace"),
        el("p", f"{left:,} more of them in {trace['file']}.", class_="note") if left else None,
        class_="samples",
    )


def _event(event: Data) -> Markup:
    line = (
        el("small", f"{event['at']:.3f} s "),
        el("b", str(ENDS.get(event["kind"], event["kind"])).replace("_", " ")),
        f" {event['layer']}" if event["layer"] else None,
        el("small", f" {event['said']}") if event["said"] else None,
    )
    if not event["texts"]:
        return el("li", *line)
    below = (join(el("small", text["name"]), el("pre", text["text"])) for text in event["texts"])
    return el("li", el("details", el("summary", *line), *below))
