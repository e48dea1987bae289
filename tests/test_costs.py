"""``archon costs``: every dollar of a run, by whatever one asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon.cli import main
from tests.loopback import Answer, error, serve


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_parts_add_up_to_the_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refusals = iter([True, False, True])

    def script(body: dict[str, Any]) -> Answer:
        return error(500, "oops") if next(refusals, False) else Answer(("[2] > [1] The answer is 4.",))

    with serve(script) as server:
        price = {"input": 2.0, "output": 4.0, "date": "2026-11-01"}
        models = {
            "a": {"use": "openai/a", "base_url": server.base_url, "price": price},
            "b": {"use": "openai/b", "base_url": server.base_url},
        }
        layers = [{"generate": {"model": ["a", "b"], "n": 2}}, {"rank": {"model": "a"}}]
        Path("x.json").write_text(json.dumps({"name": "x", "models": models, "layers": layers}))
        Path("q.jsonl").write_text('{"id": "one", "question": "1?"}\n{"id": "two", "question": "2?"}\n')
        summary = json.loads(run(capsys, "run", "x.json", "--input", "q.jsonl", "--json"))
    directory = summary["run"]
    whole = summary["architectures"][0]
    for by, names in {
        "layer": ["0.generate", "1.rank"],
        "technique": ["generate", "rank"],
        "model": ["openai/a", "openai/b"],
        "question": ["one", "two"],
    }.items():
        groups = json.loads(run(capsys, "costs", directory, "--by", by, "--json"))
        assert [group[by] for group in groups] == names
        for kind in ("attributed", "paid"):
            for figure in ("calls", "samples", "prompt_tokens", "completion_tokens", "unpriced_calls", "failed"):
                assert sum(group[kind][figure] for group in groups) == whole[kind][figure], (by, kind, figure)
        dollars = [group["attributed"]["dollars"] for group in groups]
        assert sum(filter(None, dollars)) == pytest.approx(whole["attributed"]["dollars"])
        if by == "model":
            assert dollars[1] is None, "no price is known, which is not the same as free"
    assert whole["paid"]["failed"] == 2
    table = run(capsys, "costs", directory)
    assert "1.rank" in table
    assert "openai/a: price of 2026-11-01." in table
    assert "openai/b: no price is known." in table


def test_what_is_no_run_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["costs", str(tmp_path)])
    assert stop.value.code == 2
    assert "not the directory of a run" in capsys.readouterr().err
