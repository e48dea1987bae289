"""Problems made by reasoning-gym: as many as one likes, each with a verifiable answer."""

from __future__ import annotations

from archon.errors import ConfigError
from archon.questions import Question
from archon.state import Task
from archon.suggest import unknown


def generate_questions(family: str, size: int, seed: int) -> list[Question]:
    """Generate ``size`` problems of one reasoning-gym family.

    Args:
        family: Such as ``gsm_symbolic`` or ``chain_sum``.
        size: How many.
        seed: The same seed gives the same problems.

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
    made = reasoning_gym.create_dataset(family, size=size, seed=seed)
    return [
        Question(Task.of(item["question"], id=f"{family}-{seed}-{index}"), str(item["answer"]))
        for index, item in enumerate(made)
    ]
