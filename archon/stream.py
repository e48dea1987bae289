"""What :meth:`archon.engine.Engine.stream` yields while it answers one task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from archon.models.base import Completion
from archon.result import Result
from archon.state import Candidate


@dataclass(frozen=True, slots=True)
class LayerStarted:
    """A technique begins.

    Attributes:
        layer: Its path, such as ``1.rank``.
        technique: Its kind.
    """

    layer: str
    technique: str


@dataclass(frozen=True, slots=True)
class Token:
    """A draw goes on.

    Attributes:
        layer: The path of the technique that draws.
        draw: Which draw, counted from 0 within the task.
        model: The model's reference.
        text: What it wrote since the last token of this draw; often a token, sometimes several.
    """

    layer: str
    draw: int
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """What came of a draw so far is void: the reply broke off and is drawn again."""

    layer: str
    draw: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A draw is complete: the tokens since its last restart make up its text."""

    layer: str
    draw: int
    model: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class LayerFinished:
    """A technique is done; the first of its candidates is the best answer so far.

    Attributes:
        layer: Its path.
        technique: Its kind.
        candidates: What it leaves.
    """

    layer: str
    technique: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: what became of the task."""

    result: Result


StreamEvent = LayerStarted | Token | Restarted | Sampled | LayerFinished | Finished


class Heard:
    """Turns what one request is heard to say into events.

    Args:
        tell: Takes the events.
        layer: The path of the technique that draws.
        model: The model's reference.
        draws: The number of every draw by its sample index.
    """

    def __init__(self, tell: Callable[[StreamEvent], None], layer: str, model: str, draws: dict[int, int]) -> None:
        self._tell = tell
        self._layer = layer
        self._model = model
        self._draws = draws
        self._texts = dict.fromkeys(draws, "")

    def token(self, index: int, text: str) -> None:
        """Pass on one more piece."""
        self._texts[index] += text
        self._tell(Token(self._layer, self._draws[index], self._model, text))

    def restarted(self) -> None:
        """Withdraw what was passed on."""
        for index in self._texts:
            self._withdraw(index)

    def finished(self, completions: Iterator[tuple[int, Completion]]) -> None:
        """Tell what is still missing of the final texts, which may never have been streamed at all."""
        for index, completion in completions:
            if not completion.text.startswith(self._texts[index]):
                self._withdraw(index)
            rest = completion.text[len(self._texts[index]) :]
            if rest:
                self.token(index, rest)
            self._tell(Sampled(self._layer, self._draws[index], self._model, completion))

    def _withdraw(self, index: int) -> None:
        if self._texts[index]:
            self._texts[index] = ""
            self._tell(Restarted(self._layer, self._draws[index]))
