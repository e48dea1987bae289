"""An architecture that shows one kind at work: as its docstring gives it, or made up from its settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from archon.kinds import Configuration, Overrides
from archon.knobs import knobs_of
from archon.reward import Reward
from archon.technique import Plan, Technique

MODELS: Mapping[str, Any] = {
    "solver": {"use": "local/qwen2.5-coder-1.5b", "temperature": 0.8},
    "judge": {"use": "openai/gpt-4o-mini"},
}
SEVERAL = 8
CANDIDATES: Mapping[str, Any] = {"model": "solver", "n": SEVERAL}
SOME_REWARD: Mapping[str, Any] = {"judge": {"model": "judge"}}
WIDTH = 100


def example_of(cls: type[Configuration], given: str = "") -> str | None:
    """An architecture in YAML that uses a kind; ``None`` if it gives no example and none can be made up.

    Args:
        cls: The class of the kind.
        given: What it gives itself, in YAML: the layers of a technique, or a reward with its settings.
    """
    layers = YAML(typ="safe").load(given) if given else None
    if issubclass(cls, Reward):
        own = layers or _alone(cls)
        layers = own and [*_before(cls), {"best_of_n": {**CANDIDATES, "reward": own}}]
    elif issubclass(cls, Technique):
        layers = layers or _stacked(cls)
    if not layers:
        return None
    named = set(_texts(layers))
    models = {role: spec for role, spec in MODELS.items() if role in named}
    lines = [f"name: {cls.kind}"]
    lines += ["models:", *(f"  {role}: {_flow(spec)}" for role, spec in models.items())] if models else []
    lines += ["layers:", *("  " + line for layer in layers for line in _item(layer)), "answer: math"]
    return "\n".join(lines) + "\n"


def _alone(cls: type[Configuration], plan: Plan | None = None) -> Any:
    """A kind with as few settings as it can do with, and those that a search may vary; ``None`` if it needs others."""
    properties = cls.model_json_schema()["properties"] if cls.model_fields else {}
    makers = {ask.model for ask in plan.asks if ask.makes == "candidates"} if plan else set()
    knobs = knobs_of(cls).keys() - Overrides.model_fields.keys()
    settings: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        if not info.is_required():
            if name in knobs and info.default is not None:
                settings[name] = info.default
        elif _is_model(properties[name]):
            settings[name] = "solver" if name in makers else "judge"
        elif properties[name].get("$ref", "").endswith(f"/{Reward.__name__}"):
            settings[name] = dict(SOME_REWARD)
        else:
            return None
    return {cls.kind: settings} if settings else cls.kind


def _stacked(cls: type[Technique]) -> list[Any] | None:
    """A technique on top of what it needs; where it leaves several answers of its own, they vote."""
    bare = _alone(cls)
    if bare is None:
        return None
    # With its settings' names for models, its plan tells which of them answer the question.
    settings = bare[cls.kind] if isinstance(bare, dict) else {}
    try:
        named = cls.model_validate({name: name if value == "judge" else value for name, value in settings.items()})
    except ValidationError:
        return None
    plan = named.plan(SEVERAL)
    made = plan is not None and plan.candidates > 1 and any(ask.makes == "candidates" for ask in plan.asks)
    return [*_before(cls), _alone(cls, plan), *(["vote"] if made else [])]


def _before(cls: type[Configuration]) -> list[Any]:
    """The layers that a kind has to have before it."""
    generate = [{"generate": dict(CANDIDATES)}] if getattr(cls, "needs_candidates", False) else []
    return [*generate, *([{"unit_tests": {"model": "judge"}}] if cls.needs_unit_tests else [])]


def _is_model(schema: Mapping[str, Any]) -> bool:
    return any(option.get("x-model") for option in (schema, *schema.get("anyOf", ())))


def _texts(value: Any) -> Iterator[str]:
    """All texts inside a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, Sequence):
        yield from (text for part in value for text in _texts(part))


def _lines(head: str, value: Any) -> list[str]:
    """YAML after a key or a dash: on one line if that is short enough, else on several."""
    short = head + _flow(value)
    if len(short) <= WIDTH or not isinstance(value, Mapping | list):
        return [short]
    indent = "    " if head.startswith("- ") else "  "
    if isinstance(value, list):
        inner = [line for part in value for line in _item(part)]
    else:
        inner = [line for key, part in value.items() for line in _lines(f"{key}: ", part)]
    return [head.rstrip(), *(indent + line for line in inner)]


def _item(value: Any) -> list[str]:
    """An entry of a list; a kind stands before its settings without braces of its own."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, settings),) = value.items()
        return _lines(f"- {kind}: ", settings)
    return _lines("- ", value)


def _flow(value: Any) -> str:
    """YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    writer, stream = YAML(typ="safe"), StringIO()
    writer.default_flow_style, writer.width = True, sys.maxsize
    # Alone, a text would end like a document of its own, and be quoted less than inside brackets.
    writer.dump([value], stream)
    return stream.getvalue().strip()[1:-1]
