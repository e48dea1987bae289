"""The schema of a benchmark's card: what it is, where its rows are, how they are asked and how answers are graded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml.comments import CommentedMap

from archon.answers import AnswerFormat
from archon.architecture import AnswerField, ModelField
from archon.document import Location, complaint, interpolate, keys_within, load_yaml, plain, read_text
from archon.errors import ConfigError
from archon.models.spec import ModelSpec
from archon.suggest import unknown
from evals.sources import SourceField
from evals.transforms import TRANSFORMS


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One column or several; ``label.final`` looks inside a column ``label`` that holds a mapping."""


class FieldNames(BaseModel):
    """Which column of a row holds what, after the transform.

    Attributes:
        question: The question as text, or the conversation as a list of ``{role, content}``.
        turns: A list of user turns in place of ``question``; those after the first are asked with the answers before.
        answer: The reference answer, if there are any.
        id: What names a row, joined by ``-`` where several columns do; without it a hash of the question.
        group: What problems that are not independent have in common, if they have anything.
        system: A system message of the row's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = "question"
    turns: str | None = None
    answer: str | None = None
    id: Columns = ()
    group: Columns = ()
    system: str | None = None


class Example(BaseModel):
    """A turn that is shown before the question, with the reply that is wanted.

    Attributes:
        user: What is asked, as it stands.
        assistant: A good reply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str
    assistant: str


class Beside(BaseModel):
    """A second table whose rows belong to those of the first, such as the answers of a baseline.

    Attributes:
        source: Where it is.
        key: The column that both have, with the same value in the rows that belong together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: SourceField
    key: str


class Card(BaseModel):
    """A benchmark.

    Attributes:
        name: Its name on the command line and in records.
        title: Its name for people.
        description: What it asks, in a sentence.
        source: Where the rows are.
        beside: Tables to join, by the column that each row gets its partner in.
        transform: A function of :data:`evals.transforms.TRANSFORMS` that prepares a row.
        fields: Which column holds what.
        keep: The columns that the grader may see; all but question and answer without it.
        prompt: What is asked: ``{question}`` and any other column in braces; ``{{word}}`` stands for ``{word}``.
        system: A system message.
        examples: Turns to show before every question.
        answer: How to find an answer in a text and to compare two, as in an architecture.
        grader: Its kind, or one kind with its settings; :mod:`evals.graders` reads it.
        judge: The model that the grader asks, if it asks any.
        problems: How many there are as published, for tables.
        licence: Of the data, as its authors state it.
        homepage: Where the data is described.
        paper: Who made it.
        expert_dollars: What a human expert costs per problem, the bound of cost-of-pass (Erol et al. 2025).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+_-]*$")]
    title: str
    description: str = ""
    source: SourceField
    beside: dict[str, Beside] = {}
    transform: str | None = None
    fields: FieldNames = FieldNames()
    keep: tuple[str, ...] | None = None
    prompt: str = "{question}"
    system: str | None = None
    examples: tuple[Example, ...] = ()
    answer: AnswerField
    grader: str | dict[str, Any]
    judge: ModelField | None = None
    problems: Annotated[int | None, Field(ge=1)] = None
    licence: str = "unknown"
    homepage: str = ""
    paper: str = ""
    expert_dollars: Annotated[float | None, Field(gt=0)] = None

    @field_validator("transform")
    @classmethod
    def _known_transform(cls, transform: str | None) -> str | None:
        if transform is not None and transform not in TRANSFORMS:
            raise ValueError(unknown("transform", transform, TRANSFORMS))
        return transform

    @field_validator("grader", mode="before")
    @classmethod
    def _one_kind(cls, grader: Any) -> Any:
        if not isinstance(grader, str) and not (isinstance(grader, dict) and len(grader) == 1):
            raise ValueError("a grader is one kind, such as `math`, or one kind with its settings")
        return grader

    @property
    def grader_kind(self) -> str:
        """The kind of the grader, whatever its settings."""
        return self.grader if isinstance(self.grader, str) else next(iter(self.grader))


def load_card(path: Path) -> Card:
    """Read a card from a YAML file.

    Raises:
        ConfigError: It is missing or wrong; the message names file, line, path and the nearest valid name.
    """
    return parse_card(read_text(path), name=str(path))


def parse_card(text: str, *, name: str = "card") -> Card:
    """Read a card from YAML text; ``name`` stands for the file in errors."""
    document = load_yaml(text, name)
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{name}: a card is a mapping with the keys name, title, source, answer and grader.")
    data = interpolate(plain(document, document, name), document, name)
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        raise ConfigError(complaint(error, document, name, _known_keys, "a card")) from None


def _known_keys(path: Location) -> list[str]:
    """The valid keys at the place where an unknown one stood."""
    owner: type[BaseModel] = Card
    inner = path[:-1]
    if path[0] == "answer":
        formats: Mapping[str, type[AnswerFormat]] = {cls.kind: cls for cls in AnswerFormat.__subclasses__()}
        owner, inner = formats[str(path[1])], ()
    elif path[0] == "judge":
        owner, inner = ModelSpec, path[1:-1]
    return keys_within(owner, inner)
