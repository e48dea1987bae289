"""Benchmarks: cards by name or by file, and their rows as problems.

::

    benchmark = load_benchmark("gsm8k")
    for problem in benchmark.problems(limit=100, split="search"):
        ...
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archon.answers import AnswerFormat
from archon.errors import ConfigError
from archon.models.spec import ModelSpec
from archon.suggest import unknown
from evals.card import Card, load_card
from evals.graders.base import Grader, Problem
from evals.problems import NamedRow, column, named, problem_of, sampled, text_of
from evals.sources import Row, Source, UnreachableError, read_rows
from evals.split import HashSplit, Split

__all__ = ["Benchmark", "cards_dir", "list_benchmarks", "load_benchmark", "parse_data"]

DATA_VARIABLE = "ARCHON_DATA"
ENDINGS = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".json.gz", ".csv.gz")
PASSED_OVER = 100
"""How many rows of an endless source are looked at for each problem that is wanted, at most."""

Data = Mapping[str, Path]
"""Files of rows by the name of the benchmark whose rows they hold, in place of its card's source."""


@dataclass(frozen=True)
class Benchmark:
    """A card with the part of it that is meant, and where its rows are if not where the card says.

    Attributes:
        card: What the card says.
        path: The card's file.
        part: The part that was asked for, such as ``navigate`` of ``bbh/navigate``.
        data: Files of rows that take the place of sources.
    """

    card: Card
    path: Path
    part: str | None = None
    data: Data = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, such as ``gsm8k`` or ``bbh/navigate``."""
        return f"{self.card.name}/{self.part}" if self.part else self.card.name

    @property
    def answer(self) -> AnswerFormat:
        """How answers are found and compared."""
        return self.card.answer

    @property
    def judge(self) -> ModelSpec | None:
        """The model that the grader asks, if it asks any."""
        return self.card.judge

    @property
    def expert_dollars(self) -> float | None:
        """What a human expert costs per problem, if that is known."""
        return self.card.expert_dollars

    @cached_property
    def source(self) -> Source:
        """Where the card says that the rows are.

        Raises:
            ConfigError: There is no such part, or the benchmark needs one.
        """
        source = self.card.source
        if self.part is not None:
            return source.with_part(self.part)
        if source.needs_part:
            raise ConfigError(f"say which part, as in {self.name}/{source.parts[0]}. Known: {', '.join(source.parts)}.")
        return source

    @property
    def local(self) -> Path | None:
        """The file that takes the place of the card's source, if there is one."""
        return self._file(self.name)

    def grader(self) -> Grader:
        """The grader that the card names.

        Raises:
            ConfigError: There is no such grader, or its settings are wrong.
        """
        from evals.graders import parse_grader

        try:
            return parse_grader(self.card.grader)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(("grader", *map(str, first["loc"])))
            raise ConfigError(f"{self.path}: {where}: {str(first['msg']).removeprefix('Value error, ')}") from None
        except (ValueError, ConfigError) as error:
            raise ConfigError(f"{self.path}: grader: {error}") from None

    def problems(
        self,
        limit: int | None = None,
        split: Split | None = None,
        seed: int = 0,
        *,
        rows: Path | str | Iterable[Mapping[str, Any]] | None = None,
        splits: HashSplit | None = None,
    ) -> list[Problem]:
        """The problems, in the order of the source.

        Args:
            limit: At most so many: a sample that the seed decides, and the sample of a smaller limit is part of that of
                a larger one. Of what a generator makes, the first ones.
            split: Only those that are assigned to it.
            seed: Decides samples, the order of options where a card shuffles them, and what generators make.
            rows: Rows in the published format, or a file of them, in place of the source.
            splits: How problems are assigned; by default alike for all benchmarks, so that what stands in two of them
                is in the same split of both.

        Raises:
            ConfigError: There are no rows, or one is not as the card says; the message names it.
        """
        if limit is not None and limit < 1:
            raise ConfigError(f"{self.name}: a limit is 1 or more, not {limit}.")
        splits = splits or HashSplit()
        if split is not None and not splits.share(split):
            raise ConfigError(f"{self.name}: no problem is assigned to '{split}', whose weight is 0.")
        found: list[tuple[int, Problem]] = []
        try:
            for row in self._candidates(limit, seed, rows):
                problem = problem_of(self.card, row, seed)
                if problem is not None and (split is None or splits.of(problem) == split):
                    found.append((row.position, problem))
                if len(found) == limit:
                    break
        except UnreachableError as error:
            raise ConfigError(f"{self.name}: {error}; {_remedy(self.name)}") from None
        except ConfigError as error:
            raise ConfigError(f"{self.name}: {error}") from None
        if not found:
            assigned = f" that are assigned to '{split}'" if split else ""
            raise ConfigError(f"{self.name}: there are no problems{assigned}.")
        return [problem for _, problem in sorted(found, key=lambda pair: pair[0])]

    def _candidates(
        self, limit: int | None, seed: int, given: Path | str | Iterable[Mapping[str, Any]] | None
    ) -> Iterable[NamedRow]:
        """The rows in the order in which they are to be taken."""
        own = self._own_rows(given)
        if own is None and self.source.endless:
            made = named(self.card, self.source.rows(seed=seed, folder=self.path.parent))
            return islice(made, self.source.known_size if limit is None else 1000 + PASSED_OVER * limit)
        rows = self.source.rows(seed=seed, folder=self.path.parent) if own is None else own
        return sampled(named(self.card, self._joined(rows)), limit, seed)

    def _own_rows(self, given: Path | str | Iterable[Mapping[str, Any]] | None) -> Iterator[Row] | None:
        """The rows that take the place of the source's, if there are any."""
        given = self.local if given is None else given
        if given is None:
            return None
        if isinstance(given, Path | str):
            return read_rows(Path(given))
        return (Row(f"row {number}", values) for number, values in enumerate(given, start=1))

    def _joined(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Every row with its partners from the tables beside, unless it brings them along."""
        tables: dict[str, dict[str, Mapping[str, Any]]] = {}
        for row in rows:
            values = dict(row.values)
            for name, beside in self.card.beside.items():
                if name in values:
                    continue
                if name not in tables:
                    found = self._table(name)
                    tables[name] = {text_of(column(other, beside.key)): other.values for other in found}
                key = text_of(column(row, beside.key))
                if key not in tables[name]:
                    raise ConfigError(f"{row.place}: there is no {name} whose {beside.key} is {key}.")
                values[name] = tables[name][key]
            yield Row(row.place, values)

    def _table(self, name: str) -> Iterator[Row]:
        if (path := self._file(f"{self.name}.{name}")) is not None:
            yield from read_rows(path)
            return
        try:
            yield from self.card.beside[name].source.rows(seed=0, folder=self.path.parent)
        except UnreachableError as error:
            raise ConfigError(f"{error}; {_remedy(f'{self.name}.{name}')}") from None

    def _file(self, name: str) -> Path | None:
        """The local file of that name: one that was named, else one in the folder of data."""
        if name in self.data:
            return self.data[name]
        folder = os.environ.get(DATA_VARIABLE)
        paths = (Path(folder).expanduser() / f"{name}{ending}" for ending in ENDINGS) if folder else ()
        return next((path for path in paths if path.is_file()), None)


def load_benchmark(name_or_path: str | Path, data: Data | None = None) -> Benchmark:
    """A benchmark by its name, such as ``gsm8k`` or ``bbh/navigate``, or by the file of its card.

    Args:
        name_or_path: A name of :func:`list_benchmarks`, or a path that ends in ``.yaml`` or ``.yml``.
        data: Files of rows that take the place of sources, by name; the folder ``$ARCHON_DATA`` is looked into too.

    Raises:
        ConfigError: There is no such benchmark, or its card is wrong.
    """
    text = str(name_or_path)
    if Path(text).suffix.lower() in (".yaml", ".yml"):
        return Benchmark(load_card(Path(text)), Path(text), data=data or {})
    name, _, part = text.partition("/")
    paths = _cards()
    if name not in paths:
        raise ConfigError(f"{unknown('benchmark', name, paths)} A card of your own is named by its file, with .yaml.")
    return Benchmark(load_card(paths[name]), paths[name], part or None, data or {})


def list_benchmarks(data: Data | None = None) -> list[Benchmark]:
    """All benchmarks that come with Archon, by name."""
    return [Benchmark(load_card(path), path, data=data or {}) for _, path in sorted(_cards().items())]


def parse_data(assignments: Iterable[str]) -> dict[str, Path]:
    """Files of rows from assignments such as ``gsm8k=mine.jsonl``.

    Raises:
        ConfigError: One is no assignment, or its file is missing.
    """
    data: dict[str, Path] = {}
    for assignment in assignments:
        name, _, path = assignment.partition("=")
        if not name or not path:
            raise ConfigError(f"--data {assignment}: write it as NAME=FILE, such as gsm8k=gsm8k.jsonl.")
        data[name] = Path(path).expanduser()
        if not data[name].is_file():
            raise ConfigError(f"--data {assignment}: there is no such file.")
    return data


def _remedy(name: str) -> str:
    """What to do where rows are out of reach."""
    return (
        f"fetch it where that works and name the file with --data {name}=FILE, or put it into the folder "
        f"{DATA_VARIABLE} as {name}.jsonl (or .json, .csv, .parquet)."
    )


def cards_dir() -> Path:
    """Where the cards are: inside the package when it is installed, among the configurations in a checkout."""
    home = Path(__file__).resolve().parent
    installed = home / "cards"
    return installed if installed.is_dir() else home.parent / "configs" / "benchmarks"


def _cards() -> dict[str, Path]:
    paths = {path.stem: path for path in cards_dir().glob("*.yaml")}
    if not paths:
        raise ConfigError(f"{cards_dir()}: there are no benchmark cards; install Archon again.")
    return paths
