"""A search space: an architecture whose open parts a search fills in.

::

    space = Space.load("configs/searches/arithmetic.yaml")
    params = space.suggest(trial)               # an Optuna trial, or whatever suggests values as one does
    architecture = space.build(params)          # named after what it is

A parameter is asked for only where earlier choices make it matter, so two settings that differ are two architectures
as far as the template can tell; :func:`search.canonical.digest` finds those that are one all the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NoReturn, Self

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedMap

from archon.architecture import Architecture
from archon.document import complaint, interpolate, line_of, load_yaml, plain, read_text
from archon.errors import ConfigError
from archon.suggest import unknown
from search import matching
from search.canonical import digest
from search.choosing import Even, Recorded, all_values, drawn, every, given, suggested
from search.parameters import Parameter, Params, Trial, Value
from search.reading import Reader, Where, variants
from search.rules import Rule, rules_from
from search.template import Choose, Row, Setting, Settings

KEYS = ("name", "description", "models", "layers", "answer", "budget", "rules")


# Digits of the digest in a name: two architectures of a space do not get the same by chance.
NAMED = 12
# A template in which so many ways look right and are not is left to people.
MOST_MATCHES = 1000


class InvalidArchitectureError(ConfigError):
    """The parts that were chosen do not make an architecture; the message says why."""


@dataclass(frozen=True, slots=True)
class Space:
    """A search space, as a template describes it.

    Attributes:
        name: What to call it; architectures built from it begin with it.
        description: One line for people.
        source: The file it comes from.
        parameters: All there are, in the order in which they are asked for as far as they matter.
        rules: What its architectures have to be like, the defaults unless the template says otherwise.
    """

    name: str
    description: str
    source: str
    parameters: tuple[Parameter, ...]
    rules: tuple[Rule, ...]
    _models: Mapping[str, Setting] = field(repr=False)
    _layers: Row = field(repr=False)
    _rest: Mapping[str, Setting] = field(repr=False)
    _document: CommentedMap = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a space from a YAML file.

        Raises:
            ConfigError: The file is missing, is not YAML or is not a template; the message names the line.
        """
        return cls.parse(read_text(Path(path)), name=str(path))

    @classmethod
    def parse(cls, text: str, *, name: str = "space") -> Self:
        """Read a space from YAML text; ``name`` stands for the file in errors."""
        document = load_yaml(text, name)
        if not isinstance(document, CommentedMap):
            raise ConfigError(f"{name}: a search space is a mapping with the keys {', '.join(KEYS)}.")
        data = interpolate(plain(document, document, name), document, name)
        for key in data:
            if key not in KEYS:
                line = line_of(document, (key,))
                raise ConfigError(f"{name}:{line}: {unknown('key', key, KEYS)}")
        for key in ("name", "layers"):
            if key not in data:
                raise ConfigError(f"{name}:1: '{key}' is missing.")
        if not isinstance(data["name"], str) or not re.fullmatch(r"[\w.+-]+", data["name"]):
            line = line_of(document, ("name",))
            raise ConfigError(f"{name}:{line}: name: use letters, digits and . + - _ only.")
        models = data.get("models") or {}
        if not isinstance(models, dict):
            raise ConfigError(f"{name}:{line_of(document, ('models',))}: models: this must be a mapping.")
        reader = Reader(document, name, frozenset(models))
        roles = {role: reader.model(spec, Where(f"models.{role}", ("models", role))) for role, spec in models.items()}
        layers = reader.sections(data["layers"], Where("layers", ("layers",)))
        rest = {key: reader.setting(data[key], Where(key, (key,))) for key in ("answer", "budget") if key in data}
        parts = (layers, *roles.values(), *rest.values())
        if twice := [parameter for parameter, count in reader.names.items() if count > 1]:
            raise ConfigError(
                f"{name}: two parameters are called '{twice[0]}'; give one of the layers a list around it."
            )
        space = cls(
            name=data["name"],
            description=str(data.get("description") or ""),
            source=name,
            parameters=tuple(parameter for part in parts for parameter in part.parameters()),
            rules=_rules(data.get("rules") or {}, document, name),
            _models=roles,
            _layers=layers,
            _rest=rest,
            _document=document,
        )
        space._check()
        return space

    @property
    def size(self) -> int | float:
        """How many settings there are, before any rule; infinite with a range that has no steps."""
        if any(math.isinf(parameter.domain.size) for parameter in self.parameters):
            return math.inf
        rest = math.prod(sum(node.tally().values()) for node in self._rest.values())
        layers = self._layers.tally().items()
        return rest * sum(count * self._models_of(roles, frozenset()) for (roles, _), count in layers)

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Ask a trial for one setting, parameter by parameter."""
        return Recorded(self._realise, suggested(trial)).params

    def random(self, rng: Random) -> dict[str, Value]:
        """One setting, every parameter drawn by itself; so rare branches are as likely as rich ones."""
        return Recorded(self._realise, drawn(rng)).params

    def evenly(self, rng: Random) -> tuple[dict[str, Value], float]:
        """One setting, nearly as likely as any other, and how many it stands for; that number's mean is the size."""
        chooser = Even(rng)
        return Recorded(self._realise, chooser).params, chooser.stands_for

    def enumerate(self) -> Iterator[dict[str, Value]]:
        """Every setting, the last parameter varying fastest.

        Raises:
            ConfigError: A range has no steps.
        """
        if math.isinf(self.size):
            name = next(p.name for p in self.parameters if math.isinf(p.domain.size))
            raise ConfigError(f"{self.source}: {name} has no steps, so its settings cannot be counted; give a step.")
        for recorded in every(self._realise, all_values):
            yield recorded.params

    def complete(self, params: Params) -> dict[str, Value]:
        """A whole setting out of a part of one: the first value of whatever is not given.

        Parameters that do not matter under the other choices are left out.

        Raises:
            ConfigError: A name or a value is not of this space.
        """
        self._check_params(params)
        return Recorded(self._realise, given(params, lambda parameter: parameter.domain.at(0))).params

    def build(self, params: Params) -> Architecture:
        """The architecture of a setting, named after the space and the architecture's digest.

        Raises:
            ConfigError: A parameter is missing, or a name or a value is not of this space.
            InvalidArchitectureError: What was chosen does not make an architecture.
        """
        self._check_params(params)
        data = self._realise(given(params, self._missing))
        try:
            built = Architecture.model_validate(data)
        except ValidationError as error:
            line = error.errors()[0]
            where = ".".join(map(str, line["loc"]))
            problem = str(line["msg"]).removeprefix("Value error, ").rstrip(".")
            raise InvalidArchitectureError(f"{where}: {problem}." if where else f"{problem}.") from None
        return built.model_copy(update={"name": f"{self.name}-{digest(built)[:NAMED]}"})

    def params_of(self, architecture: Architecture) -> dict[str, Value] | None:
        """A setting that builds an architecture which behaves like this one, ``None`` if none was found.

        Names of roles, the order of parameters and settings at their defaults may differ.
        """
        wanted, data = digest(architecture), architecture.to_data()
        specs = {ref: spec.model_dump(mode="json", exclude_defaults=True) for ref, spec in architecture.specs().items()}
        for found in islice(matching.sections(self._layers.sections, data["layers"], matching.Match()), MOST_MATCHES):
            for whole in self._with_models(found, specs, frozenset()):
                params = self._with_rest(whole, data)
                try:
                    if digest(self.build(self.complete(params))) == wanted:
                        return self.complete(params)
                except InvalidArchitectureError:
                    continue
        return None

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name.

        Raises:
            ConfigError: There is none; the message gives the nearest.
        """
        found = next((parameter for parameter in self.parameters if parameter.name == name), None)
        if found is None:
            raise ConfigError(f"{self.source}: {unknown('parameter', name, (p.name for p in self.parameters))}")
        return found

    def _realise(self, choose: Choose) -> dict[str, Any]:
        """The data of an architecture; models that no layer uses are left out, and so are their parameters."""
        used: set[str] = set()
        layers = self._layers.realise(choose, used)
        models: dict[str, Any] = {}
        while rest := [role for role in self._models if role in used and role not in models]:
            models[rest[0]] = self._models[rest[0]].realise(choose, used)
        models = {role: models[role] for role in self._models if role in models}
        others = {key: node.realise(choose, used) for key, node in self._rest.items()}
        return {"name": self.name, "models": models, "layers": layers, **others}

    def _models_of(self, roles: frozenset[str], done: frozenset[str]) -> int:
        """Of how many settings the models are, those included that they fall back on."""
        rest = [role for role in self._models if role in roles and role not in done]
        if not rest:
            return 1
        tally = self._models[rest[0]].tally().items()
        return sum(count * self._models_of(roles | more, done | {rest[0]}) for (more, _), count in tally)

    def _check(self) -> None:
        """Refuse what no choice can mend outside of layers and models, such as an unknown kind of answer."""
        node = Settings(tuple(self._rest), tuple(self._rest.values()))
        for value in variants(node):
            probe = {"name": self.name, "layers": [{"generate": {"model": "openai/any"}}], **value}
            try:
                Architecture.model_validate(probe)
            except ValidationError as error:
                text = complaint(error, self._document, self.source, lambda _: list(KEYS), "a search space")
                raise ConfigError(text) from None

    def _with_models(
        self, found: matching.Match, specs: Mapping[str, Any], done: frozenset[str]
    ) -> Iterator[matching.Match]:
        """A match with the parameters of its models, which are the known architecture's."""
        rest = [role for role in found.roles if role not in done]
        if not rest:
            yield found
            return
        spec, node = specs.get(found.roles[rest[0]], {}), self._models[rest[0]]
        for more in (*matching.setting(node, spec, found), *matching.setting(node, spec.get("use"), found)):
            yield from self._with_models(more, specs, done | {rest[0]})

    def _with_rest(self, found: matching.Match, data: Mapping[str, Any]) -> Params:
        for key, node in self._rest.items():
            found = next(matching.setting(node, data.get(key), found), found)
        return found.params

    def _missing(self, parameter: Parameter) -> NoReturn:
        why = f", since {parameter.when}" if parameter.when else ""
        raise ConfigError(f"{self.source}: the setting has no value of {parameter.name}{why}.")

    def _check_params(self, params: Params) -> None:
        by_name = {parameter.name: parameter for parameter in self.parameters}
        for name, value in params.items():
            parameter = by_name.get(name) or self.parameter(name)
            if not parameter.holds(value):
                raise ConfigError(f"{self.source}: {name} cannot be {value!r}; it is one of: {parameter.domain}.")


def _rules(data: Any, document: CommentedMap, name: str) -> tuple[Rule, ...]:
    def fail(rule: str, problem: str) -> NoReturn:
        place = ("rules", rule) if rule else ("rules",)
        raise ConfigError(f"{name}:{line_of(document, place)}: {'.'.join(place)}: {problem}")

    if not isinstance(data, dict):
        fail("", "this is a mapping such as {calls: {most: 64}, fuse_fits_context: off}.")
    return rules_from(data, fail)
