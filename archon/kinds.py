"""What is written in YAML as ``kind: settings``: frozen configurations, and the registries that know their kinds.

Techniques (:mod:`archon.technique`) and rewards (:mod:`archon.reward`) are such configurations.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import InitErrorDetails, PydanticCustomError

from archon.errors import ConfigError
from archon.knobs import FloatKnob
from archon.siblings import check_siblings
from archon.suggest import unknown

ENTRY_POINT_GROUP = "archon.techniques"


@dataclass(frozen=True, slots=True)
class ModelRole:
    """Marks a field that names a model of the architecture."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tells editors and pages too."""
        return {**handler(schema), "x-model": True}


ModelRef = Annotated[str, Field(min_length=1), ModelRole()]
"""The name of an entry of the architecture's ``models``, or a model by itself such as ``openai/gpt-4o-mini``."""


def _one_or_several(value: Any) -> Any:
    """Refuse the rest in one sentence instead of one per branch of the union."""
    refs = [value] if isinstance(value, str) else value
    if not isinstance(refs, list | tuple) or not refs or not all(isinstance(ref, str) and ref for ref in refs):
        raise ValueError("name one model or a list of them")
    return value


ModelRefs = Annotated[
    ModelRef | Annotated[tuple[ModelRef, ...], Field(min_length=1)],
    BeforeValidator(_one_or_several),
]
"""One model or several."""


