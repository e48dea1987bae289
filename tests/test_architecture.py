"""Architectures in Python, there and back through YAML, and their JSON Schema."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from ruamel.yaml import YAML

from archon.answers import ChoiceAnswer, MathAnswer, RegexAnswer, TextAnswer
from archon.architecture import Architecture
from archon.cost import Price
from archon.models.spec import ModelSpec
from archon.schema import architecture_schema
from archon.source import dump_architecture, load_architecture, parse_architecture
from techniques import Critique, Fuse, Generate, Rank, Tournament, UnitTests, Verify, Vote
from tests.sources import CONFIGS, SENTENCES, YAML_TEXT, changed


def test_python_and_yaml_are_the_same() -> None:
    written = parse_architecture(
        """\
name: stack
models:
  solver: {use: openai/x, temperature: 0.5, stop: [END], price: {input: 1, output: 2, date: 2026-01-31}}
  judge: openai/y
layers:
  - - generate: {model: solver, n: 4}
    - generate: {model: [solver, judge], system: Be brief.}
  - critique: {model: judge}
  - rank: {model: judge, keep: 2}
  - verify: {model: judge, first_k: 1, max_tokens: 50}
  - fuse: {model: judge, length_control: true}
  - vote
answer: {regex: {pattern: "is (.*)"}}
"""
    )
    built = Architecture(
        name="stack",
        models={
            "solver": ModelSpec(
                use="openai/x", temperature=0.5, stop=("END",), price=Price(input=1, output=2, date="2026-01-31")
            ),
            "judge": ModelSpec(use="openai/y"),
        },
        layers=(
            (Generate(model="solver", n=4), Generate(model=("solver", "judge"), system="Be brief.")),
            (Critique(model="judge"),),
            (Rank(model="judge", keep=2),),
            (Verify(model="judge", first_k=1, max_tokens=50),),
            (Fuse(model="judge", length_control=True),),
            (Vote(),),
        ),
        answer=RegexAnswer(pattern="is (.*)"),
    )
    assert written == built
    assert parse_architecture(dump_architecture(built)) == built


def test_an_architecture_cannot_be_changed() -> None:
    architecture = parse_architecture(YAML_TEXT)
    with pytest.raises(ValidationError):
        setattr(architecture, "name", "other")  # noqa: B010


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=30) | st.lists(
    st.sampled_from(["${", "}", "$", "${A}", "${A:-b c}", "$$", " ", "\n", "yes", "1", ":", "#", "- ", "'", '"', "é"]),
    max_size=8,
).map("".join)
PROMPT = st.none() | st.builds("{}{{question}}{}{{candidates}}{{candidate}}".format, TEXT, TEXT)
ROLES = ["solver", "judge", "rank", "models", "1", "true"]
ROLE = st.sampled_from([*ROLES, "openai/x", "ollama/y"])
POSITIVE = st.integers(1, 10**6)
SAMPLED = {
    "temperature": st.none() | st.floats(0, 2),
    "top_p": st.none() | st.floats(0, 1, exclude_min=True),
    "max_tokens": st.none() | POSITIVE,
}
GENERATE = st.builds(
    Generate,
    model=ROLE | st.lists(ROLE, min_size=1, max_size=3).map(tuple),
    n=POSITIVE,
    system=st.none() | TEXT,
    **SAMPLED,
)
OTHER = st.one_of(
    st.builds(Critique, model=ROLE, prompt=PROMPT, **SAMPLED),
    st.builds(Rank, model=ROLE, keep=POSITIVE, prompt=PROMPT, **SAMPLED),
    st.builds(Rank, model=ROLE, passes=POSITIVE, window=st.integers(9, 99), step=st.integers(1, 8)),
    st.builds(
        Tournament, model=ROLE, method=st.sampled_from(["swiss", "pivot"]), comparisons=POSITIVE, pivots=POSITIVE
    ),
    st.builds(Fuse, model=ROLE, n=POSITIVE, length_control=st.booleans(), prompt=PROMPT, **SAMPLED),
    st.builds(Verify, model=ROLE, first_k=st.none() | POSITIVE, prompt=PROMPT, **SAMPLED),
    st.builds(UnitTests, model=ROLE, n=POSITIVE, show=st.booleans(), prompt=PROMPT, **SAMPLED),
    st.just(Vote()),
)
EXTRA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
SPEC = st.builds(
    ModelSpec,
    use=st.sampled_from(["openai/x", "ollama/y", "openrouter/a/b:free"]),
    base_url=st.sampled_from([None, "https://example.org/v1"]),
    api_key=st.sampled_from([None, "${SOME_KEY}"]),
    temperature=SAMPLED["temperature"],
    stop=st.lists(TEXT, max_size=2).map(tuple),
    extra=st.dictionaries(TEXT.filter(lambda key: key != "api_key"), EXTRA, max_size=2),
    timeout=st.floats(0.1, 1e6),
    price=st.none() | st.builds(Price, input=st.floats(0, 1e3), output=st.floats(0, 1e3), date=st.just("2026-01-31")),
)
ARCHITECTURE = st.builds(
    Architecture,
    name=st.text(alphabet="abcXYZ019_.+-é", min_size=1, max_size=8),
    description=TEXT,
    models=st.fixed_dictionaries(dict.fromkeys(ROLES, SPEC)),
    layers=st.builds(
        lambda first, rest: (first, *rest),
        st.lists(GENERATE, min_size=1, max_size=2).map(tuple),
        st.lists(st.lists(GENERATE | OTHER, min_size=1, max_size=2).map(tuple), max_size=3),
    ),
    answer=st.one_of(
        st.just(TextAnswer()),
        st.just(MathAnswer()),
        st.sampled_from([ChoiceAnswer(), ChoiceAnswer(options="AB")]),
        st.sampled_from([RegexAnswer(pattern=r"\${A}"), RegexAnswer(pattern="x+: (.*)")]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(ARCHITECTURE)
def test_what_is_dumped_reads_back_equal(architecture: Architecture) -> None:
    assert Architecture.model_validate(architecture.to_data()) == architecture
    assert parse_architecture(dump_architecture(architecture)) == architecture


@cache
def schema() -> Any:
    """A validator with the schema of architectures."""
    schema = architecture_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _data(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(StringIO(text))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_schema_accepts_our_own_architectures(path: Path) -> None:
    load_architecture(path)
    assert not list(schema().iter_errors(_data(path.read_text(encoding="utf-8"))))


def test_there_are_architectures_of_our_own() -> None:
    assert CONFIGS


@pytest.mark.parametrize("form", ["vote", "vote:", "[vote]", "[vote, {rank: {model: judge, prompt: null}}]"])
def test_the_schema_accepts_every_form_of_a_layer(form: str) -> None:
    assert not list(schema().iter_errors(_data(changed("- vote", f"- {form}"))))


@settings(max_examples=30, deadline=None)
@given(ARCHITECTURE)
def test_the_schema_accepts_what_is_dumped(architecture: Architecture) -> None:
    assert not list(schema().iter_errors(architecture.to_data()))


@pytest.mark.parametrize(
    "error",
    [
        "unknown top-level key",
        "unknown technique key",
        "unknown technique key in a parallel layer",
        "unknown model key",
        "unknown price key",
        "unknown technique",
        "unknown bare technique",
        "unknown answer format",
        "unknown answer key",
        "number too small",
        "no number",
        "missing setting",
        "missing use",
        "missing name",
        "missing layers",
        "missing answer setting",
        "no layers",
        "empty layer",
        "layers in a mapping",
        "layers left blank",
        "a number for a layer",
        "two techniques in one mapping",
        "a list in a parallel layer",
        "text for settings",
        "a list for models",
        "a number for a model",
        "a number for a reference",
        "a list",
        "nothing",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(error: str) -> None:
    assert list(schema().iter_errors(_data(SENTENCES[error][0])))


def test_the_schema_carries_the_knobs() -> None:
    generate = architecture_schema()["$defs"]["technique.generate"]
    assert generate["properties"]["n"]["x-knob"] == {"kind": "int", "low": 1, "high": 64, "log": True}
    assert "Source:" in generate["description"]
