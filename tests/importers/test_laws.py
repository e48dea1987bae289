"""Whatever JSON holds, importing it gives an architecture or one sentence."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.importers.upstream import PROVIDERS, TECHNIQUES, is_upstream
from archon.importers.values import parse_json
from archon.source import dump_architecture, parse_architecture
from tests.importers.components import GENERATOR, imported, stack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from([*TECHNIQUES, "generator", "fuser", "mine"]),
    "model": st.sampled_from(
        ["a/X-1.5B", "b/x-1.5b", "gpt", "http://h/v1", "llm-blender/PairRM", "a b", "é", "${HOME}"]
    ),
    "model_type": st.sampled_from([*PROVIDERS, "Bedrock_API", "mine"]),
    "temperature": st.sampled_from([0, 0.7, 1.5, None, 3]),
    "max_tokens": st.sampled_from([1, 512, None, 0]),
    "samples": st.sampled_from([1, 1, 3, 0]),
    "branches": st.integers(0, 2),
    **dict.fromkeys(["top_k", "first_k", "unit_test_cap"], st.sampled_from([1, 2, 3, None, 0])),
    **dict.fromkeys(
        ["no_system", "length_control", "length_contorl", "first_pass", "remove_unit_tests_from_prompt"], st.booleans()
    ),
}
LIKELY = ("type", "model", "model_type", "temperature", "max_tokens", "samples", "top_k")
SOUND = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(TECHNIQUES)),
        "model": st.sampled_from(["a/X-1.5B", "b/x-1.5b", "gpt", "é", "${HOME}"]),
        "model_type": st.sampled_from(sorted(PROVIDERS.keys() - {"tgi"})),
        "temperature": st.sampled_from([0, 0.7, 1.5]),
        "max_tokens": st.sampled_from([64, 512]),
        "top_k": st.integers(1, 3),
    },
    optional={"samples": st.integers(1, 3), "first_k": st.integers(0, 2), "unit_test_cap": st.integers(1, 3)},
)
DOUBTFUL = st.fixed_dictionaries(
    {key: VALUES[key] for key in LIKELY},
    optional={key: value | JSON for key, value in VALUES.items() if key not in LIKELY},
)
COMPONENT = SOUND | DOUBTFUL
LAYER = st.lists(COMPONENT, min_size=1, max_size=3)
LAYERS = st.lists(LAYER | LAYER.map(lambda models: {"branches": 1, "models": models}) | COMPONENT, max_size=4)
CONFIGURATION = st.fixed_dictionaries(
    {"layers": LAYERS.map(lambda layers: [[GENERATOR], *layers]) | LAYERS}, optional={"name": st.text(), "custom": JSON}
)


def check(data: Any) -> None:
    """Import what may be anything, and write it and read it back.

    Raises:
        ConfigError: It is no configuration.
    """
    architecture, remarks = imported(data)
    assert all(remark.startswith("file.json: ") for remark in remarks.splitlines())
    written = dump_architecture(architecture)
    written.encode()
    assert parse_architecture(written) == architecture
    assert Architecture.model_validate(architecture.to_data()) == architecture


def check_whatever_it_is(data: Any) -> None:
    """The same, or one sentence."""
    is_upstream(data)
    try:
        check(data)
    except ConfigError as error:
        assert str(error).startswith("file.json: ")
        assert str(error).isprintable()


@given(JSON | st.fixed_dictionaries({"layers": JSON | st.lists(st.lists(JSON))}))
@settings(max_examples=200, deadline=None)
def test_any_json_is_an_architecture_or_one_sentence(data: Any) -> None:
    check_whatever_it_is(data)


@given(CONFIGURATION)
@settings(max_examples=200, deadline=None)
def test_anything_like_a_configuration_is_an_architecture_or_one_sentence(data: Any) -> None:
    check_whatever_it_is(data)


@given(st.lists(st.lists(SOUND, min_size=1, max_size=3), max_size=4))
@settings(max_examples=100, deadline=None)
def test_nothing_sound_is_refused_but_for_its_order(layers: list[Any]) -> None:
    try:
        check(stack(*layers))
    except ConfigError as error:
        assert "unit_test_generator" in str(error) or "a critic beside" in str(error)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_json_or_one_sentence(text: str) -> None:
    try:
        assert json.dumps(parse_json(text, "file.json")) == json.dumps(json.loads(text))
    except ConfigError as error:
        assert str(error).startswith("file.json")
