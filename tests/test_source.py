"""Architectures from YAML: what is read, what is refused and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.answers import ChoiceAnswer
from archon.errors import ConfigError
from archon.models.spec import ModelSpec
from archon.reward import rewards
from archon.source import dump_architecture, load_architecture, parse_architecture
from archon.technique import techniques
from techniques import Generate, Vote

CONFIGS = sorted((Path(__file__).parents[1] / "configs" / "architectures").glob("*.yaml"))
KNOWN = ", ".join(techniques())
YAML_TEXT = """\
name: example
models:
  solver: {use: openai/x, temperature: 0.5}
  judge: openai/y
layers:
  - generate: {model: solver, n: 2}
  - vote
answer: math
"""


def changed(old: str, new: str) -> str:
    assert YAML_TEXT.count(old) == 1
    return YAML_TEXT.replace(old, new)


def complaint(text: str, *overrides: str) -> list[str]:
    """The sentences with which a text is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_architecture(text, name="file.yaml", overrides=overrides)
    return str(caught.value).split("\n")


SENTENCES = {
    "unknown top-level key": (
        YAML_TEXT + "layer: []\n",
        "file.yaml:9: unknown key 'layer' in an architecture; did you mean 'layers'? "
        "Known: answer, budget, description, layers, models, name.",
    ),
    "unknown technique key": (
        changed("n: 2", "temprature: 1"),
        "file.yaml:6: unknown key 'temprature' in layers.0.generate; did you mean 'temperature'? "
        "Known: max_tokens, model, n, system, temperature, top_p.",
    ),
    "unknown technique key in a parallel layer": (
        changed("- vote", "- [vote, {rank: {model: judge, kep: 2}}]"),
        "file.yaml:7: unknown key 'kep' in layers.1.1.rank; did you mean 'keep'? "
        "Known: keep, max_tokens, model, passes, prompt, step, temperature, top_p, window.",
    ),
    "unknown model key": (
        changed("temperature", "temprature"),
        "file.yaml:3: unknown key 'temprature' in models.solver; did you mean 'temperature'? "
        "Known: api_key, base_url, concurrency, extra, fallback, hedge, max_tokens, price, requests_per_minute, stop, "
        "temperature, template, timeout, tokens_per_minute, top_p, use.",
    ),
    "unknown model key in a role named like a technique": (
        changed("judge: openai/y", "rank: {use: openai/y, kep: 1}"),
        "file.yaml:4: unknown key 'kep' in models.rank. "
        "Known: api_key, base_url, concurrency, extra, fallback, hedge, max_tokens, price, requests_per_minute, stop, "
        "temperature, template, timeout, tokens_per_minute, top_p, use.",
    ),
    "unknown price key": (
        changed("temperature: 0.5", "price: {input: 1, output: 2, date: 2026-01-01, cache_input: 1}"),
        "file.yaml:3: unknown key 'cache_input' in models.solver.price; did you mean 'cached_input'? "
        "Known: cached_input, date, input, output, second, source.",
    ),
    "unknown answer key": (
        changed("math", "{choice: {optoins: AB}}"),
        "file.yaml:8: unknown key 'optoins' in answer.choice; did you mean 'options'? Known: options.",
    ),
    "unknown technique": (
        changed("generate", "genrate"),
        f"file.yaml:6: layers.0.genrate: unknown technique 'genrate'; did you mean 'generate'? Known: {KNOWN}.",
    ),
    "unknown bare technique": (
        changed("- vote", "- vot"),
        f"file.yaml:7: layers.1.vot: unknown technique 'vot'; did you mean 'vote'? Known: {KNOWN}.",
    ),
    "unknown role": (
        changed("model: solver", "model: slover"),
        "file.yaml:6: layers.0.generate.model: unknown model 'slover'; did you mean 'solver'? Known: judge, solver.",
    ),
    "unknown role in a list": (
        changed("model: solver", "model: [solver, jugde]"),
        "file.yaml:6: layers.0.generate.model.1: unknown model 'jugde'; did you mean 'judge'? Known: judge, solver.",
    ),
    "unknown answer format": (
        changed("math", "maths"),
        "file.yaml:8: answer: unknown answer format 'maths'; did you mean 'math'? "
        "Known: choice, json, math, regex, text.",
    ),
    "unknown reward": (
        changed("- vote", "- score: {reward: jugde}"),
        "file.yaml:7: layers.1.score.reward.jugde: unknown reward 'jugde'; did you mean 'judge'? "
        f"Known: {', '.join(rewards())}.",
    ),
    "unknown key in a reward": (
        changed("- vote", "- score: {reward: {judge: {modle: judge, model: judge}}}"),
        "file.yaml:7: unknown key 'modle' in layers.1.score.reward.judge; did you mean 'model'? "
        "Known: max_tokens, model, prompt, rubric, temperature, top_p, unfinished.",
    ),
    "unknown key in a reward inside a reward": (
        changed("- vote", "- score: {reward: {ensemble: {rewards: [{logprob: {model: judge, tpo_logprobs: 5}}]}}}"),
        "file.yaml:7: unknown key 'tpo_logprobs' in layers.1.score.reward.ensemble.rewards.0.logprob; "
        "did you mean 'top_logprobs'? Known: model, prompt, top_logprobs, unfinished.",
    ),
    "unknown model in a reward": (
        changed("- vote", "- score: {reward: {ensemble: {rewards: [{logprob: {model: jugde}}]}}}"),
        "file.yaml:7: layers.1.score.reward.ensemble.rewards.0.logprob.model: unknown model 'jugde'; "
        "did you mean 'judge'? Known: judge, solver.",
    ),
    "a list for a reward": (
        changed("- vote", "- score: {reward: [judge]}"),
        "file.yaml:7: layers.1.score.reward: a reward is one kind with its settings, such as `judge: {model: m}`.",
    ),
    "missing setting of a reward": (
        changed("- vote", "- score: {reward: judge}"),
        "file.yaml:7: 'layers.1.score.reward.judge.model' is missing.",
    ),
    "a reward that needs unit tests": (
        changed("- vote", "- score: {reward: {tests: {model: judge}}}"),
        "file.yaml:7: layers.1: score works on unit tests and no layer before it makes any; "
        "put a layer before it that does, such as unit_tests.",
    ),
    "number too small": (
        changed("n: 2", "n: 0"),
        "file.yaml:6: layers.0.generate.n: input should be greater than or equal to 1 (given: 0).",
    ),
    "no number": (
        changed("n: 2", "n: many"),
        "file.yaml:6: layers.0.generate.n: input should be a valid integer, "
        "unable to parse string as an integer (given: 'many').",
    ),
    "missing setting": (changed("model: solver, ", ""), "file.yaml:6: 'layers.0.generate.model' is missing."),
    "missing use": (changed("use: openai/x, ", ""), "file.yaml:3: 'models.solver.use' is missing."),
    "missing name": (changed("name: example\n", ""), "file.yaml:1: 'name' is missing."),
    "missing layers": ("name: example\n", "file.yaml:1: 'layers' is missing."),
    "missing answer setting": (changed("math", "{regex: {}}"), "file.yaml:8: 'answer.regex.pattern' is missing."),
    "no layers": ("name: example\nlayers: []\n", "file.yaml:2: layers: this must not be empty."),
    "empty layer": ("name: example\nlayers: [[]]\n", "file.yaml:2: layers.0: a layer needs at least one technique."),
    "layers in a mapping": ("name: example\nlayers: {vote: }\n", "file.yaml:2: layers: this must be a list."),
    "layers left blank": ("name: example\nlayers:\n", "file.yaml:2: layers: this must be a list."),
    "a number for a layer": (
        changed("- vote", "- 3"),
        "file.yaml:7: layers.1: a layer is one technique with its settings, such as `generate: {n: 8}` (given: 3).",
    ),
    "two techniques in one mapping": (
        changed("- vote", "- {vote: , critique: {model: judge}}"),
        "file.yaml:7: layers.1: a layer is one technique with its settings, such as `generate: {n: 8}`.",
    ),
    "a list in a parallel layer": (
        changed("- vote", "- [vote, [vote]]"),
        "file.yaml:7: layers.1.1: a layer is one technique with its settings, such as `generate: {n: 8}`.",
    ),
    "text for settings": (
        changed("{model: solver, n: 2}", "solver"),
        "file.yaml:6: layers.0.generate: this must be a mapping of settings (given: 'solver').",
    ),
    "a list for models": (
        "name: example\nmodels: [openai/x]\nlayers: [generate: {model: openai/x}]\n",
        "file.yaml:2: models: this must be a mapping.",
    ),
    "a number for a model": (
        changed("judge: openai/y", "judge: 3"),
        "file.yaml:4: models.judge: this must be a mapping of settings (given: 3).",
    ),
    "a number for a reference": (
        changed("model: solver", "model: 3"),
        "file.yaml:6: layers.0.generate.model: name one model or a list of them (given: 3).",
    ),
    "a slash in a role": (
        changed("judge:", "a/b:"),
        "file.yaml:4: models.a/b: a role is a plain name; write the provider and model under `use`.",
    ),
    "first layer without candidates": (
        "name: example\n\nlayers:\n  - vote\n",
        "file.yaml:4: layers.0: vote works on candidates and no layer before it makes any; "
        "start with a layer that does, such as generate.",
    ),
    "incomplete prompt": (
        changed("- vote", "- rank: {model: judge, prompt: '{question}'}"),
        "file.yaml:7: layers.1.rank.prompt: the prompt must contain {candidates} (given: '{question}').",
    ),
    "key given twice": (YAML_TEXT + "name: other\n", 'file.yaml:9: found duplicate key "name".'),
    "unset variable": (
        changed("judge: openai/y", "judge: ${ARCHON_NOT_SET}"),
        "file.yaml:4: the environment variable ARCHON_NOT_SET is not set; "
        "set it or give a default, as in ${ARCHON_NOT_SET:-value}.",
    ),
    "variable without quotes in a flow mapping": (
        changed("openai/x", "${ARCHON_NOT_SET}"),
        "file.yaml:3: expected ',' or '}', but got '{'; put ${...} in quotes inside braces or brackets.",
    ),
    "a tagged value": (
        YAML_TEXT + "description: !secret x\n",
        "file.yaml:9: description: only text, numbers, true, false, null, lists and mappings are understood; "
        "put in quotes what is meant as text.",
    ),
    "a list": (
        "- generate\n",
        "file.yaml: an architecture is a mapping with the keys name, models, layers and answer.",
    ),
    "nothing": ("", "file.yaml: an architecture is a mapping with the keys name, models, layers and answer."),
}


