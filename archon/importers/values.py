"""JSON that means one thing, and its values as errors show them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Never

from archon.errors import ConfigError

LONGEST = 60


def shown(value: Any) -> str:
    """A value in an error: short, on one line, and printable whatever it holds."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) and value.isprintable() else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def parse_json(text: str, name: str) -> Any:
    """The value of a JSON text; ``name`` stands for the file in errors.

    Raises:
        ConfigError: It is not JSON, holds a key twice, or a number that is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            raise ConfigError(f"{name}: the key {shown(twice[0])} stands twice in one object.")
        return dict(pairs)

    def refuse(constant: str) -> Never:
        raise ConfigError(f"{name}: {constant} is not a number in JSON.")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}: not valid JSON: {error.msg}.") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not readable as JSON: a number is too long, or it is nested too deeply.") from None
