"""Learned navigators: from runs' traces through training to a file, and back into an architecture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.architecture import Architecture, component_to_data, parse_component
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.state import Task
from archon.testing import ScriptedModel
from archon.trace import TraceFile
from techniques import LogicBlocks
from techniques.rewards.judge import Judge
from techniques.stepwise.blocks import ASPECTS, BLOCKS, Situation, allowed
from techniques.stepwise.dueling import Network
from techniques.stepwise.navigator import Learned, inputs, load_network, save_network
from techniques.stepwise.train_navigator import Transition, as_batch, main, read_transitions
from tests.techniques.stepwise.test_logic_blocks import asked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A navigator that has learnt nothing."""
    path = tmp_path / "navigator.json"
    save_network(Network.random(len(ASPECTS), len(BLOCKS), (6, 5), np.random.default_rng(2)), path)
    return path


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    network = Network.random(len(ASPECTS), len(BLOCKS), (6, 5), np.random.default_rng(1))
    save_network(network, tmp_path / "n.json")
    again = load_network(tmp_path / "n.json")
    for layer, same in zip(network.layers, again.layers, strict=True):
        assert layer[0].tolist() == same[0].tolist()
        assert layer[1].tolist() == same[1].tolist()


@given(st.tuples(*[st.integers(1, 3)] * len(ASPECTS)), st.integers(0, 5))
def test_the_best_of_the_allowed_blocks_is_chosen(scores: tuple[int, ...], done: int) -> None:
    network = Network.random(len(ASPECTS), len(BLOCKS), (8,), np.random.default_rng(done))
    situation = Situation(scores, BLOCKS[:1] * done, allowed(done, done, 6))
    navigator = Learned.model_construct(file=Path("unused"))
    navigator.__dict__["_network"] = network
    values = dict(zip(BLOCKS, network.values(inputs([scores]))[0], strict=True))
    chosen = navigator.choose(situation)
    assert chosen in situation.allowed
    assert values[chosen] == max(values[block] for block in situation.allowed)


def test_scores_become_inputs_around_zero() -> None:
    assert inputs([(1, 2, 3, 1, 2, 3, 2), (2,) * 7]).tolist() == [[-1, 0, 1, -1, 0, 1, 0], [0] * 7]


def test_an_architecture_with_a_navigator_can_be_written_down(file: Path) -> None:
    technique = LogicBlocks.model_validate({"model": "m", "navigator": {"learned": {"file": str(file)}}})
    data = component_to_data(technique)
    assert data["logic_blocks"]["navigator"] == {"learned": {"file": str(file)}}
    assert json.loads(json.dumps(data)) == data
    assert isinstance(technique.navigator, Learned)
    technique.navigator.choose(Situation((2,) * 7, (), ("reason", "debate")))
    assert parse_component(data) == technique


def _spoiled(file: Path, **changes: Any) -> str:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ValidationError) as caught:
        LogicBlocks.model_validate({"model": "m", "navigator": {"learned": {"file": str(file)}}})
    return str(caught.value)


def test_files_that_hold_no_navigator_are_refused_by_name(file: Path) -> None:
    good = json.loads(file.read_text())
    assert "other aspects" in _spoiled(file, aspects=["luck"] * 7)
    save_network(Network.random(3, len(BLOCKS), (4,), np.random.default_rng(0)), file)
    assert "3 inputs" in _spoiled(file)
    assert "format" in _spoiled(file, format="pickle")
    file.write_text(json.dumps(good))
    ragged = {"weights": [[1.0], [1.0, 2.0]], "biases": [0.0]}
    assert "navigator.json holds no navigator" in _spoiled(file, value=ragged)
    assert "finite" in _spoiled(file, value={**good["value"], "biases": [float("inf")]})
    file.write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match="holds no navigator"):
        load_network(file)
    with pytest.raises(ValueError, match="cannot be read"):
        load_network(file.with_name("missing.json"))


