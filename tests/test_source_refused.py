"""Architectures from YAML: what is refused, and in which sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.errors import ConfigError
from archon.source import dump_architecture, load_architecture, parse_architecture
from tests.sources import SENTENCES, YAML_TEXT, changed, complaint


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


def test_an_alias_to_itself_is_refused() -> None:
    (sentence,) = complaint("&a\nname: example\nmodels: *a\n")
    assert "refers to itself" in sentence


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
