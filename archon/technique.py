"""The one abstraction: a technique is a frozen, validated configuration with one method.

A new technique is a class in a file of its own::

    class Shorten(Technique, kind="shorten"):
        '''Ask for a shorter version of every candidate.'''

        model: ModelRef

        async def __call__(self, state: State, context: Context) -> State: ...

It becomes available in YAML, in ``archon techniques`` and in the JSON Schema as soon as its package is named in
the entry-point group ``archon.techniques``; the built-in set uses the same door.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from archon.errors import ConfigError
from archon.knobs import FloatKnob
from archon.siblings import check_siblings
from archon.suggest import unknown

if TYPE_CHECKING:
    from archon.answers import AnswerFormat
    from archon.errors import ModelError
    from archon.models.base import Completion
    from archon.state import Message, State

ENTRY_POINT_GROUP = "archon.techniques"


@dataclass(frozen=True, slots=True)
class ModelRole:
    """Marks a field that names a model of the architecture."""


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


@dataclass(frozen=True, slots=True)
class Ask:
    """Equal requests that a technique makes on one task.

    Attributes:
        model: The reference of the model.
        requests: How many conversations are expected.
        most: How many there may be; as many as expected if not given.
        draws: Completions of each.
        step: Which of the technique's rounds, from 0; what belongs to one round is asked at the same time.
        words: What the technique itself says in the prompt, besides the caller's conversation.
        reads: How many candidates stand in the prompt.
        remarks: Whether the remarks on them stand there too.
        replies: How many replies to the technique's earlier steps stand there, where it does not go on.
        times: How often the question stands there, where it does not go on.
        goes_on: Whether the prompt is that of the step before and its reply, with ``words`` after it.
        max_tokens: The most tokens of one completion, where the technique decides that.
        makes: What becomes of the replies: new candidates, remarks on those there are, or neither.
    """

    model: str
    requests: int = 1
    most: int | None = None
    draws: int = 1
    step: int = 0
    words: str = ""
    reads: int = 0
    remarks: bool = True
    replies: int = 0
    times: int = 1
    goes_on: bool = False
    max_tokens: int | None = None
    makes: Literal["candidates", "remarks", "nothing"] = "nothing"

    @property
    def bound(self) -> int:
        """How many conversations there may be."""
        return self.requests if self.most is None else self.most


@dataclass(frozen=True, slots=True)
class Plan:
    """What a technique does with a number of candidates, as expected and at most.

    Attributes:
        asks: Its requests, earlier steps first.
        candidates: How many candidates it is expected to leave.
        most_candidates: How many it may leave; as many as expected if not given.
        keeps: Whether candidates that reach it may be left although it makes new ones.
    """

    asks: tuple[Ask, ...]
    candidates: int
    most_candidates: int | None = None
    keeps: bool = False

    @property
    def samples(self) -> int:
        """Completions that are expected."""
        return sum(ask.requests * ask.draws for ask in self.asks)

    @property
    def most_samples(self) -> int:
        """Completions that there may be."""
        return sum(ask.bound * ask.draws for ask in self.asks)

    @property
    def bound(self) -> int:
        """How many candidates it may leave."""
        return self.candidates if self.most_candidates is None else self.most_candidates


class Context(Protocol):
    """What a technique may use while it runs, and the only way for it to spend."""

    @property
    def rng(self) -> random.Random:
        """Randomness that depends on the seed, the task and the technique's place, never on timing."""
        ...

    @property
    def answers(self) -> AnswerFormat:
        """How this architecture extracts and compares final answers."""
        ...

    @property
    def layer(self) -> str:
        """The path of the layer, such as ``1.rank``; it names the layer in origins and failures."""
        ...

    async def sample(self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any) -> list[Completion]:
        """Draw ``n`` independent completions; all of them or the first error.

        Args:
            model: A model reference of the technique.
            messages: The conversation; if it ends with an assistant message, that message is continued and the
                completions hold the continuation alone.
            n: How many.
            **sampling: Fields of :class:`archon.models.base.Sampling` that differ from the model's own settings;
                ``None`` leaves a setting as it is.

        Raises:
            ModelError: A draw failed for good, after the retries that could help.
        """
        ...

    async def attempt(
        self, model: str, messages: Sequence[Message], *, n: int = 1, **sampling: Any
    ) -> list[Completion | ModelError]:
        """Like :meth:`sample`, but a draw that failed is returned as its error, at its place."""
        ...

    def fork(self, label: str | int) -> Context:
        """A context for one concurrent branch, with samples and randomness of its own.

        Branches that run at the same time must each take a fork with a label of its own, so that nothing
        depends on which reply comes first.
        """
        ...


