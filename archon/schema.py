"""The JSON Schema of architectures, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from archon.answers import AnswerFormat, answer_format_to_data
from archon.architecture import Architecture
from archon.knobs import knob_to_data, knobs_of
from archon.reward import Reward, rewards
from archon.technique import techniques


def architecture_schema() -> dict[str, Any]:
    """The schema, with every installed technique among the layers, rewards inside them, and knobs under ``x-knob``."""
    schema = Architecture.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    definitions["Component"] = {"anyOf": _options("technique", techniques(), definitions)}
    options = _options("reward", rewards(), definitions)
    # Fields that hold a reward refer to the abstract class, whose own schema says nothing.
    definitions[Reward.__name__] = {"anyOf": options}
    formats = {cls.kind: cls for cls in AnswerFormat.__subclasses__()}
    definitions["Answer"] = {"anyOf": _options("answer", formats, definitions)}
    component = {"$ref": "#/$defs/Component"}
    schema["properties"]["layers"]["items"] = {
        "anyOf": [component, {"type": "array", "items": component, "minItems": 1}]
    }
    default = answer_format_to_data(Architecture.model_fields["answer"].default)
    schema["properties"]["answer"] = {"$ref": "#/$defs/Answer", "default": default}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _options(what: str, kinds: Mapping[str, type[BaseModel]], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms ``kind: settings`` and, where no setting is required, ``kind`` alone; adds to ``definitions``."""
    options: list[dict[str, Any]] = []
    for kind, cls in kinds.items():
        own = cls.model_json_schema()
        definitions.update(own.pop("$defs", {}))
        for name, knob in knobs_of(cls).items():
            own["properties"][name]["x-knob"] = knob_to_data(knob)
        own["description"] = inspect.getdoc(cls) or ""
        definitions[f"{what}.{kind}"] = own
        reference: dict[str, Any] = {"$ref": f"#/$defs/{what}.{kind}"}
        if not own.get("required"):
            options.append({"const": kind})
            reference = {"anyOf": [reference, {"type": "null"}]}
        options.append(
            {
                "type": "object",
                "properties": {kind: reference},
                "required": [kind],
                "additionalProperties": False,
            }
        )
    return options
