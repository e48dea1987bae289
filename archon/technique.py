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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from archon.kinds import Configuration, Overrides, Registry
from archon.kinds import ModelRef as ModelRef
from archon.kinds import ModelRefs as ModelRefs

if TYPE_CHECKING:
    from archon.answers import AnswerFormat
    from archon.errors import ModelError
    from archon.models.base import Capabilities, Completion
    from archon.sandbox import Execution
    from archon.state import Message, State


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
        reads: How many candidates stand in the prompt: those that an earlier step of the technique made, or else
            those that reached it.
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
        extends: Whether the candidates it makes are those that reach it with all its words and replies after them.
        joins: Whether a candidate it makes is put together from one reply to each of its requests that make some.
    """

    asks: tuple[Ask, ...]
    candidates: int
    most_candidates: int | None = None
    keeps: bool = False
    extends: bool = False
    joins: bool = False

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

    def then(self, asks: tuple[Ask, ...] | None, candidates: int) -> Plan | None:
        """This plan and, after it, what is asked about the candidates it makes; ``None`` if that is not known.

        Args:
            asks: Those requests, their first step numbered 0.
            candidates: How many candidates are left in the end.
        """
        if asks is None:
            return None
        steps = 1 + max((ask.step for ask in self.asks), default=-1)
        return Plan((*self.asks, *(replace(ask, step=ask.step + steps) for ask in asks)), candidates)


class Programs(Protocol):
    """Where programs run that nobody has read, such as :class:`archon.sandbox.Sandbox`."""

    async def run(
        self,
        program: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        seconds: float | None = None,
    ) -> Execution:
        """Run one program to its end or to its limit.

        Args:
            program: Its source.
            stdin: What it reads from standard input.
            files: Texts to put beside it, by relative path; modules among them can be imported.
            arguments: Its command line.
            seconds: How long it may run, where that is shorter than the sandbox allows.

        Returns:
            What it did, whatever that was.

        Raises:
            SandboxError: No program can be run here.
            BudgetExhausted: The time of a budget ran out; only inside a technique.
        """
        ...


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

    @property
    def bounded(self) -> bool:
        """Whether a budget may end the spending; one answer is then worth more than having several sooner."""
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

    def capabilities(self, model: str) -> Capabilities:
        """What the endpoint behind a model reference of the technique supports."""
        ...

    @property
    def sandbox(self) -> Programs:
        """Where to run what a model wrote, and the only place to; the trace tells of every program."""
        ...

    def fork(self, label: str | int) -> Context:
        """A context for one concurrent branch, with samples and randomness of its own.

        Branches that run at the same time must each take a fork with a label of its own, so that nothing
        depends on which reply comes first.
        """
        ...

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Put an event of the technique's own into the trace.

        Args:
            kind: What happened, in a word that names none of the engine's own events.
            data: What there is to say, as JSON values.
        """
        ...


class Technique(Configuration, ABC):
    """A frozen, validated configuration with one method.

    Class attributes, besides those of every configuration:
        needs_candidates: Whether it works on candidates that an earlier layer made.
        makes: What it makes anew: ``candidates``, ``unit_tests`` or both.
    """

    kinds: ClassVar[Registry[Technique]] = Registry("technique")
    needs_candidates: ClassVar[bool] = True
    makes: ClassVar[frozenset[str]] = frozenset({"candidates"})

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


class Sampled(Technique, Overrides, ABC):
    """A technique that draws from a model and may override the model's own sampling settings."""


def techniques() -> dict[str, type[Technique]]:
    """Every technique there is, by kind, the entry points' included.

    Raises:
        ConfigError: No package provides any technique, or a user's module hides the built-in ones.
    """
    return Technique.kinds.all()


def technique(kind: str) -> type[Technique]:
    """The technique of that kind.

    Raises:
        ConfigError: There is none; the message names the nearest and lists what exists.
    """
    return Technique.kinds.get(kind)
