"""The only schema of an architecture: models, layers of techniques, and what counts as an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from archon.answers import AnswerFormat, TextAnswer, answer_format_to_data, parse_answer_format
from archon.budget import BudgetSpec
from archon.kinds import kind_to_data, located, nested
from archon.models.spec import ModelSpec
from archon.suggest import unknown
from archon.technique import Technique

Location = tuple[str | int, ...]


def parse_component(value: Any) -> Technique:
    """A technique from ``{kind: settings}``, from a bare ``kind``, or from itself.

    Raises:
        ValidationError: It is neither, or its settings are wrong; locations start with the kind.
    """
    return Technique.kinds.parse(value, "a layer is one technique with its settings, such as `generate: {n: 8}`")


def parse_layer(value: Any) -> tuple[Technique, ...]:
    """The techniques of one layer: one, or a list that runs in parallel."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        components = []
        for index, item in enumerate(value):
            try:
                components.append(parse_component(item))
            except ValidationError as error:
                raise nested(error, index) from None
        if not components:
            raise located("a layer needs at least one technique", given=value)
        return tuple(components)
    return (parse_component(value),)


def component_to_data(component: Technique) -> dict[str, Any]:
    """The inverse of :func:`parse_component`, without settings that are unset by default."""
    return kind_to_data(component)


def _layer_to_data(layer: tuple[Technique, ...]) -> Any:
    data = [component_to_data(component) for component in layer]
    return data[0] if len(data) == 1 else data


class _LayerSchema:
    """Leaves a layer open; :mod:`archon.schema` fills in the techniques there are."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {}


Layer = Annotated[
    tuple[SerializeAsAny[Technique], ...],
    BeforeValidator(parse_layer),
    PlainSerializer(_layer_to_data),
    _LayerSchema(),
]
"""Techniques that run side by side; their candidates are concatenated in this order."""


def _parse_model(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


class _ModelSchema:
    """Tells editors that a model may be written as ``provider/model`` alone."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


def _parse_answer(value: Any) -> AnswerFormat:
    try:
        return parse_answer_format(value)
    except ValidationError as error:
        # Only the settings of a kind are validated, so there is exactly one.
        raise nested(error, *value) from None


class _AnswerSchema:
    """Leaves the answer open; :mod:`archon.schema` fills in the formats there are."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {}


AnswerField = Annotated[
    SerializeAsAny[AnswerFormat],
    BeforeValidator(_parse_answer),
    PlainSerializer(answer_format_to_data),
    _AnswerSchema(),
]
"""A field that holds an answer format, written as a kind or as a kind with its settings."""

ModelField = Annotated[ModelSpec, BeforeValidator(_parse_model), _ModelSchema()]
"""A field that holds a model, written as ``provider/model`` or with its settings."""


class Architecture(BaseModel):
    """Models and the layers of techniques stacked over them.

    The answer is the first candidate of the last layer.

    Attributes:
        name: What to call it in tables and records.
        description: One line for people.
        models: The models by role.
        layers: Run one after the other.
        answer: How to find the final answer in a text and compare two of them.
        budget: What one question may cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, pattern=r"^[\w.+-]+$")]
    description: str = ""
    models: dict[str, ModelField] = {}
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]
    answer: AnswerField = TextAnswer()
    budget: BudgetSpec | None = None

    @field_validator("models")
    @classmethod
    def _roles_are_names(cls, models: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        for role in models:
            if "/" in role:
                raise located("a role is a plain name; write the provider and model under `use`", role)
        return models

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        made: frozenset[str] = frozenset()
        for i, layer in enumerate(self.layers):
            for component in layer:
                if component.needs_candidates and "candidates" not in made:
                    raise located(
                        f"{component.kind} works on candidates and no layer before it makes any; "
                        "start with a layer that does, such as generate",
                        "layers",
                        i,
                    )
                if any(part.needs_unit_tests for part in component.everything()) and "unit_tests" not in made:
                    raise located(
                        f"{component.kind} works on unit tests and no layer before it makes any; "
                        "put a layer before it that does, such as unit_tests",
                        "layers",
                        i,
                    )
            made = made.union(*(component.makes for component in layer))
        if "candidates" not in made:
            raise located("no layer makes candidates; add one that does, such as generate", "layers")
        for location, component in self.components():
            for field, ref in component.model_refs():
                self._check_reference(ref, *location, component.kind, *field.split("."))
        for role, spec in self.models.items():
            for index, ref in enumerate(spec.fallback):
                self._check_reference(ref, "models", role, "fallback", index)
        return self

    def _check_reference(self, ref: str, *place: str | int) -> None:
        if "/" in ref:
            try:
                ModelSpec(use=ref)
            except ValidationError as error:
                raise located(error.errors()[0]["msg"].removeprefix("Value error, "), *place) from None
        elif ref not in self.models:
            raise located(unknown("model", ref, self.models), *place, given=ref)

    def components(self) -> Iterator[tuple[Location, Technique]]:
        """Every component in document order, with the place it has in the document."""
        for i, layer in enumerate(self.layers):
            for j, component in enumerate(layer):
                yield (("layers", i) if len(layer) == 1 else ("layers", i, j)), component

    def specs(self) -> dict[str, ModelSpec]:
        """The models that the layers really use, and those that these fall back on, by reference."""
        refs = {ref for _, component in self.components() for _, ref in component.model_refs()}
        refs |= {other for ref in refs if ref in self.models for other in self.models[ref].fallback}
        return {ref: self.models[ref] if ref in self.models else ModelSpec(use=ref) for ref in sorted(refs)}

    def to_data(self) -> dict[str, Any]:
        """The architecture as plain data that :meth:`model_validate` reads back to an equal one."""
        data = self.model_dump(mode="json", exclude_none=True)
        data["models"] = {
            role: spec.model_dump(mode="json", exclude_defaults=True) for role, spec in self.models.items()
        }
        return data
