"""A grader of answers that are JSON."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator

from archon.answers import JsonAnswer
from archon.errors import ConfigError
from evals.graders.base import Grade, Grader, Problem, Tools
from evals.graders.fields import reference_of, shown


class Json(Grader):
    """The last JSON value of the text fits a schema, and equals the reference.

    Values are compared by value: the order of keys does not matter, 1 is 1.0, ``true`` is not 1.

    Attributes:
        form: The JSON Schema, ``schema`` in YAML; a problem may bring its own in its field ``schema``. Without any,
            every value fits.
        equal: Whether the value must equal the reference; ``false`` asks for validity alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: ClassVar[str] = "json"
    form: dict[str, Any] | None = Field(default=None, alias="schema")
    equal: bool = True

    @field_validator("form")
    @classmethod
    def _is_a_schema(cls, form: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            return form if form is None else dict(_validator(form).schema)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    async def grade(self, problem: Problem, text: str, tools: Tools) -> Grade:
        """1 where all is as it should be, else 0.

        Raises:
            ConfigError: The problem has no reference where one is needed, a reference or schema that is none, or the
                package jsonschema is missing.
        """
        wanted = reference_of(problem, self.kind).strip() if self.equal else None
        if wanted is not None and not _is_json(wanted):
            raise ConfigError(f"Problem {problem.id}: the reference {shown(wanted)} is not JSON.")
        form = _schema(problem) or self.form
        answer = JsonAnswer().extract(text)
        if answer is None:
            return Grade(0.0, "There is no JSON in the text.", {"answer": None})
        trouble = "" if form is None else _trouble(form, answer)
        if not trouble and wanted is not None and not JsonAnswer().equal(answer, wanted):
            trouble = f"The value is {shown(answer)}, not {shown(wanted)}."
        return Grade(float(not trouble), trouble, {"answer": answer})


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _schema(problem: Problem) -> dict[str, Any] | None:
    """The problem's own schema, which tables often hold as text."""
    form = problem.fields.get("schema")
    if isinstance(form, str) and _is_json(form):
        form = json.loads(form)
    if form is None or isinstance(form, dict):
        return form
    raise ConfigError(f"Problem {problem.id}: the field 'schema' is not a JSON Schema: {shown(str(form))}.")


def _validator(form: dict[str, Any]) -> Any:
    """What checks values against a schema.

    Raises:
        ConfigError: It is no schema, or jsonschema is missing.
    """
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError:
        raise ConfigError("Checking a JSON Schema needs jsonschema: pip install 'archon-inference[evals]'.") from None
    kind = validator_for(form)
    try:
        kind.check_schema(form)
    except SchemaError as error:
        raise ConfigError(f"This is not a JSON Schema: {error.message}.") from None
    # With a registry of its own, no reference to another schema is looked up on the network.
    return kind(form, registry=Registry())


def _trouble(form: dict[str, Any], answer: str) -> str:
    """Why a value does not fit a schema; empty if it does."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(form).iter_errors(json.loads(answer)))
    except RecursionError:
        return "The value is nested too deeply to be checked."
    return "" if error is None else f"The value does not fit the schema at {error.json_path}: {error.message[:200]}."
