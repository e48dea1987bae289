"""``archon import``, and the research code's configurations wherever an architecture is taken."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from archon.errors import ConfigError, ConfigWarning
from archon.source import dump_architecture, load_architecture, parse_architecture
from tests.commands import Run
from tests.importers.components import GENERATOR, component, stack
from tests.loopback import Answer, serve


def write(path: Path, data: Any) -> str:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path.name


INERT = stack([component("fuser", top_k=1)])
WARNING = "archon: warning: a.json: layers.1.0: 'top_k' has no effect on a fuser and is left out.\n"


def test_yaml_goes_to_stdout_and_what_was_left_out_to_stderr(archon: Run, tmp_path: Path) -> None:
    code, out, err = archon("import", write(tmp_path / "a.json", INERT))
    assert (code, err) == (0, WARNING)
    assert parse_architecture(out).name == "stack"


def test_what_is_written_validates_and_is_the_same(archon: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", stack([component("fuser")]))
    code, out, err = archon("import", file, "--output", "a.yaml")
    assert (code, out, err) == (0, "", "Written to a.yaml\n")
    assert archon("validate", "a.yaml")[0] == 0
    assert load_architecture(tmp_path / "a.yaml") == load_architecture(tmp_path / "a.json")


def test_json_is_printed_for_machines(archon: Run, tmp_path: Path) -> None:
    code, out, err = archon("import", write(tmp_path / "a.json", INERT), "--json")
    assert (code, err) == (0, WARNING)
    assert json.loads(out)["layers"][1]["fuse"]["model"] == "m"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.json",), "none.json: there is no such file."),
        (("a.yaml",), "a.yaml: a configuration to import is a .json file."),
        (("a.json", "--output", "no/a.yaml"), "no/a.yaml: cannot be written: No such file or directory."),
        (("broken.json",), "broken.json:1: not valid JSON: Expecting value."),
        (("bad.json",), "bad.json: layers.1.0.type: unknown component type 'fusre'; did you mean 'fuser'?"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    archon: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    write(tmp_path / "a.json", stack())
    write(tmp_path / "bad.json", stack([component("fusre")]))
    (tmp_path / "broken.json").write_text("nope")
    code, out, err = archon("import", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"archon: {sentence}")
    assert len(err.splitlines()) == 1


def test_a_configuration_runs_as_it_is(archon: Run, tmp_path: Path) -> None:
    with serve(lambda body: Answer()) as server:
        endpoint = {"model_type": "tgi", "model": server.base_url}
        data = {"layers": [[{**GENERATOR, **endpoint, "samples": 3}], [component("fuser", **endpoint, top_k=1)]]}
        code, out, err = archon("run", write(tmp_path / "a.json", data), "--question", "2 + 2?", "--no-store")
    assert (code, out.strip()) == (0, "The answer is 4.")
    assert server.calls == 4
    assert [(body["model"], body["temperature"], body["max_tokens"]) for body in server.bodies] == [
        ("tgi", 0.7, 64)
    ] * 4
    assert WARNING in err


def test_validate_and_set_take_a_configuration_too(archon: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", stack([component("fuser")]))
    code, out, err = archon("validate", file)
    assert (code, out, err) == (0, "a.json: stack is valid: generate → fuse\n", "")
    code, out, _ = archon("validate", file, "--json", "--set", "models.m.temperature=0", "--set", "layers.1.fuse.n=2")
    assert code == 0
    assert (json.loads(out)[0]["models"]["m"]["temperature"], json.loads(out)[0]["layers"][1]["fuse"]["n"]) == (0, 2)
    code, _, err = archon("validate", file, "--set", "layers.1.fuse.m=2")
    assert code == 2
    assert "unknown key 'm' in layers.1.fuse" in err


def test_the_library_warns_without_printing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.json", INERT)
    with pytest.warns(ConfigWarning, match="'top_k' has no effect on a fuser"):
        load_architecture(tmp_path / "a.json")
    assert capsys.readouterr() == ("", "")


def test_an_architecture_of_ours_may_be_json_too(tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    architecture = parse_architecture(
        "name: a\nmodels: {m: openai/x}\nlayers: [[{generate: {model: m}}, {generate: {model: m}}], vote]\n"
    )
    for data in (architecture.to_data(), {"name": "a", "layers": [{"generate": {"model": "openai/x"}}, "vote"]}):
        write(file, data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = load_architecture(file)
        assert parse_architecture(dump_architecture(loaded)) == loaded
    write(file, {"name": "a", "models": {}, "layers": [[GENERATOR]]})
    with pytest.raises(ConfigError, match=r"ours\.json:1: layers\.0\.0: a layer is one technique"):
        load_architecture(file)
