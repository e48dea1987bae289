"""What is known of the runs that a report is about, besides their records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Contender:
    """What ran under one name.

    Attributes:
        name: What records call it.
        description: In the words of its author.
        layers: The kinds of its techniques, layer by layer; empty where they are not known.
        models: For each role the model and the day of its price, ``None`` where it has none.
        without: The layer that was taken out of it, such as ``1.rank``; empty for a whole architecture.
        whole: The name of the architecture that it was taken out of.
    """

    name: str
    description: str = ""
    layers: tuple[tuple[str, ...], ...] = ()
    models: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    without: str = ""
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run directory.

    Attributes:
        name: Of the directory.
        started: When, with the offset from UTC.
        seed: Of its draws.
        repeats: How often each problem was asked.
        versions: Of the packages that matter.
    """

    name: str
    started: str = ""
    seed: int | None = None
    repeats: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a report says of its runs.

    Attributes:
        runs: The run directories.
        contenders: What ran, in the order in which tables show it; architectures that are missing here come last, by
            name.
        benchmarks: Names in the order in which they are shown; others come last, by name.
        price_date: The day of the latest price, ``None`` where nothing has one.
        experts: What a human expert costs per problem in US dollars, by benchmark, where its card says so.
    """

    runs: tuple[Run, ...] = ()
    contenders: tuple[Contender, ...] = ()
    benchmarks: tuple[str, ...] = ()
    price_date: str | None = None
    experts: Mapping[str, float] = field(default_factory=dict)

    def contender(self, name: str) -> Contender:
        """What is known of an architecture; no more than its name where nothing is."""
        return next((contender for contender in self.contenders if contender.name == name), Contender(name))
