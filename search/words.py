"""The words of a template: how ranges are written, what options are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from search.parameters import TOLERANCE, Floats, Ints

OPTIONAL, REPEATED, ALTERNATIVES, ANY_ORDER, SEQUENCE = "optional", "repeated", "alternatives", "any_order", "sequence"
WORDS = (OPTIONAL, REPEATED, ALTERNATIVES, ANY_ORDER, SEQUENCE)


def range_of(word: str, ends: Any, step: Any, log: bool) -> Ints | Floats:
    """The range that a template writes as ``{word: ends, step: ..., log: ...}``.

    Raises:
        ValueError: It is not one; the message says how to write it.
    """
    number = is_int if word == "int" else is_number
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(number, ends)) or ends[0] > ends[1]:
        raise ValueError(f"write a range as {{{word}: [lowest, highest]}}.")
    low, high = ends
    if step is not None and (not number(step) or step <= 0):
        raise ValueError("a step is a number above 0, and a whole one between whole numbers.")
    if log and (step is not None or low <= 0):
        raise ValueError("a range with log begins above 0 and has no step.")
    if step is not None and abs((high - low) / step - round((high - low) / step)) > TOLERANCE:
        raise ValueError(f"steps of {step:g} from {low:g} do not end at {high:g}.")
    return Ints(low, high, step or 1, log) if word == "int" else Floats(float(low), float(high), step, log)


def label_of(value: Any) -> str:
    """What an option is called: its kinds."""
    if isinstance(value, list):
        return "+".join(map(label_of, value)) or "empty"
    if not isinstance(value, dict):
        return str(value)
    for word in WORDS:
        if word in value:
            return label_of(value[word])
    # A model is called by its own name, everything else by its kind.
    return str(value["use"]) if isinstance(value.get("use"), str) else next(iter(value), "empty")


def distinct(labels: Iterable[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """The labels, numbered where they repeat themselves or what is ``taken``."""
    return tuple(_numbered(labels, Counter(taken)))


def _numbered(labels: Iterable[str], seen: Counter[str]) -> Iterator[str]:
    for label in labels:
        seen[label] += 1
        yield label if seen[label] == 1 else f"{label}#{seen[label]}"


def is_int(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
