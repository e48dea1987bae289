"""Where Archon keeps what it may make again: weights, probes, samples."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir() -> Path:
    """``$ARCHON_CACHE``, or the ``archon`` folder of the user's cache (XDG on Linux)."""
    chosen = os.environ.get("ARCHON_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("archon", appauthor=False)


def default_store() -> Path:
    """The sample store that commands use unless told otherwise."""
    return cache_dir() / "samples.sqlite"
