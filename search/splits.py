"""Which problems a search may see, which the guard keeps, and which are sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Split = Literal["search", "guard", "sealed"]
SHARES: Mapping[Split, float] = {"search": 0.5, "guard": 0.25, "sealed": 0.25}
_STEPS = 1 << 64


def split_of(problem: str, shares: Mapping[Split, float] = SHARES, salt: str = "") -> Split:
    """The split of one problem, by the hash of its name: it never depends on which other problems there are.

    Args:
        problem: The problem's id, or its group where problems are not independent.
        shares: How much of all problems each split has, on average; relative to their sum.
        salt: Another one makes other splits.

    Raises:
        ValueError: No share is above 0, or one is below.
    """
    if any(share < 0 for share in shares.values()) or sum(shares.values()) <= 0:
        raise ValueError("shares are not negative, and at least one is above 0")
    point = int.from_bytes(hashlib.sha256(f"{salt}\n{problem}".encode()).digest()[:8], "big") / _STEPS
    point *= sum(shares.values())
    for split, share in shares.items():
        if point < share:
            return split
        point -= share
    return max(shares, key=lambda split: shares[split])


def splits_of(
    problems: Iterable[str], shares: Mapping[Split, float] = SHARES, salt: str = ""
) -> dict[Split, list[str]]:
    """The problems of every split, each in the order given."""
    found: dict[Split, list[str]] = {split: [] for split in get_args(Split)}
    for problem in problems:
        found[split_of(problem, shares, salt)].append(problem)
    return found
