"""Sentences that help someone who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


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


def named_kind(value: object, kinds: Iterable[str], what: str, example: str) -> tuple[str, dict[str, Any]]:
    """Read what YAML writes as ``kind`` or as ``{kind: settings}``.

    Args:
        value: What stands there.
        kinds: Those there are.
        what: What it is to be, with its article.
        example: One with settings, for the error.

    Returns:
        The kind and its settings.

    Raises:
        ValueError: It is neither, or the kind is unknown.
    """
    known = list(kinds)
    kind, settings = value, None
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, settings),) = value.items()
    if not isinstance(kind, str) or not isinstance(settings, Mapping | None):
        raise ValueError(
            f"{what} is a kind ({', '.join(known)}) or one kind with its settings, such as {example}, not {value!r}."
        )
    if kind not in known:
        raise ValueError(unknown(what.partition(" ")[2], kind, known))
    return kind, dict(settings or {})
