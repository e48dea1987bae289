"""Rows that are made to order: as many as one likes, each with a verifiable answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from archon.errors import ConfigError
from archon.suggest import unknown
from evals.sources.base import Row, Source

BATCH = 200


class GymSource(Source, kind="reasoning_gym"):
    """Problems of one family of reasoning-gym (Stojanovski et al. 2025, arXiv:2505.24760).

    Columns: ``id``, ``family``, ``question``, ``answer``, and ``metadata``, which the family's own scorer reads.

    Attributes:
        family: Such as ``gsm_symbolic`` or ``chain_sum``; without one, the benchmark's name names it.
        size: How many, unless a limit asks for another number.
        seed: Added to the seed that is asked for, so that cards can differ.
        settings: What the family can be told, such as ``{max_terms: 3}``.
    """

    family: str | None = None
    size: Annotated[int, Field(ge=1)] = 100
    seed: int = 0
    settings: dict[str, Any] = Field(default_factory=dict)

    endless: ClassVar[bool] = True

    @property
    def known_size(self) -> int | None:
        """As the card says."""
        return self.size

    @property
    def parts(self) -> tuple[str, ...]:
        """The families, where the card names none."""
        return () if self.family else tuple(sorted(gym_families()[1]))

    @property
    def needs_part(self) -> bool:
        """Whether the card names no family."""
        return self.family is None

    def with_part(self, part: str) -> Self:
        """The same source of one family."""
        if self.family is not None:
            return super().with_part(part)
        return self.model_copy(update={"family": part})

    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """As many rows as are taken; the same seed makes the same ones."""
        gym, families = gym_families()
        if self.family is None:
            raise ConfigError("name a family of reasoning-gym, as in reasoning-gym/chain_sum.")
        if self.family not in families:
            raise ConfigError(unknown("reasoning-gym family", self.family, families))
        return self._made(gym, self.family, self.seed + seed)

    def _made(self, gym: Any, family: str, seed: int) -> Iterator[Row]:
        number = count()
        for batch in count():
            # One batch after the other, each with a seed of its own.
            try:
                entries = gym.create_dataset(family, size=BATCH, seed=seed * 1_000_003 + batch, **self.settings)
            except (TypeError, ValueError, AssertionError) as error:
                raise ConfigError(f"reasoning-gym cannot make {family} with {self.settings}: {error}.") from None
            for entry in entries:
                name = f"{family}-{seed}-{next(number)}"
                row = {**entry, "answer": str(entry["answer"]), "id": name, "family": family}
                yield Row(f"reasoning-gym {name}", row)


def gym_families() -> tuple[Any, Any]:
    """The package, and its families by name.

    Raises:
        ConfigError: reasoning-gym is not installed.
    """
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise ConfigError("Generated problems need reasoning-gym: pip install 'archon-inference[evals]'.") from None
    return reasoning_gym, DATASETS


class AdditionSource(Source, kind="addition"):
    """Sums of two whole numbers with the same number of digits, no pair twice.

    Columns: ``id``, ``question``, ``answer``.

    Attributes:
        digits: Of each number; the first one is no zero.
        size: How many, unless a limit asks for another number.
        seed: Added to the seed that is asked for, so that cards can differ.
    """

    digits: Annotated[int, Field(ge=1, le=9)] = 2
    size: Annotated[int, Field(ge=1)] = 128
    seed: int = 0

    endless: ClassVar[bool] = True

    @property
    def known_size(self) -> int | None:
        """As the card says."""
        return self.size

    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """All pairs there are, in an order that the seed decides."""
        low, high = 10 ** (self.digits - 1), 10**self.digits
        rng = random.Random(f"addition-{self.digits}-{self.seed + seed}")
        seen: set[tuple[int, int]] = set()
        while len(seen) < (high - low) ** 2:
            a, b = rng.randrange(low, high), rng.randrange(low, high)
            if (a, b) not in seen:
                seen.add((a, b))
                yield Row(f"addition {a} + {b}", {"id": f"{a}+{b}", "question": f"{a} + {b}", "answer": str(a + b)})
