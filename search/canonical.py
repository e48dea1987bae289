"""When two architectures are one: the form that leaves out names and settings that make no difference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archon.answers import answer_format_to_data
from archon.architecture import Architecture
from archon.kinds import Configuration, kind_to_data
from archon.technique import Plan, Technique

CUTTERS = frozenset({"rank", "score", "test", "tournament"})
"""Techniques whose ``keep`` cuts the candidates they were given."""

Digest = str


@dataclass(frozen=True, slots=True)
class Station:
    """A component and what reaches it.

    Attributes:
        layer: The number of its layer, from 0.
        technique: The component.
        candidates: How many candidates are expected to reach it; ``None`` if a technique before it has no plan.
        most: How many may reach it.
        plan: What it does with those that are expected; ``None`` if that is not known.
    """

    layer: int
    technique: Technique
    candidates: int | None
    most: int | None
    plan: Plan | None


def stations(architecture: Architecture) -> Iterator[Station]:
    """Every component in document order, with the candidates that reach it."""
    expected: int | None = 0
    most: int | None = 0
    for index, layer in enumerate(architecture.layers):
        plans = [None if expected is None else component.plan(expected) for component in layer]
        bounds = [None if most is None else component.plan(most) for component in layer]
        for component, plan in zip(layer, plans, strict=True):
            yield Station(index, component, expected, most, plan)
        expected = _total([None if plan is None else plan.candidates for plan in plans])
        most = _total([None if plan is None else plan.bound for plan in bounds])


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def canonical(architecture: Architecture) -> dict[str, Any]:
    """What decides an architecture's behaviour, as JSON values.

    Name, description and the names of roles are left out, and so are models that no layer uses; a ``keep`` above the
    number of candidates that can be there is that number. Equal forms mean equal behaviour; architectures may behave
    alike for other reasons still.
    """
    specs = {
        ref: spec.model_dump(mode="json", exclude_defaults=True, exclude={"fallback"})
        | ({"fallback": [_model(architecture, other) for other in spec.fallback]} if spec.fallback else {})
        for ref, spec in architecture.specs().items()
    }
    layers: list[list[Any]] = [[] for _ in architecture.layers]
    for station in stations(architecture):
        data = _resolved(station.technique, specs)
        settings = data[station.technique.kind]
        keep = settings.get("keep")
        if station.technique.kind in CUTTERS and keep is not None and station.most is not None:
            settings["keep"] = min(keep, station.most)
        layers[station.layer].append(data)
    budget = architecture.budget and architecture.budget.model_dump(mode="json", exclude_none=True)
    return {"layers": layers, "answer": answer_format_to_data(architecture.answer), "budget": budget}


def _model(architecture: Architecture, ref: str) -> dict[str, Any]:
    spec = architecture.models.get(ref)
    # What a fallback falls back on is not asked.
    return {"use": ref} if spec is None else spec.model_dump(mode="json", exclude_defaults=True, exclude={"fallback"})


def _resolved(configuration: Configuration, specs: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the models in place of their names."""
    data = kind_to_data(configuration)
    settings = data[configuration.kind]
    for name in configuration.model_settings() & settings.keys():
        value = settings[name]
        settings[name] = specs[value] if isinstance(value, str) else [specs[ref] for ref in value or ()]
    for name in type(configuration).model_fields:
        value = getattr(configuration, name)
        if isinstance(value, Configuration):
            settings[name] = _resolved(value, specs)
        elif isinstance(value, tuple) and any(isinstance(part, Configuration) for part in value):
            settings[name] = [_resolved(part, specs) for part in value if isinstance(part, Configuration)]
    return data


def digest(architecture: Architecture) -> Digest:
    """A short name for :func:`canonical`: the same for architectures that are the same, another for others."""
    text = json.dumps(canonical(architecture), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
