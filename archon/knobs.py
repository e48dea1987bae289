"""Search knobs: how a field may vary in an architecture search, as data that round-trips.

A knob stands in the field's annotation, beside the constraint that validates it::

    keep: Annotated[int, Field(ge=1), IntKnob(1, 10)] = 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class IntKnob:
    """Whole numbers from ``low`` to ``high``, both included; ``log`` spaces them by ratio."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True, slots=True)
class FloatKnob:
    """Real numbers from ``low`` to ``high``; ``log`` spaces them by ratio."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceKnob:
    """One of a fixed set of values."""

    choices: tuple[str | int | float | bool | None, ...]


Knob = IntKnob | FloatKnob | ChoiceKnob
_KINDS: Mapping[str, type[Knob]] = {"int": IntKnob, "float": FloatKnob, "choice": ChoiceKnob}


def knob_to_data(knob: Knob) -> dict[str, Any]:
    """The knob as plain data, the inverse of :func:`knob_from_data`."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(knob, cls))
    return {"kind": kind, **asdict(knob)}


def knob_from_data(data: Mapping[str, Any]) -> Knob:
    """The knob that :func:`knob_to_data` described."""
    settings = {name: value for name, value in data.items() if name != "kind"}
    if "choices" in settings:
        settings["choices"] = tuple(settings["choices"])
    return _KINDS[data["kind"]](**settings)


def knobs_of(model: type[BaseModel]) -> dict[str, Knob]:
    """The knobs that a model's fields declare, by field name."""
    return {
        name: item
        for name, info in model.model_fields.items()
        for item in info.metadata
        if isinstance(item, IntKnob | FloatKnob | ChoiceKnob)
    }
