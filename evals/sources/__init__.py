"""Where the rows of a benchmark come from: the hub, a file, an installed package, a generator."""

from __future__ import annotations

from evals.sources.base import Row, Source, SourceField, UnreachableError
from evals.sources.files import FileSource, PackageSource, read_rows
from evals.sources.generated import AdditionSource, GymSource
from evals.sources.hub import HubSource

__all__ = [
    "AdditionSource",
    "FileSource",
    "GymSource",
    "HubSource",
    "PackageSource",
    "Row",
    "Source",
    "SourceField",
    "UnreachableError",
    "read_rows",
]