class Configuration(BaseModel, ABC):
    """A frozen, validated configuration of some kind.

    Class attributes:
        kind: Its name in YAML.
        kinds: All kinds of its family.
        calls: How many completions it asks for, as a formula for people.
        needs_unit_tests: Whether it works on unit tests that an earlier layer made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""
    kinds: ClassVar[Registry[Any]]
    calls: ClassVar[str] = ""
    needs_unit_tests: ClassVar[bool] = False

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kinds.add(kind, cls)
            cls.kind = kind

    def inner(self) -> Iterator[tuple[str, Configuration]]:
        """The configurations among its settings, with their place there, such as ``reward.judge``."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Configuration):
                yield f"{name}.{value.kind}", value
            elif isinstance(value, tuple):
                parts = ((i, part) for i, part in enumerate(value) if isinstance(part, Configuration))
                yield from ((f"{name}.{i}.{part.kind}", part) for i, part in parts)

    def everything(self) -> Iterator[Configuration]:
        """This configuration and all those inside it, however deep."""
        yield self
        for _, part in self.inner():
            yield from part.everything()

    def model_refs(self) -> Iterator[tuple[str, str]]:
        """Every model that it or a configuration inside it names, as (field path, reference)."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            named = name in self.model_settings()
            if named and isinstance(value, str):
                yield name, value
            elif named and value is not None:
                yield from ((f"{name}.{i}", ref) for i, ref in enumerate(value))
        for place, part in self.inner():
            yield from ((f"{place}.{field}", ref) for field, ref in part.model_refs())

    @classmethod
    def model_settings(cls) -> frozenset[str]:
        """The settings that name a model, several or none."""
        return _model_settings(cls)


@cache
def _model_settings(cls: type[Configuration]) -> frozenset[str]:
    """The settings that name models, found once per class: searches look at thousands of architectures."""
    return frozenset(
        name
        for name, info in cls.model_fields.items()
        if ModelRole() in info.metadata
        or any(isinstance(item, ModelRole) for arg in _arguments(info.annotation) for item in arg)
    )


class Overrides(BaseModel):
    """Settings of how to draw that take the place of the model's own."""

    temperature: Annotated[float | None, Field(ge=0, le=2), FloatKnob(0.0, 1.5)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings to pass on to :meth:`archon.technique.Context.sample`."""
        return {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}


def _arguments(annotation: Any) -> Iterator[tuple[Any, ...]]:
    """The metadata of every ``Annotated`` inside an annotation such as ``tuple[ModelRef, ...]``."""
    for argument in getattr(annotation, "__args__", ()):
        if hasattr(argument, "__metadata__"):
            yield argument.__metadata__
        yield from _arguments(argument)


C = TypeVar("C", bound=Configuration)


class Registry(Generic[C]):
    """The kinds of one family of configurations.

    Args:
        what: What one of them is called, such as ``technique``.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._kinds: dict[str, type[C]] = {}
        self._imported = False

    def add(self, kind: str, cls: type[C]) -> None:
        """Take note of a kind.

        Raises:
            ConfigError: Another class has that name.
        """
        registered = self._kinds.setdefault(kind, cls)
        if (registered.__module__, registered.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ConfigError(
                f"Two {self.what}s are called '{kind}': {registered.__module__}.{registered.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}; rename one of them."
            )
        self._kinds[kind] = cls

    def all(self) -> dict[str, type[C]]:
        """Every kind there is, the entry points' included.

        Raises:
            ConfigError: No package provides any, or a user's module hides the built-in ones.
        """
        check_siblings()
        for entry in entry_points(group=ENTRY_POINT_GROUP):
            entry.load()
        self._imported = True
        if not self._kinds:
            raise ConfigError(
                f"No {self.what}s are installed: install Archon itself, for example with `pip install -e .` in its "
                "checkout."
            )
        return dict(sorted(self._kinds.items()))

    def get(self, kind: str) -> type[C]:
        """The class of that kind.

        Raises:
            ConfigError: There is none; the message names the nearest and lists what exists.
        """
        if (found := self._kinds.get(kind)) is not None:
            return found
        known = self.all()
        if kind not in known:
            raise ConfigError(unknown(self.what, kind, known))
        return known[kind]

    def parse(self, value: Any, example: str) -> C:
        """A configuration from ``{kind: settings}``, from a bare ``kind``, or from itself.

        Args:
            value: What stands in the document.
            example: How to write one, for who wrote something else.

        Raises:
            ValidationError: It is neither, or its settings are wrong; locations start with the kind.
        """
        if isinstance(value, Configuration) and value.kinds is self:
            return cast(C, value)
        if isinstance(value, str):
            value = {value: None}
        if not isinstance(value, Mapping) or len(value) != 1:
            raise located(example, given=value)
        ((kind, settings),) = value.items()
        try:
            cls = self.get(str(kind))
        except ConfigError as error:
            raise located(str(error), str(kind), given=settings) from None
        try:
            return cls.model_validate({} if settings is None else settings)
        except ValidationError as error:
            raise nested(error, str(kind)) from None

    def forget(self, kind: str) -> None:
        """Undo :meth:`add`, for tests."""
        del self._kinds[kind]

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Forget, at the end of the block, what was added inside it, for tests.

        What is installed is imported before, or else the block could be the first to do so; once only, since to read
        the entry points takes longer than most tests.
        """
        if not self._imported:
            self.all()
        before = set(self._kinds)
        try:
            yield
        finally:
            for kind in self._kinds.keys() - before:
                self.forget(kind)


def located(problem: str, *location: str | int, given: Any = None) -> ValidationError:
    """A validation error with one plain sentence at one place."""
    detail = InitErrorDetails(
        type=PydanticCustomError("archon", "{problem}", {"problem": problem}), loc=location, input=given
    )
    return ValidationError.from_exception_data("Architecture", [detail])


def nested(error: ValidationError, *prefix: str | int) -> ValidationError:
    """The same errors, seen from further out."""
    details: list[InitErrorDetails] = [
        InitErrorDetails(
            type=PydanticCustomError(line["type"], "{problem}", {"problem": line["msg"]}),
            loc=(*prefix, *line["loc"]),
            input=line["input"],
        )
        for line in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, details)


def kind_to_data(configuration: Configuration) -> dict[str, Any]:
    """The inverse of :meth:`Registry.parse`, without settings that are unset by default."""
    settings = configuration.model_dump(mode="json")
    unset = {name for name, info in type(configuration).model_fields.items() if info.default is None}
    return {configuration.kind: {k: v for k, v in settings.items() if not (v is None and k in unset)}}
