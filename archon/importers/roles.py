"""Roles for the models of a configuration that names them anew in every component."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draw:
    """What one component draws from, and how; ``None`` leaves a setting to the endpoint."""

    use: str
    base_url: str | None
    temperature: float | None
    max_tokens: int | None


class Roles:
    """One role per model, named after it.

    What most components of a model set is the role's own; the others override it.

    Attributes:
        specs: The ``models`` of the architecture.
    """

    def __init__(self, draws: Iterable[Draw]) -> None:
        by_model: dict[tuple[str, str | None], list[Draw]] = {}
        for draw in draws:
            by_model.setdefault((draw.use, draw.base_url), []).append(draw)
        self.specs: dict[str, dict[str, Any]] = {}
        self._names: dict[tuple[str, str | None], str] = {}
        for (use, base_url), users in by_model.items():
            settings = {
                "base_url": base_url,
                "temperature": _usual([user.temperature for user in users]),
                "max_tokens": _usual([user.max_tokens for user in users]),
            }
            name = self._names[use, base_url] = self._new_name(use)
            self.specs[name] = {"use": use, **{key: value for key, value in settings.items() if value is not None}}

    def name(self, draw: Draw) -> str:
        """The role that a component draws from."""
        return self._names[draw.use, draw.base_url]

    def overrides(self, draw: Draw) -> dict[str, Any]:
        """What the component sets otherwise than its role."""
        spec = self.specs[self.name(draw)]
        own = {"temperature": draw.temperature, "max_tokens": draw.max_tokens}
        return {key: value for key, value in own.items() if value != spec.get(key)}

    def _new_name(self, use: str) -> str:
        # Neither a slash nor a dot: `--set models.ROLE.temperature=0` has to reach it.
        provider, *_, model = use.split("/")
        plain = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-") or "model"
        options = [plain, f"{plain}-{provider}", *(f"{plain}-{number}" for number in range(2, len(self.specs) + 3))]
        return next(name for name in options if name not in self.specs)


def _usual(values: Sequence[T | None]) -> T | None:
    """The most frequent value, the first of several; ``None`` if any is, since nothing can override a value by it."""
    return None if None in values else Counter(values).most_common(1)[0][0]
