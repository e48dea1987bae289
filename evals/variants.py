"""Architectures made of others: with other models in their roles, and with one layer less."""

from __future__ import annotations

from collections.abc import Mapping

from archon.architecture import Architecture
from evals.contest import Contender, with_use


def with_models(architecture: Architecture, models: Mapping[str, str]) -> Architecture:
    """The architecture with other models in some of its roles, and their names behind its own.

    Args:
        architecture: As it was written.
        models: The model of each role, as ``provider/model``; roles that it does not have are passed over.

    Raises:
        ValidationError: There is no such provider.
    """
    chosen = {role: use for role, use in models.items() if role in architecture.models}
    if not chosen:
        return architecture
    specs = {role: with_use(architecture.models[role], use) for role, use in chosen.items()}
    short = dict.fromkeys(use.rpartition("/")[2] for use in chosen.values())
    name = "+".join((architecture.name, *(_plain(part) for part in short)))
    return architecture.model_copy(update={"name": name, "models": {**architecture.models, **specs}})


def _plain(text: str) -> str:
    """The characters of a name that may also be a file's."""
    return "".join(c if c.isalnum() or c in "_.+-" else "-" for c in text)


def ablations(contender: Contender) -> list[Contender]:
    """The contender without each of its layers in turn, where what is left is an architecture.

    Their samples are those of the whole wherever a layer is asked the same, so that with a sample store only what
    differs is bought. They are called ``name − 1.rank``.
    """
    architecture = contender.architecture
    found = []
    for index, layer in enumerate(architecture.layers):
        label = f"{index}.{'+'.join(component.kind for component in layer)}"
        layers = [*architecture.layers[:index], *architecture.layers[index + 1 :]]
        try:
            rest = Architecture.model_validate(
                {**dict(architecture), "name": f"{architecture.name}-without-{label}", "layers": layers}
            )
        except ValueError:
            # Nothing is left, or a layer works on what only this one makes.
            continue
        found.append(Contender(rest, f"{contender.name} − {label}", label, contender.name))
    return found
