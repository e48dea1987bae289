"""YAML in, an architecture or one clear sentence out.

Every error names file, line and path, and the nearest valid name where a name was mistyped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.suggest import nearest
from archon.technique import techniques

VARIABLE = re.compile(r"\$(?P<escaped>\$)?\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
SECRET_KEYS = frozenset({"api_key"})

Path_ = tuple[str | int, ...]


def load_architecture(path: str | Path, overrides: Iterable[str] = ()) -> Architecture:
    """Read an architecture from a YAML file.

    Args:
        path: The file.
        overrides: Assignments such as ``layers.0.generate.n=4``, applied before validation.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a valid architecture.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}.") from None
    return parse_architecture(text, name=str(path), overrides=overrides)


def parse_architecture(text: str, *, name: str = "architecture", overrides: Iterable[str] = ()) -> Architecture:
    """Read an architecture from YAML text; ``name`` stands for the file in errors."""
    document = _load(text, name)
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{name}: an architecture is a mapping with the keys name, models, layers and answer.")
    for assignment in overrides:
        _assign(document, assignment)
    data = _interpolate(document, document, name)
    try:
        return Architecture.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(line, document, name) for line in error.errors())) from None


def dump_architecture(architecture: Architecture) -> str:
    """The architecture as YAML that reads back to an equal one."""
    stream = StringIO()
    writer = YAML()
    writer.width = 110
    writer.dump(architecture.to_data(), stream)
    # A dollar sign before a brace would be read as a variable; only a key reference is one.
    return re.sub(r"\$(?=\{)", "$$$$", stream.getvalue()).replace("api_key: $$", "api_key: $")


def _load(text: str, name: str) -> Any:
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise ConfigError(f"{name}{line}: {problem}.") from None
    except YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())}.") from None


def _assign(document: CommentedMap, assignment: str) -> None:
    """Apply one ``a.b.0.c=value``; the value is read as YAML."""
    target, equals, text = assignment.partition("=")
    if not equals or not target:
        raise ConfigError(f"--set {assignment}: write it as path=value, such as layers.0.generate.n=4.")
    value = _load(text, f"--set {target}")
    *parents, last = target.split(".")
    node: Any = document
    for depth, key in enumerate(parents):
        node = _step(node, key, assignment, ".".join(parents[: depth + 1]), create=True)
    if isinstance(node, CommentedSeq):
        _step(node, last, assignment, target)
        node[int(last)] = value
    elif isinstance(node, CommentedMap):
        node[last] = value
    else:
        raise ConfigError(f"--set {assignment}: '{'.'.join(parents)}' has no settings.")


def _step(node: Any, key: str, assignment: str, path: str, *, create: bool = False) -> Any:
    if isinstance(node, CommentedSeq):
        if not key.isdigit() or int(key) >= len(node):
            raise ConfigError(f"--set {assignment}: '{path}' does not exist; the list has {len(node)} entries.")
        return node[int(key)]
    if isinstance(node, CommentedMap):
        if node.get(key) is None:
            if not create:
                raise ConfigError(f"--set {assignment}: '{path}' does not exist.")
            node[key] = CommentedMap()
        elif isinstance(node[key], str):
            node[key] = CommentedMap(use=node[key])
        return node[key]
    raise ConfigError(f"--set {assignment}: '{path}' does not exist.")


def _interpolate(value: Any, document: CommentedMap, name: str, path: Path_ = ()) -> Any:
    """Plain data with ``${VAR}`` and ``${VAR:-default}`` replaced, except where a secret is only referred to."""
    if isinstance(value, Mapping):
        return {str(k): _interpolate(v, document, name, (*path, str(k))) for k, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, document, name, (*path, i)) for i, item in enumerate(value)]
    if not isinstance(value, str) or (path and path[-1] in SECRET_KEYS):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match.group()[1:]
        found = os.environ.get(match["name"], match["default"])
        if found is None:
            raise ConfigError(
                f"{name}:{_line(document, path)}: the environment variable {match['name']} is not set; "
                f"set it or give a default, as in ${{{match['name']}:-value}}."
            )
        return found

    return VARIABLE.sub(replace, str(value))


def _line(document: Any, path: Path_) -> int:
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


def _sentence(error: Any, document: CommentedMap, name: str) -> str:
    """One pydantic error as one sentence that a newcomer can act on."""
    path: Path_ = error["loc"]
    place = f"{name}:{_line(document, path)}: "
    where = ".".join(map(str, path))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _known_keys(path)
        guess = nearest(str(path[-1]), known)
        hint = f"; did you mean '{guess}'?" if guess else "."
        parent = ".".join(map(str, path[:-1])) or "an architecture"
        return f"{place}unknown key '{path[-1]}' in {parent}{hint} Known: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{place}'{where}' is missing."
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, int | float | str | bool) and error["type"] != "secret" else ""
    if shown and str(given) in message:
        shown = ""
    lead = f"{where}: " if where else ""
    return f"{place}{lead}{message[:1].lower()}{message[1:].rstrip('.')}{shown}."


def _known_keys(path: Path_) -> list[str]:
    """The valid keys at the place where an unknown one stood."""
    known = techniques()
    owner: type[BaseModel] = Architecture
    if path[0] == "models":
        owner = Architecture.model_fields["models"].annotation.__args__[1]  # type: ignore[union-attr]
        owner = getattr(owner, "__origin__", owner)
    for part in path[1:-1]:
        if part in known:
            owner = known[str(part)]
        elif isinstance(part, str) and part in owner.model_fields:
            annotation = owner.model_fields[part].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            owner = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), owner)
    return sorted(owner.model_fields)
