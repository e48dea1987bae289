"""Guards against a user's own ``search.py`` or ``evals/`` that stands before Archon's packages of the same name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from archon.errors import ConfigError

SIBLINGS = ("techniques", "evals", "search")


def check_siblings() -> None:
    """Make sure that the packages beside ``archon`` are the ones that would be imported.

    Raises:
        ConfigError: Another module of that name comes first; the message names it.
    """
    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ConfigError(f"Archon's package '{name}' is missing beside {home / 'archon'}: install Archon again.")
        origin = Path(spec.origin).resolve()
        if origin.parent.parent != home:
            raise ConfigError(
                f"{origin} stands before Archon's own package '{name}': rename it, or start from another directory."
            )
