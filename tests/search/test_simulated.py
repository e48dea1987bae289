"""The simulated world: what real techniques come to on its models, asked over HTTP, is what it says of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from archon.architecture import Architecture
from search.asking import BenchmarkEvaluator
from search.laws import SimulatedModel
from search.simulated import World
from tests.loopback import serve
from tests.search.endpoints import Endpoints, problem_set

MODELS = {
    "openai/simulated-small": SimulatedModel(-1.0, (0.1, 0.4)),
    "openai/simulated-large": SimulatedModel(2.0, (1.0, 4.0)),
}
PROBLEMS = 600


def draw(model: str, n: int, temperature: float = 0.8) -> dict[str, Any]:
    return {"generate": {"model": model, "n": n, "temperature": temperature}}


MIXED = [draw("small", 3), draw("large", 2)]
ARCHITECTURES: dict[str, list[Any]] = {
    "single": [draw("large", 1)],
    "cold": [draw("large", 1, 0.1)],
    "vote": [MIXED, "vote"],
    "best by score": [MIXED, {"score": {"keep": 1, "reward": {"logprob": {"model": "large"}}}}],
    "weighted vote": [MIXED, {"score": {"reward": {"logprob": {"model": "large"}}}}, {"vote": {"weighted": True}}],
    "rank": [MIXED, {"rank": {"model": "large", "keep": 1}}],
    "rank, fuse": [MIXED, {"rank": {"model": "small", "keep": 2}}, {"fuse": {"model": "large", "n": 3}}, "vote"],
    "critique, fuse": [MIXED, {"critique": {"model": "small"}}, {"fuse": {"model": "large"}}],
    "verify, vote": [MIXED, {"verify": {"model": "large"}}, "vote"],
}


def architecture(name: str, url: str) -> Architecture:
    models = {
        role: {"use": f"openai/simulated-{role}", "base_url": url, "price": {**price, "date": "2026-11-25"}}
        for role, price in (("small", {"input": 0.1, "output": 0.4}), ("large", {"input": 1.0, "output": 4.0}))
    }
    layers = ARCHITECTURES[name]
    data = {"name": name.replace(", ", "-").replace(" ", "-"), "models": models, "layers": layers, "answer": "math"}
    return Architecture.model_validate(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
async def test_real_techniques_come_to_what_the_world_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    world = World(5, PROBLEMS, MODELS)
    positions = list(range(PROBLEMS))
    with serve(Endpoints(world)) as server:
        asked_of = architecture(name, server.base_url)
        asked = await BenchmarkEvaluator(problem_set(PROBLEMS)).evaluate(asked_of, positions)
    said = await world.evaluate(asked_of, positions)
    difference = np.array([float(a.score or 0) - float(b.score or 0) for a, b in zip(asked, said, strict=True)])
    error = float(difference.std(ddof=1)) / math.sqrt(PROBLEMS)
    assert abs(float(difference.mean())) < 3.5 * error
    for cost in ("calls", "tokens", "usd"):
        assert [getattr(o, cost) for o in asked] == pytest.approx([getattr(o, cost) for o in said])