@pytest.mark.parametrize(("text", "sentence"), SENTENCES.values(), ids=list(SENTENCES))
def test_every_error_is_one_sentence_that_names_the_place(text: str, sentence: str) -> None:
    assert complaint(text) == [sentence]


@pytest.mark.parametrize(("old", "line"), [("openai/x", 3), ("model: solver", 6)])
def test_unknown_providers_are_named_with_the_nearest(old: str, line: int) -> None:
    (sentence,) = complaint(changed(old, old.replace("openai", "opnai").replace("solver", "opnai/z")))
    assert sentence.startswith(f"file.yaml:{line}: ")
    assert "unknown provider 'opnai'; did you mean 'openai'? Known: anthropic, " in sentence


@pytest.mark.parametrize("text", ["name: [a\n", "name: 'a\n", "a: b: c\n", "name: a\n\tlayers: x\n", "name: *x\n"])
def test_what_is_not_yaml_is_refused_at_its_line(text: str) -> None:
    (sentence,) = complaint(text)
    assert sentence.startswith("file.yaml:")
    assert sentence[10].isdigit()


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet="abc:-[]{}&*!|>'\"#%@` \n\t${}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_architecture(text)
    except ConfigError as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        changed("temperature: 0.5", "api_key: SECRET"),
        changed("temperature: 0.5", "api_key: [SECRET]"),
        changed("temperature: 0.5", "api_key: 'prefix ${SECRET}'"),
        changed("temperature: 0.5", "api_kye: SECRET"),
        changed("temperature: 0.5", "api_key: '${A}', api_key: SECRET"),
        changed("judge: openai/y", "api_key: SECRET"),
    ],
)
def test_a_key_written_out_is_refused_and_not_repeated(text: str) -> None:
    (sentence,) = complaint(text)
    assert "api_k" in sentence
    assert "SECRET" not in sentence


