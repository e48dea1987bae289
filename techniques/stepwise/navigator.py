"""Navigators: what chooses the next logic block, and the file in which a learned one is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationError,
    WithJsonSchema,
)

from archon.kinds import Configuration, Registry, kind_to_data
from techniques.stepwise.blocks import ASPECTS, BLOCKS, Block, Scores, Situation

if TYPE_CHECKING:
    from techniques.stepwise.dueling import Layer, Network


class Navigator(Configuration, ABC):
    """Chooses the next logic block.

    Class attributes:
        reads_scores: Whether it looks at the scores; nobody asks for them otherwise.
    """

    kinds: ClassVar[Registry[Navigator]] = Registry("navigator")
    reads_scores: ClassVar[bool] = True

    @abstractmethod
    def choose(self, situation: Situation) -> Block:
        """One of the blocks that the situation allows; a pure function."""


class Fixed(Navigator, kind="fixed"):
    """The same blocks for every question.

    Where a block makes no sense, as refining does first of all, one step is taken instead; after the last block the
    answer is written.

    Source: the hand-made structures that Hao et al. 2025 (arXiv:2505.14140) compare with.
    """

    reads_scores: ClassVar[bool] = False

    blocks: Annotated[tuple[Block, ...], Field(min_length=1)] = ("decompose", "reason", "refine")

    def choose(self, situation: Situation) -> Block:
        """The block whose turn it is."""
        turn = len(situation.done)
        wanted = self.blocks[turn] if turn < len(self.blocks) else "terminate"
        return wanted if wanted in situation.allowed else situation.allowed[0]


class Heuristic(Navigator, kind="heuristic"):
    """A rule over the scores, for who has nothing to learn from yet.

    What was misunderstood or miscalculated is refined, once in a row; reasoning that is close to the answer is brought
    to its end; a hard rest is decomposed, once; ways that compete are debated, once; otherwise the next step is taken.

    Source: this framework; the paper has no such rule.
    """

    def choose(self, situation: Situation) -> Block:
        """The first block of the rule that the situation allows."""
        score = dict(zip(ASPECTS, situation.scores, strict=True))
        done = situation.done
        wrong = 1 in (score["modeling"], score["calculation"])
        rule: tuple[tuple[Block, bool], ...] = (
            ("refine", wrong and done[-1:] != ("refine",)),
            ("terminate", score["closeness"] == 3 and score["coverage"] > 1),
            ("decompose", score["simplicity"] == 1 and "decompose" not in done),
            ("debate", score["agreement"] == 1 and "debate" not in done),
            ("reason", True),
        )
        wanted = (block for block, condition in rule if condition and block in situation.allowed)
        return next(wanted, situation.allowed[0])


def _readable(file: Path) -> Path:
    load_network(file)
    return file


class Learned(Navigator, kind="learned"):
    """The block of the highest value under a network that learned from recorded episodes.

    ``python -m techniques.stepwise.train_navigator`` makes its file. A relative path starts from where the command
    runs.

    Source: Hao et al. 2025 (RL-of-Thoughts, arXiv:2505.14140).
    """

    file: Annotated[Path, AfterValidator(_readable)]

    @cached_property
    def _network(self) -> Network:
        return load_network(self.file)

    def choose(self, situation: Situation) -> Block:
        """The allowed block of the highest value, the first of equals."""
        values = self._network.values(inputs([situation.scores]))[0]
        worth = {block: float(value) for block, value in zip(BLOCKS, values, strict=True)}
        return max(situation.allowed, key=worth.__getitem__)


def parse_navigator(value: Any) -> Navigator:
    """A navigator from ``{kind: settings}``, from a bare ``kind``, or from itself.

    Raises:
        ValidationError: It is neither, or its settings are wrong; locations start with the kind.
    """
    return Navigator.kinds.parse(value, "a navigator is one kind with its settings, such as `learned: {file: n.json}`")


NavigatorField = Annotated[
    SerializeAsAny[Navigator],
    BeforeValidator(parse_navigator),
    PlainSerializer(kind_to_data),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}),
]
"""A navigator among a technique's settings."""


def inputs(scores: list[Scores]) -> Any:
    """Scores as a network sees them: an array of shape (states, aspects) with -1 for 1, 0 for 2 and 1 for 3."""
    # Loading numpy takes longer than everything else in a command that navigates nothing.
    import numpy as np

    return np.array(scores, dtype=np.float64).reshape(len(scores), len(ASPECTS)) - 2.0


class _LayerFile(BaseModel):
    """A layer as it is written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Annotated[tuple[Annotated[tuple[float, ...], Field(min_length=1)], ...], Field(min_length=1)]
    biases: tuple[float, ...]

    @classmethod
    def of(cls, layer: Layer) -> _LayerFile:
        weights, biases = layer
        return cls.model_validate({"weights": weights.tolist(), "biases": biases.tolist()})

    def layer(self) -> Layer:
        import numpy as np

        return np.array(self.weights, dtype=np.float64), np.array(self.biases, dtype=np.float64)


class _NetworkFile(BaseModel):
    """A network as it is written down, with what its inputs and outputs mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["archon navigator 1"]
    aspects: tuple[str, ...]
    blocks: tuple[str, ...]
    hidden: tuple[_LayerFile, ...]
    value: _LayerFile
    advantage: _LayerFile


def save_network(network: Network, file: Path) -> None:
    """Write a network to a JSON file, to the last bit of every number."""
    data = _NetworkFile(
        format="archon navigator 1",
        aspects=tuple(ASPECTS),
        blocks=BLOCKS,
        hidden=tuple(map(_LayerFile.of, network.hidden)),
        value=_LayerFile.of(network.value),
        advantage=_LayerFile.of(network.advantage),
    )
    file.write_text(data.model_dump_json() + "\n", encoding="utf-8")


def load_network(file: Path) -> Network:
    """Read what :func:`save_network` wrote.

    Raises:
        ValueError: The file cannot be read, holds something else, or its network is for other aspects or blocks.
    """
    from techniques.stepwise.dueling import Network

    try:
        data = _NetworkFile.model_validate_json(file.read_bytes())
        if data.aspects != tuple(ASPECTS) or data.blocks != BLOCKS:
            raise ValueError("it was trained for other aspects or blocks")
        network = Network(tuple(layer.layer() for layer in data.hidden), data.value.layer(), data.advantage.layer())
        if network.shape != (len(ASPECTS), len(BLOCKS)):
            raise ValueError(f"it has {network.shape[0]} inputs and {network.shape[1]} actions")
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{file} holds no navigator: {place}: {first['msg']}") from error
    except ValueError as error:
        raise ValueError(f"{file} holds no navigator: {error}") from error
    return network
