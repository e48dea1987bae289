"""YAML in, an architecture or one clear sentence out.

Every error names file, line and path, and the nearest valid name where a name was mistyped.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from archon.answers import AnswerFormat
from archon.architecture import Architecture
from archon.document import (
    SECRET_KEYS,
    VARIABLE,
    Location,
    complaint,
    interpolate,
    keys_within,
    load_yaml,
    plain,
    read_text,
)
from archon.errors import ConfigError, ConfigWarning
from archon.importers.upstream import import_upstream, is_upstream
from archon.importers.values import parse_json
from archon.models.spec import ModelSpec
from archon.technique import technique


def load_architecture(path: str | Path, overrides: Iterable[str] = ()) -> Architecture:
    """Read an architecture from a YAML file, or from a JSON configuration of the research code.

    What is done otherwise than such a configuration says is told by a :class:`archon.errors.ConfigWarning`.

    Args:
        path: The file.
        overrides: Assignments such as ``layers.0.generate.n=4``, applied before validation.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a valid architecture.
    """
    path, overrides = Path(path), list(overrides)
    text = read_text(path)
    if path.suffix.lower() != ".json" or not is_upstream(data := parse_json(text, str(path))):
        return parse_architecture(text, name=str(path), overrides=overrides)
    imported = import_upstream(data, str(path))
    for remark in imported.remarks:
        warnings.warn(remark, ConfigWarning, stacklevel=2)
    if not overrides:
        return imported.architecture
    return parse_architecture(dump_architecture(imported.architecture), name=f"{path} in YAML", overrides=overrides)


def parse_architecture(text: str, *, name: str = "architecture", overrides: Iterable[str] = ()) -> Architecture:
    """Read an architecture from YAML text; ``name`` stands for the file in errors."""
    document = load_yaml(text, name)
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{name}: an architecture is a mapping with the keys name, models, layers and answer.")
    data = plain(document, document, name)
    for assignment in overrides:
        _assign(data, assignment)
    data = interpolate(data, document, name)
    try:
        return Architecture.model_validate(data)
    except ValidationError as error:
        raise ConfigError(complaint(error, document, name, _known_keys, "an architecture")) from None


def dump_architecture(architecture: Architecture) -> str:
    """The architecture as YAML that reads back to an equal one."""
    stream = StringIO()
    writer = YAML()
    writer.width = 110
    writer.dump(_escape(architecture.to_data()), stream)
    return stream.getvalue()


def _escape(value: Any, key: str = "") -> Any:
    """The inverse of :func:`_interpolate`: what would be read as a variable, but is text, gets one more dollar sign."""
    if isinstance(value, dict):
        return {_quoted(k): _escape(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    if not isinstance(value, str) or key in SECRET_KEYS:
        return value
    return _quoted(VARIABLE.sub(lambda match: "$" + match.group(), value))


def _quoted(text: str) -> str:
    """The text in double quotes where it needs their escapes: the writer loses exotic line breaks otherwise."""
    return text if text.replace("\n", "").isprintable() else DoubleQuotedScalarString(text)


def _assign(document: dict[str, Any], assignment: str) -> None:
    """Apply one ``a.b.0.c=value``; the value is read as YAML."""
    target, equals, text = assignment.partition("=")
    if not equals or not target:
        raise ConfigError(f"--set {assignment}: write it as path=value, such as layers.0.generate.n=4.")
    value = load_yaml(text, f"--set {target}")
    value = plain(value, CommentedMap(), f"--set {target}")
    *parents, last = target.split(".")
    if last in SECRET_KEYS:
        assignment = target
    node: Any = document
    for depth, key in enumerate(parents):
        node = _step(node, key, assignment, ".".join(parents[: depth + 1]), create=True)
    if isinstance(node, list):
        _step(node, last, assignment, target)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {assignment}: '{'.'.join(parents)}' has no settings.")


def _step(node: Any, key: str, assignment: str, path: str, *, create: bool = False) -> Any:
    if isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            raise ConfigError(f"--set {assignment}: '{path}' does not exist; the list has {len(node)} entries.")
        return node[int(key)]
    if isinstance(node, dict):
        if node.get(key) is None:
            if not create:
                raise ConfigError(f"--set {assignment}: '{path}' does not exist.")
            node[key] = {}
        elif isinstance(node[key], str) and path.startswith("models."):
            node[key] = {"use": node[key]}
        return node[key]
    raise ConfigError(f"--set {assignment}: '{path}' does not exist.")


def _known_keys(path: Location) -> list[str]:
    """The valid keys at the place where an unknown one stood."""
    owner: type[BaseModel] = Architecture
    inner = path[:-1]
    if path[0] == "models":
        owner, inner = ModelSpec, path[2:-1]
    elif path[0] == "answer":
        formats = {cls.kind: cls for cls in AnswerFormat.__subclasses__()}
        owner, inner = formats[str(path[1])], path[2:-1]
    elif path[0] == "layers":
        kind = next(index for index, part in enumerate(path) if index and isinstance(part, str))
        owner, inner = technique(str(path[kind])), path[kind + 1 : -1]
    return keys_within(owner, inner)
