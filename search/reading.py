"""Reads the template of a search space from YAML.

Any value in it may be left open: ``{int: [1, 16]}``, ``{float: [0, 1.2], step: 0.1}``, ``{choice: [...]}`` or
``{knob: true}``, which takes what the technique declares. Among layers, ``optional``, ``repeated``, ``alternatives``,
``any_order`` and ``sequence`` leave open which there are.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from ruamel.yaml.comments import CommentedMap

from archon.document import Location, complaint, configurations, line_of
from archon.errors import ConfigError
from archon.kinds import Configuration, Registry
from archon.knobs import ChoiceKnob, knobs_of
from archon.models.spec import ModelSpec
from archon.suggest import unknown
from archon.technique import Technique
from search.choosing import every
from search.parameters import Choices, Domain, Ints, Parameter, Value
from search.template import (
    AnyOrder,
    Choice,
    Constant,
    Parallel,
    Range,
    Repeated,
    Row,
    Section,
    Setting,
    Settings,
    Single,
    weights_of,
)
from search.words import (
    ALTERNATIVES,
    OPTIONAL,
    REPEATED,
    SEQUENCE,
    WORDS,
    distinct,
    is_int,
    label_of,
    range_of,
)

MOST_ORDERED = 6
SCALARS = (str, int, float, bool, type(None))
# Enough to try every choice and both ends of every range of a field.
VARIANTS = 64


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the template.

    Attributes:
        name: How parameters there begin.
        place: Where it stands in the document.
        when: The choices that lead there, in words.
    """

    name: str
    place: Location
    when: tuple[str, ...] = ()

    def at(self, name: str | int, *place: str | int) -> Where:
        """A place inside."""
        return replace(self, name=f"{self.name}.{name}" if self.name else str(name), place=(*self.place, *place))

    def under(self, condition: str) -> Where:
        """The same place, reached only if a choice was made."""
        return replace(self, when=(*self.when, condition))

    def parameter(self, name: str, domain: Domain, weights: tuple[int, ...] | None = None) -> Parameter:
        """A parameter of that name here."""
        return Parameter(name, domain, " and ".join(self.when), weights)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is the value of.

    Attributes:
        owner: The configuration that has the field; ``None`` outside of any.
        field: The field.
        models: Whether it names models.
        family: The kinds of configuration it holds, if it holds any.
    """

    owner: type[BaseModel] | None = None
    field: str = ""
    models: bool = False
    family: Registry[Any] | None = None

    @classmethod
    def of(cls, owner: type[BaseModel], field: str) -> Kind:
        """The kind of a field of a configuration."""
        if not issubclass(owner, Configuration):
            return cls(owner, field, models=field == "fallback")
        inside = configurations(owner.model_fields[field].annotation)
        family = next((found.kinds for found in inside if issubclass(found, Configuration)), None)
        return cls(owner, field, field in owner.model_settings(), family)


PLAIN = Kind()


@dataclass(slots=True)
class Reader:
    """Turns plain data into nodes of a template.

    Attributes:
        document: As it was read, for the lines.
        name: Stands for the file.
        roles: The models of the template.
        names: How often each parameter's name was given.
    """

    document: CommentedMap
    name: str
    roles: frozenset[str] = frozenset()
    names: Counter[str] = field(default_factory=Counter)

    def fail(self, where: Where, problem: str) -> NoReturn:
        """Raise the error at a place.

        Raises:
            ConfigError: Always.
        """
        path = ".".join(map(str, where.place))
        lead = f"{path}: " if path else ""
        raise ConfigError(f"{self.name}:{line_of(self.document, where.place)}: {lead}{problem}")

    def model(self, value: Any, where: Where) -> Setting:
        """One entry of ``models``."""
        if isinstance(value, dict) and not self._is_open(value):
            return self._fields(ModelSpec, value, where)
        if isinstance(value, dict) and isinstance(value.get("choice"), list):
            return self._choice(value, where, lambda option, at: self.model(option, at))
        if not isinstance(value, str):
            self.fail(where, "a model is written as provider/model or as a mapping with `use`.")
        self._validated(ModelSpec, {"use": [value]}, where, where.place)
        return Constant(value)

    def setting(self, value: Any, where: Where, kind: Kind = PLAIN) -> Setting:
        """The value of any field.

        Raises:
            ConfigError: It is not understood.
        """
        if isinstance(value, dict):
            if self._is_open(value):
                return self._open(value, where, kind)
            if kind.family is not None and len(value) == 1:
                return self._configuration(kind.family, value, where)
            inner = {key: self.setting(item, where.at(key, key)) for key, item in value.items()}
            return _settings(tuple(inner), tuple(inner.values()))
        if isinstance(value, list):
            return _settings(None, tuple(self.setting(v, where.at(i, i), kind) for i, v in enumerate(value)))
        if kind.models and isinstance(value, str):
            return self._reference(value, where)
        return Constant(value)

    def sections(self, value: Any, where: Where) -> Row:
        """A list of layers, or of components in a layer."""
        if not isinstance(value, list) or not value:
            self.fail(where, "this must be a list of layers that is not empty.")
        return Row(tuple(self.section(item, where.at(i, i)) for i, item in enumerate(value)))

    def section(self, value: Any, where: Where) -> Section:
        """Whatever may stand in a list of layers."""
        if isinstance(value, list):
            return Parallel(self.sections(value, where).sections)
        if isinstance(value, str):
            value = {value: None}
        if not isinstance(value, dict) or not value:
            self.fail(where, f"a layer is one technique with its settings, or one of {', '.join(WORDS)}.")
        word = next((word for word in WORDS if word in value), None)
        if word is None:
            if len(value) != 1:
                self.fail(where, f"a layer is one technique with its settings; this has {', '.join(value)}.")
            return Single(self._component(value, where))
        allowed = {word, "least", "most"} if word == REPEATED else {word}
        if strange := [key for key in value if key not in allowed]:
            self.fail(where.at(strange[0], strange[0]), unknown(f"key beside {word}", strange[0], allowed - {word}))
        inner = replace(where, place=(*where.place, word))
        if word == OPTIONAL:
            return self._optional(value[word], inner)
        if word == REPEATED:
            return self._repeated(value, inner)
        if word == SEQUENCE:
            return self.sections(value[word], inner)
        return self._alternatives(value[word], inner) if word == ALTERNATIVES else self._any_order(value[word], inner)

    def _optional(self, value: Any, where: Where) -> Section:
        name = f"{where.name}.{OPTIONAL}"
        options = (Row(()), self.section(value, where.under(f"{name} is true")))
        return Choice(self._parameter(where, name, Choices((False, True)), weights_of(options)), options)

    def _repeated(self, value: Mapping[str, Any], where: Where) -> Section:
        least, most = value.get("least", 0), value.get("most", 0)
        if not is_int(most) or not is_int(least) or not 0 <= least <= most or most < 1:
            self.fail(where, "say how often, as in {repeated: ..., least: 0, most: 3}.")
        name = f"{where.name}.{REPEATED}"
        copies = tuple(
            self.section(value[REPEATED], where.under(f"{name} is at least {i}").at(i) if i > least else where.at(i))
            for i in range(1, most + 1)
        )
        weights = weights_of(Row(copies[:times]) for times in range(least, most + 1))
        return Repeated(self._parameter(where, name, Ints(least, most), weights), copies)

    def _alternatives(self, value: Any, where: Where) -> Section:
        if not isinstance(value, list) or not value:
            self.fail(where, "alternatives are a list of layers.")
        labels, name = distinct(map(label_of, value)), f"{where.name}.{ALTERNATIVES}"
        options = []
        for index, (item, label) in enumerate(zip(value, labels, strict=True)):
            inner = where if isinstance(item, str | dict) and label in (item, *item) else where.at(label)
            there = replace(inner, place=(*where.place, index)).under(f"{name} is {label}")
            options.append(self.section(item, there))
        return Choice(self._parameter(where, name, Choices(labels), weights_of(options)), tuple(options))

    def _any_order(self, value: Any, where: Where) -> Section:
        row = self.sections(value, where)
        if len(row.sections) > MOST_ORDERED:
            self.fail(where, f"at most {MOST_ORDERED} layers can be put in any order.")
        made = AnyOrder.of(
            f"{where.name}.order", " and ".join(where.when), row.sections, distinct(map(label_of, value))
        )
        self.names.update(parameter.name for parameter in made.orders.values())
        return made

    def _component(self, value: Mapping[str, Any], where: Where) -> Setting:
        ((kind, _),) = value.items()
        known = Technique.kinds.all()
        if kind not in known:
            self.fail(where.at(kind, kind), unknown("technique", kind, (*known, *WORDS)))
        return self._configuration(Technique.kinds, value, where)

    def _configuration(self, family: Registry[Any], value: Mapping[str, Any], where: Where) -> Setting:
        ((kind, settings),) = value.items()
        inner, known = where.at(kind, kind), family.all()
        if kind not in known:
            self.fail(inner, unknown(family.what, kind, known))
        return _settings((kind,), (self._fields(known[kind], settings, inner),))

    def _fields(self, owner: type[BaseModel], value: Any, where: Where) -> Setting:
        """The settings of a configuration."""
        if value is not None and not isinstance(value, dict):
            self.fail(where, "this must be a mapping of settings.")
        fields: dict[str, Setting] = {}
        for key, item in (value or {}).items():
            if key not in owner.model_fields:
                self.fail(where.at(key, key), unknown("setting", key, owner.model_fields))
            fields[key] = self.setting(item, where.at(key, key), Kind.of(owner, key))
        tries = {key: variants(node) for key, node in fields.items()}
        self._validated(owner, tries, where)
        return _settings(tuple(fields), tuple(fields.values()))

    def _validated(
        self, owner: type[BaseModel], values: Mapping[str, Sequence[Any]], where: Where, place: Location | None = None
    ) -> None:
        """Refuse values that are wrong whatever the others are; which of them go together is for the rules to say."""
        base = {key: of_key[0] for key, of_key in values.items()}
        tries = [(key, value) for key, of_key in values.items() for value in of_key]
        for key, value in tries or [("", None)]:
            try:
                owner.model_validate({**base, key: value} if key else {})
            except ValidationError as error:
                wrong = _about(error, key, where.place)
                if wrong is None:
                    continue
                text = complaint(wrong, self.document, self.name, lambda path: _keys(owner, path), "a search space")
                raise ConfigError(text) from None

    def _reference(self, ref: str, where: Where) -> Setting:
        if "/" in ref:
            self._validated(ModelSpec, {"use": [ref]}, where)
            return Constant(ref)
        if ref not in self.roles:
            self.fail(where, unknown("model", ref, self.roles))
        return Constant(ref, frozenset({ref}))

    @staticmethod
    def _is_open(value: Mapping[str, Any]) -> bool:
        """Whether a mapping stands for a parameter; an answer of the kind ``choice`` has a mapping of its own."""
        return (
            any(isinstance(value.get(word), list) for word in ("int", "float", "choice"))
            or value.get("knob") is True
            or set(value) in ({"int"}, {"float"})
        )

    def _open(self, value: Mapping[str, Any], where: Where, kind: Kind) -> Setting:
        if isinstance(value.get("choice"), list):
            return self._choice(value, where, lambda option, at: self.setting(option, at, kind))
        word = next(word for word in ("int", "float", "knob") if word in value)
        if strange := [key for key in value if key not in (word, "step", "log")]:
            self.fail(where.at(strange[0], strange[0]), unknown(f"key beside {word}", strange[0], ("step", "log")))
        step, log = value.get("step"), value.get("log", False)
        if not isinstance(log, bool):
            self.fail(where.at("log", "log"), "this is true or false.")
        if word == "knob":
            return self._knob(value, where, kind)
        return self._range(where, word, value[word], step, log)

    def _range(self, where: Where, word: str, ends: Any, step: Any, log: bool) -> Setting:
        try:
            domain = range_of(word, ends, step, log)
        except ValueError as error:
            self.fail(where, str(error))
        return Range(self._parameter(where, where.name, domain))

    def _knob(self, value: Mapping[str, Any], where: Where, kind: Kind) -> Setting:
        """What the technique declares, with another spacing where the template says so."""
        knobs = {} if kind.owner is None else knobs_of(kind.owner)
        if kind.field not in knobs:
            those = f"; those with one are {', '.join(sorted(knobs))}" if knobs else ""
            self.fail(where, f"this setting declares no knob{those}. Write a range or a choice.")
        knob = knobs[kind.field]
        if isinstance(knob, ChoiceKnob):
            return self._choice({"choice": list(knob.choices)}, where, lambda option, _: Constant(option))
        word = "int" if isinstance(knob.low, int) else "float"
        step, log = value.get("step"), value.get("log", knob.log and "step" not in value)
        return self._range(where, word, [knob.low, knob.high], step, log)

    def _choice(self, value: Mapping[str, Any], where: Where, read: Any) -> Setting:
        options = value["choice"]
        if strange := [key for key in value if key != "choice"]:
            self.fail(where.at(strange[0], strange[0]), f"a choice has no '{strange[0]}'; list its values.")
        if not options:
            self.fail(where, "a choice needs at least one value.")
        if again := next((o for i, o in enumerate(options) if any(_same(o, p) for p in options[:i])), None):
            self.fail(where, f"the choice names {again!r} twice.")
        taken = [option for option in options if isinstance(option, str)]
        named = iter(distinct((label_of(option) for option in options if not isinstance(option, SCALARS)), taken))
        labels: list[Value] = [option if isinstance(option, SCALARS) else next(named) for option in options]
        nodes = []
        for index, (option, label) in enumerate(zip(options, labels, strict=True)):
            own = isinstance(option, dict) and list(option) == [label]
            inner = replace(where if own else where.at(str(label)), place=(*where.place, "choice", index))
            nodes.append(read(option, inner.under(f"{where.name} is {label}")))
        domain = Choices(tuple(labels))
        return Choice(self._parameter(where, where.name, domain, weights_of(nodes)), tuple(nodes))

    def _parameter(self, where: Where, name: str, domain: Domain, weights: tuple[int, ...] | None = None) -> Parameter:
        self.names[name] += 1
        return where.parameter(name, domain, weights)


def _settings(keys: tuple[str, ...] | None, values: tuple[Setting, ...]) -> Setting:
    """Settings, or the constant they amount to."""
    if all(isinstance(value, Constant) for value in values):
        constants = [value for value in values if isinstance(value, Constant)]
        plain = [constant.value for constant in constants]
        roles = frozenset[str]().union(*(constant.roles for constant in constants))
        return Constant(plain if keys is None else dict(zip(keys, plain, strict=True)), roles)
    return Settings(keys, values)


def variants(node: Setting) -> list[Any]:
    """What a field may become, ranges at their ends only."""
    done = every(lambda choose: node.realise(choose, set()), lambda parameter: parameter.domain.extremes)
    return [recorded.made for recorded in itertools.islice(done, VARIANTS)]


def _about(error: ValidationError, key: str, place: Location) -> ValidationError | None:
    """What an error says about one field, or about fields that are missing; seen from the whole document."""
    details: list[InitErrorDetails] = [
        InitErrorDetails(
            type=PydanticCustomError(line["type"], "{problem}", {"problem": line["msg"]}),
            loc=(*place, *line["loc"]),
            input=line["input"],
        )
        for line in error.errors(include_url=False)
        if line["type"] == "missing" or (line["loc"] and line["loc"][0] == key)
    ]
    return ValidationError.from_exception_data(error.title, details) if details else None


def _keys(owner: type[BaseModel], path: Location) -> list[str]:
    """The keys of the model that a field of ``owner`` holds."""
    for part in path:
        if part in owner.model_fields:
            inside = configurations(owner.model_fields[str(part)].annotation)
            return sorted(next(inside, owner).model_fields)
    return sorted(owner.model_fields)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
