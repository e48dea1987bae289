"""What one listwise judgement is shown: which candidates, and in which order."""

from __future__ import annotations

import random

Span = tuple[int, int]
"""The places from the first one to before the second one."""


def windows(count: int, window: int | None, step: int | None) -> list[Span]:
    """The windows that slide over a list from its back to its front.

    The first holds the last ``window`` places, and each next one lies ``step`` places nearer to the front (half a
    window, if not given), until one begins at the front; that one may be shorter. With windows ranked in this order,
    the best ``window - step`` candidates of the list come to its front. The window at the front is never left out,
    as it is in the authors' code where the steps do not end exactly there.

    Args:
        count: How many places there are.
        window: The most places of one window; ``None`` for all of them.
        step: How far a window moves, below ``window``.

    Source: Sun et al. 2023 (RankGPT, arXiv:2304.09542).
    """
    size = count if window is None else window
    stride = max(1, size // 2) if step is None else step
    spans = [(max(0, count - size), count)]
    while spans[-1][0] > 0:
        end = spans[-1][1] - stride
        spans.append((max(0, end - size), end))
    return spans


def shown_orders(count: int, passes: int, rng: random.Random) -> list[list[int]]:
    """Orders in which to show a list: as it is, the reverse of that, a shuffle, the reverse of that, and so on.

    An order and its reverse give every candidate the same place on average, so that what a judge gives to a place
    cancels in an even number of passes.
    """
    orders = [list(range(count))]
    while len(orders) < passes:
        orders.append(orders[-1][::-1] if len(orders) % 2 else rng.sample(range(count), count))
    return orders
