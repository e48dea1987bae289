"""Architectures made of others: with other models in their roles, and with one layer less."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from pydantic import ValidationError

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.suggest import unknown
from evals.contest import Contender, with_use

ANY_ROLE = ""


def cast(architectures: Sequence[Architecture], assignments: Iterable[str]) -> list[Architecture]:
    """Every architecture with every choice of models.

    Args:
        architectures: As they are written.
        assignments: ``role=provider/model``, or ``provider/model`` alone for every role. Several for one role are
            choices between which an architecture is tried in turn; those for different roles are combined.

    Returns:
        The architectures, each with the names of its new models behind its own; one without any such role once, as it
        is.

    Raises:
        ConfigError: No architecture has such a role, or there is no such provider.
    """
    choices: dict[str, list[str]] = {}
    for assignment in assignments:
        role, _, use = assignment.rpartition("=")
        choices.setdefault(role, []).append(use)
    roles = {role for architecture in architectures for role in architecture.models}
    for role in choices:
        if role != ANY_ROLE and role not in roles:
            raise ConfigError(f"--with {role}={choices[role][0]}: {unknown('role', role, sorted(roles))}")
    made: dict[str, Architecture] = {}
    for architecture in architectures:
        for uses in product(*choices.values()):
            variant = with_models(architecture, dict(zip(choices, uses, strict=True)))
            made.setdefault(variant.name, variant)
    return list(made.values())


def with_models(architecture: Architecture, models: Mapping[str, str]) -> Architecture:
    """The architecture with other models in some of its roles, and their names behind its own.

    Args:
        architecture: As it is written.
        models: The model of each role, as ``provider/model``; under an empty name that of all other roles. Roles that
            the architecture does not have are passed over.

    Raises:
        ConfigError: There is no such provider.
    """
    everyone = models.get(ANY_ROLE)
    wanted = {role: models.get(role, everyone) for role in architecture.models}
    chosen = {role: use for role, use in wanted.items() if use is not None}
    if not chosen:
        return architecture
    try:
        specs = {role: with_use(architecture.models[role], use) for role, use in chosen.items()}
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ").rstrip(".")
        raise ConfigError(f"--with {', '.join(chosen.values())}: {message}.") from None
    short = dict.fromkeys(re.sub(r"[^\w.+-]", "-", use.rpartition("/")[2]) for use in chosen.values())
    name = "+".join((architecture.name, *short))
    return architecture.model_copy(update={"name": name, "models": {**architecture.models, **specs}})


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
