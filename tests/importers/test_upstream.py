"""The research code's configurations: what they become, and how that runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from archon.architecture import Architecture
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.importers.upstream import PROVIDERS, TECHNIQUES, import_upstream
from archon.models.base import Request
from archon.result import Result
from archon.source import dump_architecture, parse_architecture
from archon.state import Task
from archon.testing import ScriptedModel
from techniques import Critique, EvaluateTests, Fuse, Generate, Rank, UnitTests, Verify
from techniques.verify import VERDICT
from tests.importers.components import component, imported

DATA = Path(__file__).parent / "data"

RUNS: dict[str, list[tuple[str, dict[str, int]]]] = {
    "branches-nested": [
        ("0.generate[0]", {"qwen2-72b-instruct": 1}),
        ("0.generate[1]", {"llama-3-70b-chat-hf": 2}),
        ("0.generate[2]", {"mixtral-8x22b-instruct-v0-1": 1}),
        ("1.fuse[0]", {"qwen2-72b-instruct": 1}),
        ("1.rank[1]", {"qwen2-72b-instruct": 1}),
        ("2.fuse", {"llama-3-70b-chat-hf": 1}),
    ],
    "critic-several": [
        ("0.generate", {"qwen2-72b-instruct": 2}),
        ("1.critique", {"llama-3-70b-chat-hf": 1}),
        ("2.critique", {"mixtral-8x22b-instruct-v0-1": 1}),
        ("3.rank", {"qwen2-72b-instruct": 1}),
    ],
    "critic-then-fusers": [
        ("0.generate", {"qwen2-72b-instruct": 3}),
        ("1.critique", {"llama-3-70b-chat-hf": 1}),
        ("2.fuse[0]", {"qwen2-72b-instruct": 1}),
        ("2.fuse[1]", {"llama-3-70b-chat-hf": 1}),
        ("3.fuse", {"qwen2-72b-instruct": 1}),
    ],
    "fuser-length": [
        ("0.generate", {"gpt-4o-2024-05-13": 4}),
        ("1.critique", {"gpt-4o-2024-05-13": 1}),
        ("2.fuse", {"gpt-4o-2024-05-13": 2}),
        ("3.fuse", {"gpt-4o-2024-05-13": 1}),
    ],
    "fuser-mixture": [
        ("0.generate", {"qwen2-72b-instruct": 1, "llama-3-70b-chat-hf": 1, "mixtral-8x22b-instruct-v0-1": 1}),
        ("1.fuse[0]", {"qwen2-72b-instruct": 1}),
        ("1.fuse[1]", {"llama-3-70b-chat-hf": 1}),
        ("1.fuse[2]", {"mixtral-8x22b-instruct-v0-1": 1}),
        ("2.fuse", {"qwen2-72b-instruct": 1}),
    ],
    "generator-ensemble": [
        ("0.generate", {"qwen2-72b-instruct": 2, "llama-3-70b-chat-hf": 2, "mixtral-8x22b-instruct-v0-1": 2})
    ],
    "generator-samples": [("0.generate", {"claude-3-5-sonnet-20240620": 5})],
    "ranker-criticised": [
        ("0.generate", {"qwen2-72b-instruct": 1, "llama-3-70b-chat-hf": 1}),
        ("1.critique", {"qwen2-72b-instruct": 1}),
        ("2.rank", {"qwen2-72b-instruct": 1}),
        ("3.verify", {"qwen2-72b-instruct": 4}),
        ("4.fuse", {"qwen2-72b-instruct": 1}),
    ],
    "ranker-top": [
        ("0.generate", {"gpt-4o-2024-05-13": 10}),
        ("1.rank", {"gpt-4o-2024-05-13": 1}),
        ("2.fuse", {"gpt-4o-2024-05-13": 1}),
    ],
    "unit_test_evaluator-first": [
        ("0.generate", {"gpt-4o-2024-05-13": 6}),
        ("1.unit_tests", {"gpt-4o-2024-05-13": 1}),
        ("2.test", {"gpt-4o-2024-05-13": 3}),
        ("3.verify", {"gpt-4o-2024-05-13": 2}),
    ],
    "unit_test_evaluator-legacy": [
        ("0.unit_tests", {"gpt-4o-2024-05-13": 1}),
        ("1.generate", {"gpt-4o-2024-05-13": 4}),
        ("2.test", {"gpt-4o-2024-05-13": 1}),
        ("3.critique", {"gpt-4o-2024-05-13": 1}),
        ("4.fuse", {"gpt-4o-2024-05-13": 1}),
    ],
    "unit_test_generator-beside": [
        ("0.unit_tests", {"gpt-4o-2024-05-13": 1}),
        ("1.generate", {"gpt-4o-2024-05-13": 3}),
        ("2.rank", {"gpt-4o-2024-05-13": 1}),
        ("3.unit_tests", {"gpt-4o-2024-05-13": 1}),
        ("4.test", {"gpt-4o-2024-05-13": 2}),
    ],
    "unit_test_generator-first": [
        ("0.unit_tests", {"gpt-4o-2024-05-13": 1}),
        ("1.generate[0]", {"gpt-4o-2024-05-13": 2}),
        ("1.generate[1]", {"qwen2-72b-instruct": 1}),
        ("2.test", {"gpt-4o-2024-05-13": 3}),
    ],
    "verifier-all": [
        ("0.generate", {"llama-3-1-70b-versatile": 4}),
        ("1.verify", {"gemini-1-5-pro-001": 8}),
        ("2.fuse", {"gemini-1-5-pro-001": 1}),
    ],
    "verifier-first": [("0.generate", {"opt-125m": 5}), ("1.verify", {"tgi": 2})],
}
"""Every layer in the order of asking, with the completions it draws from each role."""


def load(name: str) -> Architecture:
    return import_upstream(json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")), f"{name}.json").architecture


def _say(request: Request, index: int) -> str:
    """What makes every technique do its usual work; all candidates pass."""
    said = {
        "critique": "\n".join(f"[{number}]\ngood" for number in range(1, 20)),
        "rank": "[2] > [1]",
        "verify": "[Correct]" if request.messages[-1].content == VERDICT else "thought",
        "unit_tests": "\n".join(f"[{number}] TEST-MARK {number}" for number in range(1, 20)),
        "test": "\n".join(f"[{number}] PASS" for number in range(1, 20)),
    }
    return said.get(request.tag.technique, f"{request.tag.layer} {request.wire_seed()}")


def run(architecture: Architecture) -> tuple[Result, dict[str, ScriptedModel]]:
    models = {role: ScriptedModel(_say, name=f"scripted/{role}") for role in architecture.models}

    async def ask() -> Result:
        async with Engine(architecture, models=models) as engine:
            return await engine.run(Task.of("What is 2 + 2?"))

    return run_sync(ask()), models


def test_the_mapping_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("|")}
    assert all(f"`{technique}`" in rows[f"`{kind}`"] for kind, technique in TECHNIQUES.items())
    assert all(f"`{provider}/" in rows[f"`{model_type}`"] for model_type, provider in PROVIDERS.items())


def test_there_are_two_files_of_every_type() -> None:
    names = Counter(path.stem.partition("-")[0] for path in DATA.glob("*.json"))
    assert all(names[kind] >= 2 for kind in TECHNIQUES)
    assert {path.stem for path in DATA.glob("*.json")} == RUNS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_a_file_runs_as_the_research_code_means_it(name: str) -> None:
    architecture = load(name)
    result, models = run(architecture)
    assert result.status == "done"
    assert not result.failures
    drawn: dict[str, Counter[str]] = {}
    for role, model in models.items():
        for request in model.requests:
            drawn.setdefault(request.tag.layer, Counter())[role] += len(request.indices)
    assert sorted(drawn.items()) == [(layer, Counter(counts)) for layer, counts in RUNS[name]]
    everything = [draw for model in models.values() for draw in model.draws()]
    assert result.totals.samples == len(everything)


@pytest.mark.parametrize("name", RUNS)
def test_what_is_written_reads_back_equal(name: str) -> None:
    architecture = load(name)
    assert parse_architecture(dump_architecture(architecture)) == architecture


def test_every_setting_arrives() -> None:
    architecture, remarks = imported(
        {
            "name": "all",
            "layers": [
                [component("unit_test_generator", unit_test_cap=4)],
                [component("generator", samples=3, temperature=1.5)],
                [component("critic", max_tokens=9)],
                [component("ranker", top_k=7)],
                [component("verifier", first_k=2)],
                [component("unit_test_evaluator", top_k=3, first_k=2)],
                [component("fuser", samples=2, length_control=True, temperature=0)],
            ],
        }
    )
    assert architecture.layers == (
        (UnitTests(model="m", n=4, show=True),),
        (Generate(model="m", n=3, temperature=1.5),),
        (Critique(model="m", max_tokens=9),),
        (Rank(model="m", keep=7),),
        (Verify(model="m", first_k=2),),
        (EvaluateTests(model="m", keep=3, first_k=2),),
        (Fuse(model="m", n=2, length_control=True, temperature=0),),
    )
    (spec,) = architecture.models.values()
    assert (spec.use, spec.temperature, spec.max_tokens) == ("together/m", 0.7, 64)
    assert remarks == ""


@pytest.mark.parametrize(("model_type", "provider"), PROVIDERS.items())
def test_model_types(model_type: str, provider: str) -> None:
    model = "http://there:80/v1/" if model_type == "tgi" else "org/Name-1.5B"
    architecture, _ = imported({"layers": [[component("generator", model=model, model_type=model_type)]]})
    ((role, spec),) = architecture.models.items()
    expected = ("tgi", "vllm/tgi", model) if model_type == "tgi" else ("name-1-5b", f"{provider}/org/Name-1.5B", None)
    assert (role, spec.use, spec.base_url) == expected


def test_one_role_per_model_and_what_differs_is_an_override() -> None:
    layers = [
        [component("generator", temperature=1.0), component("generator", model="other/m")],
        [component("critic"), component("critic", model_type="vLLM", temperature=None)],
        [component("fuser", max_tokens=9)],
        [component("fuser", temperature=..., model_type="vLLM")],
    ]
    architecture, _ = imported({"layers": layers})
    assert {role: (spec.use, spec.temperature, spec.max_tokens) for role, spec in architecture.models.items()} == {
        "m": ("together/m", 0.7, 64),
        "m-together": ("together/other/m", 0.7, 64),
        "m-vllm": ("vllm/m", None, 64),
    }
    assert architecture.layers == (
        (Generate(model="m", temperature=1.0), Generate(model="m-together")),
        (Critique(model="m"),),
        (Critique(model="m-vllm"),),
        (Fuse(model="m", max_tokens=9),),
        (Fuse(model="m-vllm"),),
    )


def test_generators_become_one_only_where_they_are_neighbours_with_equal_settings() -> None:
    a, b = component("generator", model="a"), component("generator", model="b")
    twice = component("generator", model="a", samples=2)
    assert imported({"layers": [[a, a, b]]})[0].layers == ((Generate(model=("a", "a", "b")),),)
    assert imported({"layers": [[a, twice, b]]})[0].layers == (
        (Generate(model="a"), Generate(model="a", n=2), Generate(model="b")),
    )


def test_later_components_see_the_unit_tests() -> None:
    _, models = run(load("unit_test_generator-beside"))
    requests = [request for model in models.values() for request in model.requests]
    seen = {request.tag.technique: request.messages[-1].content.count("TEST-MARK") for request in requests}
    # The second generator of tests sees the first one's; the evaluator sees them all once.
    assert seen == {"unit_tests": 5, "generate": 5, "rank": 5, "test": 6}
