"""Where every technique of an architecture stands: the path people see, and the stream its samples come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from archon.architecture import Architecture
from archon.models.spec import ModelSpec
from archon.technique import Technique


@dataclass(frozen=True, slots=True)
class Component:
    """A technique at its place.

    Attributes:
        technique: The technique.
        path: What people call the place, such as ``1.rank`` or ``0.generate[1]``.
        stream: Which draws are its own.
    """

    technique: Technique
    path: str
    stream: str


def place(architecture: Architecture, specs: Mapping[str, ModelSpec]) -> list[list[Component]]:
    """Give every component its path and its stream.

    The stream is the kind and the component's ordinal among those of the same kind that draw from the same model.
    So architectures that share a component share its samples, and two components of one architecture never do,
    whatever their other settings are. A component that draws from several models takes the highest ordinal that is
    free for all of them.
    """
    used: Counter[tuple[str, str, str | None]] = Counter()
    layers: list[list[Component]] = []
    for i, layer in enumerate(architecture.layers):
        placed = []
        for j, component in enumerate(layer):
            models = {(specs[ref].use, specs[ref].base_url) for _, ref in component.model_refs()} or {("", None)}
            families = [(component.kind, *model) for model in models]
            ordinal = max(used[family] for family in families)
            for family in families:
                used[family] = ordinal + 1
            path = f"{i}.{component.kind}" + (f"[{j}]" if len(layer) > 1 else "")
            placed.append(Component(component, path, f"{component.kind}.{ordinal}"))
        layers.append(placed)
    return layers