class Technique(BaseModel, ABC):
    """A frozen, validated configuration with one method.

    Class attributes:
        kind: The technique's name in YAML.
        needs_candidates: Whether it works on candidates that an earlier layer made.
        calls: How many completions it asks for, as a formula for people.
        needs_unit_tests: Whether it works on unit tests that an earlier layer made.
        makes: What it makes anew: ``candidates``, ``unit_tests`` or both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""
    needs_candidates: ClassVar[bool] = True
    calls: ClassVar[str] = ""
    needs_unit_tests: ClassVar[bool] = False
    makes: ClassVar[frozenset[str]] = frozenset({"candidates"})

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            registered = _registry.setdefault(kind, cls)
            if (registered.__module__, registered.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ConfigError(
                    f"Two techniques are called '{kind}': {registered.__module__}.{registered.__qualname__} and "
                    f"{cls.__module__}.{cls.__qualname__}; rename one of them."
                )
            _registry[kind] = cls
            cls.kind = kind

    @abstractmethod
    async def __call__(self, state: State, context: Context) -> State:
        """Turn one state into the next.

        Raises:
            ModelError: A call that the technique cannot do without failed for good.
        """

    def degrade(self, state: State) -> State:
        """What is left to do when a budget does not bear the technique; by default, pass on what there is."""
        return state

    def plan(self, candidates: int) -> Plan | None:
        """What the technique does when ``candidates`` candidates reach it; ``None`` if it cannot say.

        A pure function. More candidates never lower its bounds, so that the bounds of one layer give those of the
        next.
        """
        return None

    def model_refs(self) -> Iterator[tuple[str, str]]:
        """Every model the technique names, as (field path, reference)."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            named = ModelRole() in info.metadata or name in self._model_lists()
            if named and isinstance(value, str):
                yield name, value
            elif named and value is not None:
                yield from ((f"{name}.{i}", ref) for i, ref in enumerate(value))

    @classmethod
    def _model_lists(cls) -> frozenset[str]:
        """Fields that may hold several model references, or none."""
        return frozenset(
            name
            for name, info in cls.model_fields.items()
            if any(isinstance(item, ModelRole) for arg in _arguments(info.annotation) for item in arg)
        )


def _arguments(annotation: Any) -> Iterator[tuple[Any, ...]]:
    """The metadata of every ``Annotated`` inside an annotation such as ``tuple[ModelRef, ...]``."""
    for argument in getattr(annotation, "__args__", ()):
        if hasattr(argument, "__metadata__"):
            yield argument.__metadata__
        yield from _arguments(argument)


class Sampled(Technique, ABC):
    """A technique that draws from a model and may override the model's own sampling settings."""

    temperature: Annotated[float | None, Field(ge=0, le=2), FloatKnob(0.0, 1.5)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings to pass on to :meth:`Context.sample`."""
        return {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}


_registry: dict[str, type[Technique]] = {}


def techniques() -> dict[str, type[Technique]]:
    """Every technique there is, by kind, the entry points' included.

    Raises:
        ConfigError: No package provides any technique, or a user's module hides the built-in ones.
    """
    check_siblings()
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        entry.load()
    if not _registry:
        raise ConfigError(
            "No techniques are installed: install Archon itself, for example with `pip install -e .` in its checkout."
        )
    return dict(sorted(_registry.items()))


def technique(kind: str) -> type[Technique]:
    """The technique of that kind.

    Raises:
        ConfigError: There is none; the message names the nearest and lists what exists.
    """
    if (found := _registry.get(kind)) is not None:
        return found
    known = techniques()
    if kind not in known:
        raise ConfigError(unknown("technique", kind, known))
    return known[kind]
