"""What every source of rows is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, PlainSerializer, SerializeAsAny

from archon.errors import ConfigError
from archon.kinds import Configuration, Registry, kind_to_data


class UnreachableError(ConfigError):
    """Rows are somewhere else and cannot be had from here; a local copy of them would do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was published.

    Attributes:
        place: Where it stands, for messages, such as ``mine.jsonl:3``.
        values: Its columns.
    """

    place: str
    values: Mapping[str, Any]


class Source(Configuration, ABC):
    """Gives the rows of a benchmark, written in a card as ``source: {kind: settings}``.

    Class attributes:
        endless: Whether it makes as many rows as one likes, none more special than another;
            :attr:`known_size` is then only how many one gets without asking.
    """

    kinds: ClassVar[Registry[Source]] = Registry("source")
    endless: ClassVar[bool] = False

    @abstractmethod
    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """The rows, always in the same order.

        Args:
            seed: Decides what a generator makes; published rows do not depend on it.
            folder: The card's, from which relative paths are meant.

        Raises:
            ConfigError: They cannot be had; the message says what to do.
        """

    @property
    def known_size(self) -> int | None:
        """How many rows there are, if that is known without reading them."""
        return None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of what one may ask for alone, as in ``bbh/navigate``."""
        return ()

    @property
    def needs_part(self) -> bool:
        """Whether there are no rows until a part is named."""
        return False

    def with_part(self, part: str) -> Self:
        """The same source, narrowed to one of its parts.

        Raises:
            ConfigError: It has no parts; a kind that has some also raises for an unknown one.
        """
        raise ConfigError(f"there is no part '{part}': this benchmark has none.")


def _parse(value: Any) -> Source:
    return Source.kinds.parse(value, "a source is one kind with its settings, such as `file: {path: mine.jsonl}`")


SourceField = Annotated[SerializeAsAny[Source], BeforeValidator(_parse), PlainSerializer(kind_to_data)]
"""A field of a card that holds a source."""
