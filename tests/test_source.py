"""Architectures from YAML: what is read."""

from __future__ import annotations

from typing import Any

import pytest

from archon.answers import ChoiceAnswer
from archon.models.spec import ModelSpec
from archon.source import dump_architecture, parse_architecture
from techniques import Generate, Vote
from tests.sources import YAML_TEXT, changed


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "openai/set")
    monkeypatch.setenv("EMPTY", "")
    text = """\
name: example
description: "${EMPTY}|${UNSET:-}|${UNSET:-a default}|$${SET}|$SET|$$|${SET:-not this}|$${UNSET:-x}|${1}"
models: {a: "${SET}", b: {use: "${UNSET:-openai/b}", temperature: "${UNSET:-0.25}"}}
layers:
  - generate: {model: [a, b], n: "${UNSET:-3}"}
"""
    architecture = parse_architecture(text)
    assert architecture.description == "||a default|${SET}|$SET|$$|openai/set|${UNSET:-x}|${1}"
    assert architecture.models["a"] == ModelSpec(use="openai/set")
    assert architecture.models["b"] == ModelSpec(use="openai/b", temperature=0.25)
    assert architecture.layers == ((Generate(model=("a", "b"), n=3),),)
    assert parse_architecture(dump_architecture(architecture)) == architecture


@pytest.mark.parametrize("form", ["vote", "vote:", "vote: null", "vote: {}", "[vote]", "{vote: }", "[vote: {}]"])
def test_a_technique_without_settings_may_be_written_bare(form: str) -> None:
    assert parse_architecture(changed("- vote", f"- {form}")).layers[1] == (Vote(),)


def test_a_list_runs_in_parallel_in_its_order() -> None:
    architecture = parse_architecture(
        changed("- generate: {model: solver, n: 2}", "- [{generate: {model: solver}}, {generate: {model: judge}}]")
    )
    assert architecture.layers[0] == (Generate(model="solver"), Generate(model="judge"))
    assert [location for location, _ in architecture.components()] == [
        ("layers", 0, 0),
        ("layers", 0, 1),
        ("layers", 1),
    ]


def test_models_may_be_named_in_place() -> None:
    architecture = parse_architecture("name: a\nlayers: [generate: {model: openai/x}]\n")
    assert architecture.specs() == {"openai/x": ModelSpec(use="openai/x")}


def test_anchors_and_merge_keys() -> None:
    text = """\
name: example
models:
  solver: &base {use: openai/x, temperature: 0.5, extra: {flag: &yes true}}
  judge: {<<: *base, temperature: 0, extra: {flag: *yes}}
  other: *base
layers:
  - generate: {model: [solver, judge, other]}
"""
    models = parse_architecture(text).models
    assert models["other"] == models["solver"]
    assert models["judge"] == models["solver"].model_copy(update={"temperature": 0.0})
    changed_one = parse_architecture(text, overrides=["models.other.temperature=1"]).models
    assert changed_one["solver"] == models["solver"]
    assert changed_one["other"].temperature == 1


def test_values_are_plain_python() -> None:
    text = """\
name: example
models:
  solver:
    use: openai/x
    temperature: 1e-1
    extra: {a: &a true, b: 0x10, c: 1.50, d: "quoted", e: 1_000, f: null, g: [*a, 2.0], h: 2026-01-02}
    stop: ["x", 'y']
layers:
  - generate:
      model: "solver"
      system: |
        two
        lines
"""
    architecture = parse_architecture(text)
    extra = architecture.models["solver"].extra
    expected = {"a": True, "b": 16, "c": 1.5, "d": "quoted", "e": 1000, "f": None, "g": [True, 2.0], "h": "2026-01-02"}
    assert extra == expected
    assert {key: type(value) for key, value in extra.items()} == {k: type(v) for k, v in expected.items()}
    assert type(extra["g"][0]) is bool
    ((generate,),) = architecture.layers
    assert isinstance(generate, Generate)
    assert (type(generate.model), type(generate.system)) == (str, str)
    assert type(architecture.models["solver"].temperature) is float
    assert all(type(stop) is str for stop in architecture.models["solver"].stop)
    assert parse_architecture(dump_architecture(architecture)) == architecture


@pytest.mark.parametrize(
    ("assignment", "data"),
    [
        ("layers.0.generate.n=5", {"n": 5}),
        ("layers.0.generate={model: judge, n: 3}", {"model": "judge", "n": 3}),
        ("layers.0.generate.model=[solver, judge]", {"model": ("solver", "judge")}),
        ("layers.0.generate.system=a=b", {"system": "a=b"}),
        ("layers.0.generate.temperature=", {"temperature": None}),
        ("layers.0.generate.temperature=${NOT_SET:-0.5}", {"temperature": 0.5}),
    ],
)
def test_assignments_change_settings(assignment: str, data: dict[str, Any]) -> None:
    ((generate,), _) = parse_architecture(YAML_TEXT, overrides=[assignment]).layers
    assert generate == Generate(**{"model": "solver", "n": 2, **data})


def test_assignments_change_the_rest() -> None:
    architecture = parse_architecture(
        YAML_TEXT,
        overrides=[
            "name=other",
            "models.solver.temperature=0.2",
            "models.judge.temperature=0.1",
            "models.third=openai/z",
            "models.fourth.use=openai/w",
            "layers.1=[{generate: {model: solver}}, vote]",
            "layers.1.0.generate.model=fourth",
            "answer={choice: {options: AB}}",
        ],
    )
    assert architecture.name == "other"
    assert architecture.models == {
        "solver": ModelSpec(use="openai/x", temperature=0.2),
        "judge": ModelSpec(use="openai/y", temperature=0.1),
        "third": ModelSpec(use="openai/z"),
        "fourth": ModelSpec(use="openai/w"),
    }
    assert architecture.layers[1] == (Generate(model="fourth"), Vote())
    assert architecture.answer == ChoiceAnswer(options="AB")
