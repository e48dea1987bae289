"""Configurations of the research code, made up for tests."""

from __future__ import annotations

from typing import Any

from archon.architecture import Architecture
from archon.importers.upstream import import_upstream


def component(kind: str, **settings: Any) -> dict[str, Any]:
    """A component with all that its type wants, changed by the settings; one that is ``...`` is left out."""
    data: dict[str, Any] = {
        "type": kind,
        "model": "m",
        "model_type": "Together_API",
        "temperature": 0.7,
        "max_tokens": 64,
        "samples": 1,
    }
    if kind == "ranker":
        data["top_k"] = 2
    if kind == "unit_test_evaluator":
        data["remove_unit_tests_from_prompt"] = True
    return {key: value for key, value in {**data, **settings}.items() if value is not ...}


GENERATOR = component("generator")


def stack(*layers: Any, **top: Any) -> dict[str, Any]:
    return {"name": "stack", "layers": [[GENERATOR], *layers], **top}


def imported(data: Any) -> tuple[Architecture, str]:
    """The architecture, and all remarks in one text."""
    result = import_upstream(data, "file.json")
    return result.architecture, "\n".join(result.remarks)
