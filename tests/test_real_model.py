"""The whole way on a real model: architectures, probe, continuation, server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import archon
from archon import ModelPool, ModelSpec, Task
from archon.models.base import Model, Request, Sampling
from archon.models.probe import probe
from archon.models.weights import locate
from archon.state import Message
from archon.testing import ModelConformance

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]
pytest.importorskip("xllamacpp")

MODEL = "qwen2.5-coder-0.5b"
SPEC = ModelSpec(use=f"local/{MODEL}", temperature=0.7, max_tokens=64)


@pytest.fixture(autouse=True)
def weights() -> Path:
    try:
        return locate(MODEL)
    except archon.ConfigError as missing:
        pytest.skip(str(missing))


async def test_a_stack_of_all_techniques_answers() -> None:
    architecture = archon.Architecture.model_validate(
        {
            "name": "stack",
            "models": {"m": SPEC},
            "layers": [
                {"generate": {"model": "m", "n": 4}},
                {"verify": {"model": "m"}},
                {"critique": {"model": "m"}},
                {"rank": {"model": "m", "keep": 2}},
                {"fuse": {"model": "m", "n": 2}},
                "vote",
            ],
            "answer": "math",
        }
    )
    result = await archon.run(architecture, "What is 2 + 3? Answer with the number.")
    assert result.text
    assert result.totals.usage.prompt > 100
    assert not [failure for failure in result.failures if failure.kind == "call"]


async def test_the_probe_agrees_with_what_the_local_backend_assumes() -> None:
    async with ModelPool() as pool:
        model = await pool.bare_model(SPEC)
        found = await probe(model)
    assert found.capabilities == model.capabilities, found.findings


async def test_every_choice_is_counted_and_a_prefix_is_continued_without_its_echo() -> None:
    async with ModelPool() as pool:
        model = await pool.model(SPEC)
        count = (Message("user", "Count from 1 to 20, separated by commas."),)
        reply = await model.complete(Request(count, Sampling(temperature=0.9, max_tokens=20), indices=tuple(range(8))))
        assert len(reply.completions) == 8
        assert reply.usage is not None
        assert reply.usage.completion == sum(c.usage.completion for c in reply.completions if c.usage)
        assert reply.usage.completion > 8 * 10
        continued = (*count, Message("assistant", "1, 2, 3, 4,"))
        (completion,) = (await model.complete(Request(continued, Sampling(temperature=0, max_tokens=8)))).completions
        assert completion.text.strip().startswith("5")


async def test_two_roles_on_the_same_weights_share_one_server() -> None:
    async with ModelPool() as pool:
        first = await pool.bare_model(SPEC)
        second = await pool.bare_model(ModelSpec(use=SPEC.use, temperature=0))
        assert first.identity == second.identity
        assert first.identity.startswith("sha256:")


class TestLocalConformance(ModelConformance):
    async def make(self) -> Model:
        return await _Owned.start()


class _Owned:
    """A local model that takes its pool with it when it is closed."""

    def __init__(self, pool: ModelPool, model: Model) -> None:
        self._pool = pool
        self.name, self.identity, self.capabilities = model.name, model.identity, model.capabilities
        self.complete = model.complete

    @classmethod
    async def start(cls) -> _Owned:
        pool = await ModelPool().__aenter__()
        return cls(pool, await pool.model(SPEC))

    async def aclose(self) -> None:
        await self._pool.__aexit__(None, None, None)


def test_a_served_model_answers_any_client(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from archon.cli import main; main()", "models", "serve", MODEL, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            base_url = server.stdout.readline().strip()
            body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
            reply = httpx.post(f"{base_url}/chat/completions", json=body, timeout=120)
            assert reply.json()["choices"][0]["message"]["content"]
        finally:
            server.terminate()


def test_the_demo_ends_in_a_table(tmp_path: Path) -> None:
    root = Path(archon.__file__).resolve().parents[1]
    pytest.importorskip("reasoning_gym")
    command = [sys.executable, "-c", "from archon.cli import main; main()", "demo", "--json", "--questions", "2"]
    command += ["--model", MODEL, "--runs", str(tmp_path), "--configs", str(root / "configs" / "architectures")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    architectures = json.loads(done.stdout)["architectures"]
    assert [a["architecture"] for a in architectures] == ["single", "vote-8", "generate-critique-rank-fuse"]
    assert [a["samples_per_question"] for a in architectures[:2]] == [1, 8]
    assert all(a["accuracy"]["n"] == 2 for a in architectures)


async def test_a_question_is_asked_of_the_shared_data(shared_data: Path) -> None:
    row = json.loads((shared_data / "gsm8k_dev.jsonl").read_text(encoding="utf-8").splitlines()[0])
    architecture = archon.Architecture.model_validate(
        {"name": "one", "models": {"m": SPEC}, "layers": [{"generate": {"model": "m"}}], "answer": "math"}
    )
    async with archon.Engine(architecture) as engine:
        result = await engine.run(Task.of(row["question"]))
    assert result.status == "done"


@pytest.mark.parametrize("steps", ["continue", "ask", "split"])
async def test_a_search_over_steps_ends_with_an_answer(steps: str) -> None:
    layer = {
        "model": "m",
        "steps": steps,
        "n": 2,
        "max_steps": 3,
        "max_tokens": 48,
        "delimiter": "\n",
        "limit": {"tokens": 800},
        "reward": {"logprob": {"model": "m"}},
    }
    architecture = archon.Architecture.model_validate(
        {"name": "search", "models": {"m": SPEC}, "layers": [{"step_best_of_n": layer}], "answer": "math"}
    )
    result = await archon.run(architecture, "What is 2 + 3? Explain in one line, then give the number on the next.")
    assert result.error is None
    assert "5" in (result.text or "")
    assert not [failure for failure in result.failures if failure.kind in ("call", "budget")]
    assert result.totals.usage.completion < 900


async def test_a_small_model_drafts_for_itself() -> None:
    layer = {"model": "m", "drafter": "m", "max_steps": 3, "max_tokens": 48, "delimiter": "\n", "threshold": 5}
    architecture = archon.Architecture.model_validate(
        {"name": "search", "models": {"m": SPEC}, "layers": [{"speculative_reasoning": layer}], "answer": "math"}
    )
    result = await archon.run(architecture, "What is 2 + 3? Explain in one line, then give the number on the next.")
    assert result.error is None
    assert "5" in (result.text or "")
    assert not [failure for failure in result.failures if failure.kind == "call"]
