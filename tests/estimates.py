"""Architectures, tasks and rehearsals for the tests of estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archon import Architecture, Result, Task
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.estimate import Estimate, estimate
from archon.models.base import Request
from archon.observed import Profile, Watch
from archon.testing import ScriptedModel
from techniques.verify import VERDICT

URL = "http://127.0.0.1:9/v1"
KEY = f"openai/test {URL}"
PRICE = {"input": 1.0, "output": 2.0, "date": "2026-11-01"}


def model(**fields: Any) -> dict[str, Any]:
    return {"use": "openai/test", "base_url": URL, "max_tokens": 100, **fields}


def stack(*layers: Any, **models: Any) -> Architecture:
    return Architecture.model_validate({"name": "a", "models": {"m": model(), **models}, "layers": layers})


def tasks(count: int = 1, text: str = "x" * 400) -> list[Task]:
    return [Task.of(text, id=str(number)) for number in range(count)]


def cold(architecture: Architecture, count: int = 1) -> Estimate:
    return estimate(architecture, tasks(count), Profile())


def reply(request: Request, index: int) -> str:
    """Always what a technique hopes for, in texts of different lengths."""
    prompt = request.messages[-1].content
    if "For each response, name" in prompt:
        return "\n".join(f"[{number}]\nStrengths: all." for number in range(1, 20))
    if prompt == VERDICT:
        return "[Correct]"
    return "word " * (1 + request.wire_seed() % 30) + "[1] > [2]"


def rehearse(architecture: Architecture, asked: Sequence[Task], scripted: ScriptedModel) -> tuple[list[Result], Watch]:
    """Run an architecture and watch it."""
    watch = Watch()

    async def run() -> list[Result]:
        models = dict.fromkeys(architecture.specs(), scripted)
        async with Engine(architecture, models=models, observe=watch) as engine:
            return [result async for _, result in engine.run_all(asked)]

    return run_sync(run()), watch
