"""What a search is about, in a form that a run directory keeps and another machine can read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from archon.errors import ConfigError
from evals.benchmark import load_benchmark
from evals.contest import ProblemSet
from evals.split import SPLITS, HashSplit, Split
from search.guard import Ladder, Mechanism, Thresholdout
from search.space import Space
from search.spec import StudySpec

JOB = "archon"
"""The attribute of an Optuna study under which its job is."""
FORMAT = 1
# Another version of either may propose, count or store otherwise.
PACKAGES = ("archon-inference", "optuna")


def versions() -> dict[str, str]:
    """The versions that have to agree between all who work on one study."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


class Job(BaseModel):
    """A search.

    Attributes:
        name: What the study is called.
        space: The text of the search space.
        source: The file it came from, for messages.
        spec: The settings of the study.
        benchmark: The benchmark's name, or the file of its card.
        data: Files of rows by the benchmark whose rows they hold.
        judge: The model that graders ask, in place of the card's.
        limit: So many of the benchmark's problems are taken, of all splits together.
        split: The weights of search, guard and seal; see :class:`evals.split.HashSplit`.
        digest: Stands for all problems, which part each belongs to, and the benchmark's card.
        architectures: Stands for what the space builds, which variables of the environment may decide.
        mechanism: How the guard answers.
        versions: See :func:`versions`.
        format: Of this record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    space: str
    source: str
    spec: StudySpec
    benchmark: str
    data: Mapping[str, str] = {}
    judge: str | None = None
    limit: int | None = None
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)
    digest: str = ""
    architectures: str = ""
    mechanism: Literal["ladder", "thresholdout"] = "ladder"
    versions: Mapping[str, str]
    format: int = FORMAT

    @classmethod
    def read(cls, data: Any, where: str) -> Self:
        """The inverse of ``model_dump``.

        Raises:
            ConfigError: It is not the record of a search, or one of other versions.
        """
        if not isinstance(data, Mapping) or "versions" not in data:
            raise ConfigError(f"{where}: this is not a study of archon search; name one that it began.")
        own = {**versions(), "format": FORMAT}
        for name, theirs in {**data["versions"], "format": data.get("format")}.items():
            if own.get(name) != theirs:
                raise ConfigError(
                    f"{where}: this study was begun with {name} {theirs}, and here is {own.get(name)}; install that "
                    "version, or begin a new study."
                )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"{where}: the study cannot be read: {error.errors()[0]['msg']}.") from None

    def open_space(self) -> Space:
        """The search space."""
        return Space.parse(self.space, name=self.source)

    def check_space(self, architectures: str, where: str) -> None:
        """Compare what the space builds here with what it built where the search began.

        Raises:
            ConfigError: It differs.
        """
        if architectures != self.architectures:
            raise ConfigError(
                f"{where}: the search space builds other architectures here than where the search began; set the "
                "variables that it names as ${...} to the same values."
            )

    def divide(self) -> Divided:
        """Read the benchmark's problems and divide them.

        Raises:
            ConfigError: The benchmark cannot be read, or has no problem to search with.
        """
        benchmark = load_benchmark(self.benchmark, {name: Path(file) for name, file in self.data.items()})
        problems = benchmark.problems(self.limit, None, self.spec.seed)
        divided = HashSplit(benchmark.card.name, *self.split).divide(problems)
        if not divided["search"]:
            raise ConfigError(f"{benchmark.name}: none of its {len(problems)} problems is for the search; take more.")
        try:
            sets = {split: ProblemSet.of(benchmark, divided[split], self.judge) for split in SPLITS}
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ConfigError(f"--judge {self.judge}: {message}.") from None
        return Divided(**sets)

    @staticmethod
    def parse_split(text: str) -> tuple[float, float, float]:
        """Weights from a text such as ``60,20,20``.

        Raises:
            ConfigError: They are not three numbers from 0 on, the first above 0.
        """
        try:
            search, guard, sealed = (float(part) for part in text.split(","))
            HashSplit("", search, guard, sealed)
        except (ValueError, ConfigError):
            search = guard = sealed = 0.0
        if not search:
            raise ConfigError(
                f"--split {text}: write the weights of search, guard and seal as three numbers, such as 60,20,20; "
                "the search needs problems."
            )
        return search, guard, sealed

    def make_mechanism(self) -> Mechanism:
        """How the guard answers."""
        return Thresholdout() if self.mechanism == "thresholdout" else Ladder()


@dataclass(frozen=True)
class Divided:
    """The problems of a benchmark by what they are for; see :mod:`evals.split`."""

    search: ProblemSet
    guard: ProblemSet
    sealed: ProblemSet

    def parts(self) -> Iterator[tuple[Split, ProblemSet]]:
        """The splits with their problems."""
        yield from (("search", self.search), ("guard", self.guard), ("sealed", self.sealed))

    @property
    def digest(self) -> str:
        """Other problems, another division or another card is another digest."""
        hashed = hashlib.blake2b(self.search.card.encode(), digest_size=16)
        for split, part in self.parts():
            hashed.update(f"\0{split}".encode())
            for problem in part.problems:
                said = "\0".join(message.content for message in problem.messages)
                hashed.update(f"\0{problem.id}\0{said}\0{problem.reference}".encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()