def _lucid(request: Any, index: int) -> str:
    """Its reasoning is right as soon as something is decomposed, and its rewards say so."""
    said = request.messages[-1].content
    purpose = asked(request)
    if purpose == "judge":
        return "Rating: [10]" if "decompose" in said.split("Response:")[1] else "Rating: [1]"
    if purpose == "evaluate":
        score = 3 if "decompose" in said.split("Reasoning so far:")[1] else 1
        return "\n".join(f"{name}: {score}" for name in ASPECTS)
    return f"{purpose} done"


def _run(component: LogicBlocks, trace: Path, questions: int, seed: int = 0) -> list[str]:
    """Run it on some questions; what the model was asked for."""
    model = ScriptedModel(_lucid)
    architecture = Architecture(name="episodes", models={"m": {"use": "openai/scripted"}}, layers=[component])
    written = TraceFile(trace)

    async def run() -> None:
        async with Engine(architecture, models={"m": model}, observe=written, seed=seed) as engine:
            for number in range(questions):
                await engine.run(Task.of(f"Question {number}?", id=f"q{number}"))

    run_sync(run())
    written.close()
    return [asked(request) for request in model.requests]


def test_what_a_run_recorded_trains_a_navigator_that_does_better(tmp_path: Path) -> None:
    trace, output = tmp_path / "trace.jsonl", tmp_path / "navigator.json"
    component = LogicBlocks(model="m", reward=Judge(model="m"), explore=1.0, max_steps=4)
    purposes = _run(component, trace, 40)
    transitions = read_transitions(trace)
    assert len(transitions) == sum(purpose in BLOCKS for purpose in purposes)
    assert sum(not t.allowed for t in transitions) == purposes.count("terminate") == 40
    options = [str(tmp_path), "--output", str(output), "--updates", "600", "--seed", "1", "--price", "0.2"]
    assert main(options) == 0
    first = output.read_bytes()
    assert main([str(trace), *options[1:]]) == 0
    assert output.read_bytes() == first
    assert load_network(output).parameters < 3_000
    learned = LogicBlocks(model="m", navigator=Learned(file=output), max_steps=4)
    purposes = _run(learned, tmp_path / "after.jsonl", 1)
    assert purposes[:2] == ["evaluate", "decompose"]
    assert read_transitions(tmp_path / "after.jsonl") == [], "there is nothing to learn from without a reward"


def test_what_teaches_nothing_is_left_out(tmp_path: Path) -> None:
    whole = {"kind": "block", "scores": [2] * 7, "block": "reason", "reward": 0.5}
    following = {"scores": [3] * 7, "allowed": ["reason", "terminate"]}
    lines = [
        {**whole, "next": following},
        {**whole, "next": {**following, "scores": None}},
        {**whole, "next": None},
        {**whole, "scores": None, "next": following},
        {**whole, "scores": [2] * 6, "next": following},
        {**whole, "reward": None, "next": following},
        {**whole, "block": "terminate", "next": None},
        {"kind": "call", "reply": '"block"'},
    ]
    trace = tmp_path / "trace.jsonl"
    trace.write_text("\n".join(map(json.dumps, lines)) + '\n{"kind": "block", "sco', encoding="utf-8")
    transitions = read_transitions(trace)
    assert transitions == [
        Transition((2,) * 7, "reason", 0.5, (3,) * 7, ("reason", "terminate")),
        Transition((2,) * 7, "terminate", 0.5),
    ]
    batch = as_batch(transitions, price=0.25)
    assert batch.actions.tolist() == [0, 4]
    assert batch.rewards.tolist() == [0.25, 0.25]
    assert batch.following.tolist() == [[1] * 7, [0] * 7]
    assert batch.allowed.tolist() == [[True, False, False, False, True], [False] * 5]


@pytest.mark.parametrize("options", [[], ["--updates", "0"], ["--discount", "2"], ["--seed", "-1"]])
def test_the_command_says_what_is_wrong(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("")
    with pytest.raises(SystemExit) as left:
        main([str(trace), "--output", str(tmp_path / "n.json"), *options])
    assert left.value.code == 2
    assert "error: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "missing.jsonl"), "--output", str(tmp_path / "n.json")])
    assert "missing.jsonl: No such file" in capsys.readouterr().err
    assert not (tmp_path / "n.json").exists()
