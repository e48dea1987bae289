"""The JSON Schema of architectures, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
from typing import Any

from archon.architecture import Architecture
from archon.knobs import knob_to_data, knobs_of
from archon.technique import techniques


def architecture_schema() -> dict[str, Any]:
    """The schema, with every installed technique among the layers and the knobs under ``x-knob``."""
    schema = Architecture.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    options: list[dict[str, Any]] = []
    for kind, cls in techniques().items():
        own = cls.model_json_schema()
        definitions.update(own.pop("$defs", {}))
        for name, knob in knobs_of(cls).items():
            own["properties"][name]["x-knob"] = knob_to_data(knob)
        own["description"] = inspect.getdoc(cls) or ""
        definitions[f"technique.{kind}"] = own
        reference: dict[str, Any] = {"$ref": f"#/$defs/technique.{kind}"}
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
    definitions["Component"] = {"anyOf": options}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
