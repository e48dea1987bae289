"""What the importer says of a configuration that it cannot take as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from archon.errors import ConfigError
from archon.importers.upstream import SETTINGS, TECHNIQUES, import_upstream
from archon.importers.values import parse_json
from techniques import Verify
from tests.importers.components import GENERATOR, component, imported, stack

REMARKS: dict[str, tuple[dict[str, Any], str]] = {
    "keys of others": (
        stack([component("fuser", top_k=1)], [component("fuser", top_k=2)]),
        "file.json: layers.1.0 and 1 more: 'top_k' has no effect on a fuser and is left out.",
    ),
    "an unknown key": (
        stack([component("verifier", frst_k=1)]),
        "file.json: layers.1.0: 'frst_k' has no effect on a verifier and is left out (did you mean 'first_k'?).",
    ),
    "the typo": (stack([component("fuser", length_contorl=True)]), "misspelt length_control"),
    "branches": (
        stack({"branches": 2, "models": [component("fuser")]}),
        "file.json: layers.1: 'branches' has no effect on a layer and is left out.",
    ),
    "custom": (stack(custom=True), "file.json: 'custom' has no effect on the answers and is left out."),
    "a key that cannot be printed": (stack(**{"\ud800\n": 1}), r'"\ud800\n" has no effect'),
    "no system message": (stack([component("fuser", no_system=True)]), "one of the caller's is kept"),
    "samples that nobody reads": (stack([component("critic", samples=3)]), "'samples' of a critic above 1"),
    "no temperature": (stack([component("fuser", temperature=...)]), "'temperature' is missing"),
    "no limit": (stack([component("fuser", max_tokens=...)]), "'max_tokens' is missing"),
    "no number of tests": (stack([component("unit_test_generator")]), "5 tests are asked for"),
    "tests shown twice": (
        stack(
            [component("unit_test_generator")], [component("unit_test_evaluator", remove_unit_tests_from_prompt=False)]
        ),
        "the tests are shown once anyway",
    ),
    "tests upon tests": (
        stack([component("unit_test_generator")], [component("unit_test_generator")]),
        "layers.2.0: its tests are added",
    ),
    "critics side by side": (stack([component("critic"), component("critic")]), "critics of one layer take turns"),
    "an empty layer": (stack([]), "layers.1: a layer without components is left out."),
    "a server to start": (stack([component("fuser", model_type="vLLM")]), "`vllm serve m`"),
    "o1": (
        stack([component("fuser", model="o1-mini-2024-09-12", model_type="OpenAI_API")]),
        "since o1-mini-2024-09-12 takes none",
    ),
    "a name with a slash": ({**stack(), "name": "a/b c"}, "file.json: name: written as 'a-b-c'"),
}


@pytest.mark.parametrize("case", REMARKS)
def test_what_is_left_out_or_done_otherwise_is_named(case: str) -> None:
    data, remark = REMARKS[case]
    assert remark in imported(data)[1]


def test_what_is_done_as_written_is_not_remarked_on() -> None:
    layers = [{"branches": 1, "models": [component("ranker", samples=1)]}, [component("verifier", first_k=0)]]
    architecture, remarks = imported(stack(*layers))
    assert remarks == ""
    assert architecture.layers[2] == (Verify(model="m"),)


REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ([], "file.json: a configuration is an object"),
    "no layers": ({"name": "a"}, "file.json: layers: there must be a list of layers here."),
    "nothing in the layers": ({"layers": [[], {"models": []}]}, "file.json: layers: there is no component in it."),
    "a layer that is none": (stack(3), "file.json: layers.1: a component is an object with the keys type"),
    "models that are no list": (stack({"branches": 1, "models": 3}), "layers.1.models: there must be a list"),
    "no type": (stack([component("fuser", type=...)]), "file.json: layers.1.0: 'type' is missing."),
    "an unknown type": (
        stack([component("fusre")]),
        "layers.1.0.type: unknown component type 'fusre'; did you mean 'fuser'?",
    ),
    "a custom type": (stack([component("mine")], custom=True), "becomes a technique"),
    "a type that is no text": (stack([component("fuser", type=["fuser"])]), "unknown component type a list."),
    "no model": (stack([component("fuser", model=...)]), "file.json: layers.1.0: 'model' is missing."),
    "no model_type": (stack([component("fuser", model_type=...)]), "layers.1.0: 'model_type' is missing."),
    "a misspelt model_type": (
        stack([component("fuser", model_type="OPENAI_API")]),
        "layers.1.0.model_type: unknown model_type 'OPENAI_API'; did you mean 'OpenAI_API'?",
    ),
    "a custom endpoint": (
        stack([component("fuser", model_type="mine")], custom=True),
        "'tgi' with its address as model",
    ),
    "Bedrock": (stack([component("fuser", model_type="Bedrock_API")]), "layers.1.0.model_type: Bedrock is reached by"),
    "PairRM": (
        stack([component("ranker", model="llm-blender/PairRM", model_type="", ranker_batch_size=16)]),
        "layers.1.0.model: llm-blender/PairRM can only compare",
    ),
    "tgi without an address": (stack([component("fuser", model_type="tgi")]), "layers.1.0.model: for 'tgi'"),
    "a model with a space": (
        stack([component("fuser", model="a b")]),
        "this is not the name of a model (given: 'a b')",
    ),
    "a surrogate": (stack([component("fuser", model="a\ud800")]), r'(given: "a\ud800")'),
    "text for samples": (stack([component("fuser", samples="3")]), "layers.1.0.samples: this must be a whole number"),
    "true for samples": (stack([component("fuser", samples=True)]), "(given: true)"),
    "no samples": (stack([component("fuser", samples=0)]), "layers.1.0.samples: this must be a whole number"),
    "null for samples": (stack([component("fuser", samples=None)]), "layers.1.0.samples: this must be a whole number"),
    "too hot": (
        stack([component("fuser", temperature=2.1)]),
        "layers.1.0.temperature: this must be a number from 0 to 2",
    ),
    "not a temperature": (stack([component("fuser", temperature=float("nan"))]), "(given: NaN)"),
    "half a token": (stack([component("fuser", max_tokens=0.5)]), "layers.1.0.max_tokens: this must be a whole number"),
    "a ranker that keeps none": (
        stack([component("ranker", top_k=0)]),
        "layers.1.0.top_k: this must be a whole number",
    ),
    "a ranker that does not say": (stack([component("ranker", top_k=...)]), "layers.1.0: 'top_k' is missing"),
    "a name that is no text": ({**stack(), "name": 3}, "file.json: name: this must be text (given: 3)."),
    "candidates from nowhere": (
        {"layers": [[component("fuser")], [GENERATOR]]},
        "file.json: layers.0.0: a fuser works on candidates, and no layer before it makes any.",
    ),
    "tests from nowhere": (stack([component("unit_test_evaluator")]), "layers.1.0: there is no unit_test_generator"),
    "tests alone": ({"layers": [[component("unit_test_generator")]]}, "file.json: layers: there is no generator"),
    "a critic beside another": (stack([component("fuser"), component("critic")]), "layers.1.1: a critic beside"),
    "tests in between": (
        stack([component("fuser"), component("unit_test_generator"), component("fuser")]),
        "layers.1.1: a unit_test_generator between",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused_with_the_reason(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        import_upstream(data, "file.json")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("file.json: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "file.json:1: not valid JSON"),
        ('{"name": "a"\n"layers": []}', "file.json:2: not valid JSON"),
        ('{"name": "a", "name": "b"}', "file.json: the key 'name' stands twice in one object."),
        ('{"temperature": NaN}', "file.json: NaN is not a number in JSON."),
        ("[" * 100_000, "file.json: not readable as JSON"),
        ("1" * 5_000, "file.json: not readable as JSON"),
    ],
)
def test_json_that_is_none_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_json(text, "file.json")
    assert sentence in str(caught.value)


def test_nesting_has_an_end() -> None:
    nested: Any = component("fuser")
    for _ in range(500):
        nested = [nested]
    with pytest.raises(ConfigError, match="nested too deeply"):
        import_upstream(stack(nested), "file.json")


@pytest.mark.parametrize("kind", TECHNIQUES)
def test_no_key_is_both_a_setting_and_left_out(kind: str) -> None:
    before = [[component("unit_test_generator", unit_test_cap=1)]] if kind == "unit_test_evaluator" else []
    given_keys = dict.fromkeys(SETTINGS[kind] - component(kind).keys())
    _, remarks = imported(stack(*before, [component(kind, **given_keys)]))
    assert "has no effect" not in remarks
