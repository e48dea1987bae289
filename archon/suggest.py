"""Sentences that help someone who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, if any is like it at all."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.55)
    return by_lower[matches[0]] if matches else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One sentence: the name is unknown, the nearest one, and all there are."""
    names = sorted(known)
    guess = nearest(name, names)
    hint = f"; did you mean '{guess}'?" if guess else "."
    listing = f" Known: {', '.join(names)}." if names else ""
    return f"unknown {what} '{name}'{hint}{listing}"
