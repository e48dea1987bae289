"""The library's front door: one asynchronous call and its plain counterpart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from archon.architecture import Architecture
from archon.concurrency import run_sync as _run_sync
from archon.engine import Engine
from archon.models.base import Model
from archon.models.pool import ModelPool
from archon.result import Result
from archon.source import load_architecture
from archon.state import Message, Task
from archon.store import Store

Question = str | Sequence[Message] | Task


async def run(
    architecture: Architecture | str | Path,
    question: Question,
    *,
    seed: int = 0,
    models: Mapping[str, Model] | None = None,
    pool: ModelPool | None = None,
    store: Store | None = None,
) -> Result:
    """Answer one question with an architecture.

    Args:
        architecture: The architecture, or the path of its YAML file.
        question: A question, a conversation that ends with the user's turn, or a task.
        seed: Decides every draw.
        models: Models by reference that replace the architecture's.
        pool: Shares connections, limits and local models between calls.
        store: Samples in it are not bought again, and those bought are kept in it.

    Returns:
        The answer with its candidates and its cost.

    Raises:
        ConfigError: The architecture cannot be run as it is.
        ModelError: A model the architecture cannot do without failed for good.
    """
    if not isinstance(architecture, Architecture):
        architecture = load_architecture(architecture)
    async with Engine(architecture, pool, models=models, seed=seed, store=store) as engine:
        result = await engine.run(_task(question))
    if result.error is not None:
        raise result.error
    return result


def run_sync(
    architecture: Architecture | str | Path,
    question: Question,
    *,
    seed: int = 0,
    models: Mapping[str, Model] | None = None,
) -> Result:
    """:func:`run` for code that is not async; works inside a notebook's running event loop too."""
    return _run_sync(run(architecture, question, seed=seed, models=models))


def _task(question: Question) -> Task:
    if isinstance(question, Task):
        return question
    return Task.of(question) if isinstance(question, str) else Task(tuple(question))
