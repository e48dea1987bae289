"""Rows of a dataset on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Self

import httpx
from pydantic import BeforeValidator, Field

from archon.errors import ConfigError
from archon.suggest import unknown
from evals.sources.base import Row, Source, UnreachableError
from evals.sources.files import read_rows

PATIENCE = 3.0
"""Seconds after which the hub counts as out of reach."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One name or several."""


class HubSource(Source, kind="hub"):
    """A dataset on the hub, read through ``datasets``: from its cache where the hub is out of reach.

    Where several configurations or splits are named, their rows follow one another, and the columns ``config`` and
    ``split`` say where a row is from, unless the dataset has columns of these names.

    Attributes:
        id: Such as ``openai/gsm8k``.
        config: One configuration, or several; each of several can be asked for alone, as in ``bbh/navigate``.
        split: One split, or several.
        revision: The commit, branch or tag; the newest without it.
        files: The files to read, for datasets that ``datasets`` cannot read because they are no more than files, or are
            accompanied by a program; configuration and split then mean nothing.
    """

    id: Annotated[str, Field(min_length=1)]
    config: Names = ()
    split: Annotated[Names, Field(min_length=1)] = ("test",)
    revision: str | None = None
    files: Names = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The configurations, if there are several."""
        return self.config if len(self.config) > 1 else ()

    def with_part(self, part: str) -> Self:
        """The same dataset, one configuration of it."""
        if part not in self.parts:
            raise ConfigError(unknown(f"part of {self.id}", part, self.parts))
        return self.model_copy(update={"config": (part,)})

    def rows(self, *, seed: int, folder: Path) -> Iterator[Row]:
        """The rows of every configuration and split, in the order in which the card names them."""
        try:
            import datasets
            import huggingface_hub
        except ImportError:
            raise ConfigError(
                f"the hub dataset {self.id} needs datasets: pip install 'archon-inference[evals]'."
            ) from None
        if self.files:
            for name in self.files:
                yield from read_rows(Path(self._fetched(datasets, huggingface_hub.hf_hub_download, name)))
            return
        for config in self.config or (None,):
            for split in self.split:
                named = {"config": config, "split": split}
                added = {key: named[key] for key in ("config", "split") if len(getattr(self, key)) > 1}
                where = " ".join(name for name in (self.id, config, split) if name)
                rows = self._fetched(datasets, datasets.load_dataset, config, split=split)
                for number, values in enumerate(rows, start=1):
                    yield Row(f"{where} (row {number})", {**added, **values})

    def _fetched(self, datasets: Any, fetch: Callable[..., Any], what: str | None, **more: Any) -> Any:
        """What a function of the hub's libraries fetches.

        Raises:
            UnreachableError: It cannot be had, for whatever reason.
        """
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        reached = _reachable(endpoint)
        if self.files:
            more["repo_type"] = "dataset"
        try:
            with _offline(datasets, not reached):
                return fetch(self.id, what, revision=self.revision, **more)
        except Exception as error:
            reason = " ".join(str(error).split()).rstrip(".")
            if not reached:
                reason = f"{endpoint} is out of reach and nothing of it is in the cache"
            raise UnreachableError(f"the hub dataset {self.id} cannot be read: {reason}") from None


def _reachable(endpoint: str) -> bool:
    """Whether the hub answers at all; ``datasets`` itself would try for half a minute."""
    try:
        httpx.head(endpoint, timeout=PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return True


@contextmanager
def _offline(datasets: Any, really: bool) -> Iterator[None]:
    """Keep ``datasets`` to its cache; it and the library below it read ``HF_HUB_OFFLINE`` only when imported."""
    from huggingface_hub import constants

    places: tuple[Any, ...] = (datasets.config, constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = really or place.HF_HUB_OFFLINE
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value
