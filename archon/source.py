"""YAML in, an architecture or one clear sentence out.

Every error names file, line and path, and the nearest valid name where a name was mistyped.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from archon.answers import AnswerFormat
from archon.architecture import Architecture
from archon.errors import ConfigError, ConfigWarning
from archon.importers.upstream import import_upstream, is_upstream
from archon.importers.values import parse_json
from archon.kinds import Configuration
from archon.models.spec import ModelSpec
from archon.suggest import nearest
from archon.technique import technique

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

Path_ = tuple[str | int, ...]


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
    text = _read(path)
    if path.suffix.lower() != ".json" or not is_upstream(data := parse_json(text, str(path))):
        return parse_architecture(text, name=str(path), overrides=overrides)
    imported = import_upstream(data, str(path))
    for remark in imported.remarks:
        warnings.warn(remark, ConfigWarning, stacklevel=2)
    if not overrides:
        return imported.architecture
    return parse_architecture(dump_architecture(imported.architecture), name=f"{path} in YAML", overrides=overrides)


def _read(path: Path) -> str:
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


def parse_architecture(text: str, *, name: str = "architecture", overrides: Iterable[str] = ()) -> Architecture:
    """Read an architecture from YAML text; ``name`` stands for the file in errors."""
    document = _load(text, name)
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{name}: an architecture is a mapping with the keys name, models, layers and answer.")
    data = _plain(document, document, name)
    for assignment in overrides:
        _assign(data, assignment)
    data = _interpolate(data, document, name)
    try:
        return Architecture.model_validate(data)
    except ValidationError as error:
        lines = error.errors()
        places = [line["loc"] for line in lines]
        # A list whose every entry is wrong is reported as too short besides; the entries' errors say it all.
        told = [line for line in lines if line["type"] != "too_short" or not _holds(line["loc"], places)]
        raise ConfigError("\n".join(_sentence(line, document, name) for line in told)) from None


def _holds(outer: Path_, places: Iterable[Path_]) -> bool:
    """Whether any of the places lies inside ``outer``."""
    return any(place != outer and place[: len(outer)] == outer for place in places)


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


def _load(text: str, name: str) -> Any:
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


def _plain(value: Any, document: CommentedMap, name: str, path: Path_ = ()) -> Any:
    """The document without the parser's own types; what stands behind an alias is copied.

    Raises:
        ConfigError: It holds something that is neither text nor a number, a boolean, a list or a mapping.
    """
    if len(path) > DEEPEST:
        raise ConfigError(f"{name}:{_line(document, path)}: this is nested too deeply, or an alias refers to itself.")
    if isinstance(value, Mapping):
        return {str(k): _plain(v, document, name, (*path, str(k))) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item, document, name, (*path, i)) for i, item in enumerate(value)]
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
        f"{name}:{_line(document, path)}: {where}: only text, numbers, true, false, null, lists and mappings are "
        "understood; put in quotes what is meant as text."
    )


def _assign(document: dict[str, Any], assignment: str) -> None:
    """Apply one ``a.b.0.c=value``; the value is read as YAML."""
    target, equals, text = assignment.partition("=")
    if not equals or not target:
        raise ConfigError(f"--set {assignment}: write it as path=value, such as layers.0.generate.n=4.")
    value = _load(text, f"--set {target}")
    value = _plain(value, CommentedMap(), f"--set {target}")
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


def _interpolate(value: Any, document: CommentedMap, name: str, path: Path_ = ()) -> Any:
    """Plain data with ``${VAR}`` and ``${VAR:-default}`` replaced, except where a secret is only referred to."""
    if isinstance(value, dict):
        return {k: _interpolate(v, document, name, (*path, k)) for k, v in value.items()}
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

    return VARIABLE.sub(replace, value)


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
    message = PLAINER.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _known_keys(path)
        guess = nearest(str(path[-1]), known)
        hint = f"; did you mean '{guess}'?" if guess else "."
        parent = ".".join(map(str, path[:-1])) or "an architecture"
        return f"{place}unknown key '{path[-1]}' in {parent}{hint} Known: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{place}'{where}' is missing."
    given = error.get("input")
    tell = isinstance(given, int | float | str) and not SECRET_KEYS.intersection(path)
    shown = f" (given: {given!r})" if tell and str(given) not in message and "unknown " not in message else ""
    lead = f"{where}: " if where else ""
    return f"{place}{lead}{message[:1].lower()}{message[1:].rstrip('.')}{shown}."


def _known_keys(path: Path_) -> list[str]:
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
    for part in inner:
        if not isinstance(part, str):
            continue
        if part in owner.model_fields:
            owner = next(_configurations(owner.model_fields[part].annotation), owner)
        elif issubclass(owner, Configuration):
            owner = owner.kinds.get(part)
    return sorted(owner.model_fields)


def _configurations(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as ``tuple[RewardField, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _configurations(argument)
