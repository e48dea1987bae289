"""Proposals next to the best so far, between those of Optuna's sampler."""

from __future__ import annotations

import random

from search.history import History
from search.parameters import Params
from search.proposing import levels
from search.space import Space

LOOKED_AT = 4
TRIES = 30


class Neighbours:
    """Every second proposal changes one or two settings of one of the best architectures.

    TPE models where good settings lie, not how a good one could be bettered: with dozens of conditional settings and a
    few hundred trials, the last points come from changing the best a little. In the simulated world of
    ``tests/benchmarks/search.py`` the two together come nearer to the best than either.

    Args:
        space: What can be built.
        seed: Decides what is changed.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._rng = random.Random(f"neighbours {seed}")
        self._turn = 0
        self._proposed: set[frozenset[tuple[str, object]]] = set()

    def __call__(self, history: History) -> Params | None:
        """The next one, ``None`` where it is the sampler's turn."""
        self._turn += 1
        best = sorted(history.whole(), key=history.order)[:LOOKED_AT]
        if self._turn % 2 or not best:
            return None
        for _ in range(TRIES):
            entry = best[min(int(self._rng.expovariate(1.0)), len(best) - 1)]
            changed = self._changed(entry.params)
            key = frozenset(changed.items())
            if key not in self._proposed and key != frozenset(entry.params.items()):
                self._proposed.add(key)
                return changed
        return None

    def _changed(self, params: Params) -> Params:
        changed = dict(params)
        active = [parameter for parameter in self._space.parameters if parameter.name in params]
        for parameter in self._rng.sample(active, min(len(active), 1 if self._rng.random() < 0.7 else 2)):
            changed[parameter.name] = self._rng.choice(levels(parameter))
        # Settings that only matter now are drawn, not taken from the start of their lists.
        drawn = self._space.random(self._rng)
        return self._space.complete({**drawn, **changed})
