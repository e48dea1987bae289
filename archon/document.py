"""YAML documents that a person wrote: read with their line numbers, and complained about in one clear sentence.

Every kind of document (architectures, benchmark cards) goes through here, so that its errors name file, line and path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from archon.errors import ConfigError
from archon.kinds import Configuration
from archon.suggest import nearest

VARIABLE = re.compile(r"\$(?P<escaped>\$)?\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
SECRET_KEYS = frozenset({"api_key"})
DEEPEST = 64

PLAINER: Mapping[str, str] = {
    "tuple_type": "this must be a list",
    "dict_type": "this must be a mapping",
    "model_type": "this must be a mapping of settings",
    "too_short": "this must not be empty",
}
"""Validation messages in the words of YAML instead of Python."""

Location = tuple[str | int, ...]
"""The keys and indices that lead to a place in a document."""

KnownKeys = Callable[[Location], list[str]]


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: It is missing or is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}.") from None


def load_yaml(text: str, name: str) -> Any:
    """What YAML text says, with the parser's own types, which know their lines.

    Raises:
        ConfigError: It is not YAML.
    """
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        # The value of a key that stands twice may be a secret.
        problem = re.sub(r"^(found duplicate key .*?) with value .*", r"\1", problem)
        if error.problem_mark and "${" in "".join(text.splitlines()[error.problem_mark.line :][:1]):
            problem += "; put ${...} in quotes inside braces or brackets"
        raise ConfigError(f"{name}{line}: {problem}.") from None
    except YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())}.") from None


def plain(value: Any, document: CommentedMap, name: str, path: Location = ()) -> Any:
    """The document without the parser's own types; what stands behind an alias is copied.

    Raises:
        ConfigError: It holds something that is neither text nor a number, a boolean, a list or a mapping.
    """
    if len(path) > DEEPEST:
        raise ConfigError(f"{name}:{line_of(document, path)}: this is nested too deeply, or an alias refers to itself.")
    if isinstance(value, Mapping):
        return {str(k): plain(v, document, name, (*path, str(k))) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(item, document, name, (*path, i)) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ScalarBoolean):
        return bool(value)
    for scalar in (str, int, float):
        if isinstance(value, scalar):
            return scalar(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    where = ".".join(map(str, path))
    raise ConfigError(
        f"{name}:{line_of(document, path)}: {where}: only text, numbers, true, false, null, lists and mappings are "
        "understood; put in quotes what is meant as text."
    )


def interpolate(value: Any, document: CommentedMap, name: str, path: Location = ()) -> Any:
    """Plain data with ``${VAR}`` and ``${VAR:-default}`` replaced, except where a secret is only referred to."""
    if isinstance(value, dict):
        return {k: interpolate(v, document, name, (*path, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [interpolate(item, document, name, (*path, i)) for i, item in enumerate(value)]
    if not isinstance(value, str) or (path and path[-1] in SECRET_KEYS):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match.group()[1:]
        found = os.environ.get(match["name"], match["default"])
        if found is None:
            raise ConfigError(
                f"{name}:{line_of(document, path)}: the environment variable {match['name']} is not set; "
                f"set it or give a default, as in ${{{match['name']}:-value}}."
            )
        return found

    return VARIABLE.sub(replace, value)


def line_of(document: Any, path: Location) -> int:
    """The 1-based line of the deepest part of ``path`` that stands in the document."""
    node, line = document, 1
    for key in path:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(key)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(key, int):
                line = node.lc.item(key)[0] + 1
            else:
                break
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def complaint(error: ValidationError, document: CommentedMap, name: str, known_keys: KnownKeys, whole: str) -> str:
    """What is wrong with a document, one sentence a line.

    Args:
        error: What validation found.
        document: As it was read, for the lines.
        name: Stands for the file.
        known_keys: Told the location of an unknown key, the keys that would be valid there.
        whole: What the document is, such as ``an architecture``.
    """
    lines = error.errors()
    places = [line["loc"] for line in lines]
    # A list whose every entry is wrong is reported as too short besides; the entries' errors say it all.
    told = [line for line in lines if line["type"] != "too_short" or not _holds(line["loc"], places)]
    return "\n".join(_sentence(line, document, name, known_keys, whole) for line in told)


def _holds(outer: Location, places: Iterable[Location]) -> bool:
    """Whether any of the places lies inside ``outer``."""
    return any(place != outer and place[: len(outer)] == outer for place in places)


def _sentence(error: Any, document: CommentedMap, name: str, known_keys: KnownKeys, whole: str) -> str:
    """One pydantic error as one sentence that a newcomer can act on."""
    path: Location = error["loc"]
    place = f"{name}:{line_of(document, path)}: "
    where = ".".join(map(str, path))
    message = PLAINER.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = known_keys(path)
        guess = nearest(str(path[-1]), known)
        hint = f"; did you mean '{guess}'?" if guess else "."
        parent = ".".join(map(str, path[:-1])) or whole
        return f"{place}unknown key '{path[-1]}' in {parent}{hint} Known: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{place}'{where}' is missing."
    given = error.get("input")
    tell = isinstance(given, int | float | str) and not SECRET_KEYS.intersection(path)
    shown = f" (given: {given!r})" if tell and str(given) not in message and "unknown " not in message else ""
    lead = f"{where}: " if where else ""
    return f"{place}{lead}{message[:1].lower()}{message[1:].rstrip('.')}{shown}."


def configurations(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as ``tuple[RewardField, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from configurations(argument)


def keys_within(owner: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The valid keys of the mapping that a path leads to from a model's own."""
    for part in path:
        if not isinstance(part, str):
            continue
        if part in owner.model_fields:
            owner = next(configurations(owner.model_fields[part].annotation), owner)
        elif issubclass(owner, Configuration):
            owner = owner.kinds.get(part)
    return sorted(owner.model_fields)