@pytest.mark.parametrize("key", ["12345", "0.5"])
def test_a_key_of_digits_is_not_repeated_either(key: str) -> None:
    (sentence,) = complaint(changed("temperature: 0.5", f"api_key: {key}"))
    assert key not in sentence
    for place in ("models.solver", "layers.9", "name"):
        (sentence,) = complaint(YAML_TEXT, f"{place}.api_key={key}")
        assert key not in sentence


def test_a_reference_to_a_key_is_kept_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "SECRET")
    architecture = parse_architecture(changed("temperature: 0.5", "api_key: '${THE_KEY}'"))
    assert architecture.models["solver"].api_key == "${THE_KEY}"
    assert "SECRET" not in dump_architecture(architecture)
    assert parse_architecture(dump_architecture(architecture)) == architecture


def test_several_errors_give_several_sentences() -> None:
    text = changed("n: 2", "n: 0, temprature: 1").replace("math", "maths") + "layer: 3\n"
    sentences = complaint(text)
    assert [sentence.split(": ")[0] for sentence in sentences] == [f"file.yaml:{line}" for line in (6, 6, 8, 9)]


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


def test_an_alias_to_itself_is_refused() -> None:
    (sentence,) = complaint("&a\nname: example\nmodels: *a\n")
    assert "refers to itself" in sentence


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


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("n", "--set n: write it as path=value, such as layers.0.generate.n=4."),
        ("=4", "--set =4: write it as path=value, such as layers.0.generate.n=4."),
        (
            "layers.7.generate.n=4",
            "--set layers.7.generate.n=4: 'layers.7' does not exist; the list has 2 entries.",
        ),
        ("layers.2=vote", "--set layers.2=vote: 'layers.2' does not exist; the list has 2 entries."),
        ("layers.x=vote", "--set layers.x=vote: 'layers.x' does not exist; the list has 2 entries."),
        ("name.x=1", "--set name.x=1: 'name' has no settings."),
        ("name.x.y=1", "--set name.x.y=1: 'name.x' does not exist."),
        ("name=[", "--set name:1: expected the node content, but found '<stream end>'."),
        (
            "layers.0.generate.temprature=1",
            "file.yaml:6: unknown key 'temprature' in layers.0.generate; did you mean 'temperature'? "
            "Known: max_tokens, model, n, system, temperature, top_p.",
        ),
        ("layers.0.generate.n=0", SENTENCES["number too small"][1]),
        ("layers.0.generate.model=slover", SENTENCES["unknown role"][1]),
    ],
)
def test_wrong_assignments_are_refused(assignment: str, sentence: str) -> None:
    assert complaint(YAML_TEXT, assignment) == [sentence]


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    for path, expected in [(tmp_path / "none.yaml", "no such file"), (tmp_path, "cannot be read"), (binary, "cannot")]:
        with pytest.raises(ConfigError, match=expected):
            load_architecture(path)
