"""Problems made by reasoning-gym: as many as one likes, each with a verifiable answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

from archon.errors import ConfigError
from archon.questions import Question
from archon.state import Task
from archon.suggest import unknown

BATCH = 200


def generate_questions(
    family: str, size: int, seed: int, *, keep: Callable[[str, str], bool] = lambda question, answer: True
) -> list[Question]:
    """Generate ``size`` problems of one reasoning-gym family.

    Args:
        family: Such as ``gsm_symbolic`` or ``chain_sum``.
        size: How many.
        seed: The same seed gives the same problems.
        keep: Told a question and its answer; problems it turns down are passed over.

    Raises:
        ConfigError: reasoning-gym is not installed, or has no such family.
    """
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise ConfigError("Generated problems need reasoning-gym: pip install 'archon-inference[evals]'.") from None
    if family not in DATASETS:
        raise ConfigError(unknown("reasoning-gym family", family, DATASETS))
    made = ((item["question"], str(item["answer"])) for item in _endless(reasoning_gym, family, seed))
    kept = islice(((question, answer) for question, answer in made if keep(question, answer)), size)
    return [
        Question(Task.of(question, id=f"{family}-{seed}-{index}"), answer)
        for index, (question, answer) in enumerate(kept)
    ]


def _endless(reasoning_gym: Any, family: str, seed: int) -> Iterator[dict[str, Any]]:
    """One batch after the other, each with a seed of its own."""
    for batch in count():
        yield from reasoning_gym.create_dataset(family, size=BATCH, seed=seed * 1_000_003 + batch)
