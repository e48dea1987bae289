"""Runs a technique as the last layer of an architecture whose budget is a number of calls."""

from __future__ import annotations

from archon.architecture import Architecture
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.result import Result
from archon.state import Task
from archon.technique import Technique
from archon.testing import ScriptedModel
from techniques import Generate


def run_with(calls: int, technique: Technique, model: ScriptedModel) -> Result:
    """The result of ``technique``, after one ``generate`` with two draws if it needs candidates."""
    layers = [Generate(model="m", n=2), technique] if technique.needs_candidates else [technique]
    refs = {ref for layer in layers for _, ref in layer.model_refs()}
    architecture = Architecture.model_validate(
        {
            "name": "budgeted",
            "models": {ref: {"use": "openai/scripted"} for ref in refs},
            "layers": layers,
            "answer": "math",
            "budget": {"calls": calls},
        }
    )

    async def run() -> Result:
        async with Engine(architecture, models=dict.fromkeys(refs, model)) as engine:
            return await engine.run(Task.of("What is 2 + 2?", id="q"))

    return run_sync(run())
