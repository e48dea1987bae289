"""Where an answer goes wrong: the bound of the search by halving, and the technique."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.cli import main
from archon.concurrency import run_sync
from archon.state import Candidate
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from techniques.rewards import Judge, Python, Rollout
from techniques.stepwise.first_error import FirstError, bisect, first_error, split
from tests.loopback import Answer, serve
from tests.techniques.stepwise.verifiers import MODULE

VERIFIER = Python(function=f"{MODULE}:no_slip", unfinished=True)


@given(steps=st.integers(1, 300), data=st.data())
def test_the_first_error_is_found_with_few_questions(steps: int, data: st.DataObject) -> None:
    wrong = data.draw(st.none() | st.integers(1, steps))
    asked: list[int] = []

    async def right(number: int) -> bool:
        assert 1 <= number <= steps
        asked.append(number)
        return wrong is None or number < wrong

    assert run_sync(first_error(steps, right)) == wrong
    assert len(asked) <= math.ceil(math.log2(steps)) + 1
    assert len(set(asked)) == len(asked)


@given(pattern=st.lists(st.booleans(), min_size=1, max_size=50))
def test_where_right_and_wrong_alternate_a_turn_is_found(pattern: list[bool]) -> None:
    async def right(number: int) -> bool:
        return pattern[number - 1]

    found = run_sync(bisect(0, len(pattern) + 1, right))
    assert found == 1 or pattern[found - 2]
    assert found == len(pattern) + 1 or not pattern[found - 1]


@given(text=st.text(alphabet="ab\n", min_size=1))
def test_steps_put_together_are_the_text(text: str) -> None:
    steps = split(text, "\n")
    assert "".join(steps) == text.strip()
    assert all(step.strip() for step in steps) or not text.strip()


def test_the_candidate_is_told_where_its_first_error_is() -> None:
    technique = FirstError(reward=VERIFIER, delimiter="\n")
    candidates = [
        Candidate("one\ntwo\nslip\nfour\nfive", "a"),
        Candidate("one\ntwo", "b"),
        Candidate("slip", "c"),
        Candidate("one\ntwo\nslip", "d"),
    ]
    state = rehearse(technique, ScriptedModel(""), candidates=candidates).state
    remarks = [candidate.critiques for candidate in state.candidates]
    assert remarks == [
        ("The first error seems to be in step 3 of 5:\nslip",),
        (),
        ("The first error seems to be in step 1 of 1:\nslip",),
        ("The first error seems to be in step 3 of 3:\nslip",),
    ]
    assert not state.failures


def test_without_a_score_there_is_no_remark_but_a_failure() -> None:
    technique = FirstError(reward=Judge(model="m"), delimiter="\n")
    state = rehearse(technique, ScriptedModel("who knows"), candidates=[Candidate("one\ntwo", "a")]).state
    assert state.candidates[0].critiques == ()
    assert [failure.kind for failure in state.failures] == ["parse"]


class TestFirstError(TechniqueConformance):
    technique = FirstError(reward=Rollout(model="m", n=2, reward=Judge(model="m")), delimiter=" ", threshold=0.4)
    script = staticmethod(
        lambda request, index: (
            "and so on" if request.messages[-1].role == "assistant" else f"Rating: [{1 + request.wire_seed() % 10}]"
        )
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    captured = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, captured.out, captured.err


def test_labels_of_a_run_become_a_data_set(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def script(body: dict[str, Any]) -> Answer:
        return Answer(("one\n\nslip\n\nthree" if "first" in body["messages"][-1]["content"] else "fine\n\nlabel",))

    with serve(script) as server:
        layers = [
            {"generate": {"model": "m"}},
            {"first_error": {"reward": {"python": {"function": f"{MODULE}:no_slip", "unfinished": True}}}},
        ]
        models = {"m": {"use": "openai/m", "base_url": server.base_url}}
        Path("x.json").write_text(json.dumps({"name": "x", "models": models, "layers": layers}))
        Path("q.jsonl").write_text('{"id": "a", "question": "first?"}\n{"id": "b", "question": "second?"}\n')
        code, out, _ = run(capsys, "run", "x.json", "--input", "q.jsonl", "--json")
    assert code == 0
    directory = json.loads(out)["run"]
    with (Path(directory) / "trace.jsonl").open("a") as trace:
        trace.write('{"kind": "label", "cut off')
    code, out, err = run(capsys, "labels", directory, "--output", "labels.jsonl")
    assert (code, out) == (0, "")
    assert "4 labels, 3 of" in err
    rows = [json.loads(line) for line in Path("labels.jsonl").read_text().splitlines()]
    assert sorted(rows, key=lambda row: (row["id"], row["prefix"])) == [
        {"id": "a", "question": "first?", "prefix": "", "step": "one\n\n", "mc": 1.0, "label": True},
        {"id": "a", "question": "first?", "prefix": "one\n\n", "step": "slip\n\n", "mc": 0.0, "label": False},
        {"id": "b", "question": "second?", "prefix": "", "step": "fine\n\n", "mc": 1.0, "label": True},
        {"id": "b", "question": "second?", "prefix": "fine\n\n", "step": "label", "mc": 1.0, "label": True},
    ]
    _, out, _ = run(capsys, "labels", directory)
    assert [json.loads(line) for line in out.splitlines()] == rows
    code, _, err = run(capsys, "labels", str(tmp_path))
    assert code == 2
    assert "not the directory of a run" in err
