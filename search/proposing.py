"""Who proposes the next architecture: Optuna's samplers, or plans of our own that are put in its queue."""

from __future__ import annotations

import hashlib
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray

from search.history import History
from search.parameters import Parameter, Params, Value
from search.space import Space
from search.spec import Sampler, StudySpec


class Proposer(Protocol):
    """Says what to try next, where that is not left to Optuna's sampler."""

    def __call__(self, history: History) -> Params | None:
        """Settings to try, or ``None`` when the plan is at its end."""
        ...


def sampler_of(spec: StudySpec, turn: int = 0, worker: str = "") -> optuna.samplers.BaseSampler:
    """Optuna's sampler for one proposal.

    TPE models all settings of a branch together (``multivariate`` and ``group``), and counts trials that are still
    running as bad, so that parallel trials keep apart.

    Args:
        spec: Which, and the seed.
        turn: Which proposal; with the seed it decides all that is random.
        worker: Keeps several workers of one study from proposing the same.
    """
    digest = hashlib.blake2b(f"{spec.seed} {turn} {worker}".encode(), digest_size=4).digest()
    seed = int.from_bytes(digest)
    if spec.sampler == "tpe":
        with warnings.catch_warnings():
            # What groups do is documented; they are called experimental all the same.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
    if spec.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def proposer_of(space: Space, spec: StudySpec) -> Proposer | None:
    """The plan of a sampler that is ours; ``None`` for Optuna's own."""
    plans: Mapping[Sampler, Callable[[Space, int], Proposer]] = {"grid": Grid, "greedy": Greedy, "factorial": Factorial}
    return plans[spec.sampler](space, spec.seed) if spec.sampler in plans else None


class Grid:
    """Every architecture once, in random order.

    Args:
        space: What to enumerate.
        seed: Decides the order.
    """

    def __init__(self, space: Space, seed: int) -> None:
        everything = list(space.enumerate())
        random.Random(seed).shuffle(everything)
        self._left: Iterator[Params] = iter(everything)

    def __call__(self, history: History) -> Params | None:
        """The next one."""
        return next(self._left, None)


class Greedy:
    """One setting at a time: each of its values with all others as they are in the best so far, then the next setting.

    After the last setting it starts over, until a whole round has changed nothing. The baseline that Saad-Falcon et al.
    2024 (Archon, arXiv:2409.15254) compare with; the paper's own order of settings is unverified, here it is that of
    the template.

    Args:
        space: Whose settings to try.
        seed: Decides where it starts.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._plan = self._proposals(space.random(random.Random(seed)))
        self._best: Params | None = None

    def __call__(self, history: History) -> Params | None:
        """The next one."""
        # Until something keeps to the ceiling, the way down in cost is the way to it.
        unit = history.spec.cost
        best = history.best or min(history.entries.values(), key=lambda entry: entry.cost(unit), default=None)
        self._best = best.params if best else None
        return next(self._plan, None)

    def _proposals(self, start: Params) -> Iterator[Params]:
        yield start
        while True:
            before = self._best
            for parameter in self._space.parameters:
                for value in levels(parameter):
                    current = self._best or start
                    if current.get(parameter.name) != value:
                        yield self._space.complete({**current, parameter.name: value})
            if self._best == before:
                return


class Factorial:
    """A screening design: every setting at two levels, so that each effect is seen in half of all runs.

    A Plackett and Burman design of the next multiple of four above the number of settings, from a Hadamard matrix, and
    its mirror image (fold-over), which frees main effects of two-way interactions. Levels are the first and the last
    value of a setting.

    Args:
        space: Whose settings to vary.
        seed: Decides the order.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.design = plackett_burman(len(space.parameters))
        runs = []
        for row in self.design:
            values = {
                parameter.name: levels(parameter)[-1 if level > 0 else 0]
                for parameter, level in zip(space.parameters, row, strict=True)
            }
            runs.append(space.complete(values))
        random.Random(seed).shuffle(runs)
        self._left = iter(runs)

    def __call__(self, history: History) -> Params | None:
        """The next run of the design."""
        return next(self._left, None)


def levels(parameter: Parameter) -> list[Value]:
    """The values of a parameter; of a range without steps its ends."""
    domain = parameter.domain
    return [domain.at(index) for index in range(int(domain.size))] if domain.size < 1000 else list(domain.extremes)


def plackett_burman(factors: int) -> NDArray[np.int64]:
    """A two-level design of resolution IV: rows are runs, columns factors, entries -1 and +1.

    Columns are balanced and orthogonal; mirror images of all runs are included.

    Source: Plackett and Burman 1946; the Hadamard matrices are Sylvester's and Paley's.
    """
    size = 4
    while size < factors + 1 or hadamard(size) is None:
        size += 4
    matrix = hadamard(size)
    assert matrix is not None
    half = matrix[:, 1 : factors + 1]
    return np.vstack([half, -half])


def hadamard(size: int) -> NDArray[np.int64] | None:
    """A Hadamard matrix whose first column is all +1, by Paley's first construction or by doubling."""
    if size == 1:
        return np.array([[1]])
    if size % 4 and size != 2:
        return None
    if _prime(size - 1) and (size - 1) % 4 == 3:
        q = size - 1
        squares = {i * i % q for i in range(1, q)}
        character = np.array([0] + [1 if i in squares else -1 for i in range(1, q)])
        jacobsthal = np.array([[character[(i - j) % q] for j in range(q)] for i in range(q)])
        matrix = np.eye(size, dtype=np.int64)
        matrix[0, 1:] += 1
        matrix[1:, 0] -= 1
        matrix[1:, 1:] += jacobsthal
        return _normalised(matrix)
    half = hadamard(size // 2) if size % 2 == 0 else None
    return None if half is None else _normalised(np.block([[half, half], [half, -half]]))


def _normalised(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    return matrix * matrix[:, :1]


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def main_effects(runs: Mapping[str, list[tuple[Any, float]]]) -> dict[str, dict[str, float | None]]:
    """The effect of each setting: the mean outcome at its last level less that at its first, with its standard error.

    The error is ``None`` where a level was tried once.

    Args:
        runs: For every setting, its value and the outcome, run by run.
    """
    effects: dict[str, dict[str, float | None]] = {}
    for name, rows in runs.items():
        values = sorted({value for value, _ in rows}, key=str)
        if len(values) < 2:
            continue
        low, high = ([y for v, y in rows if v == value] for value in (values[0], values[-1]))
        error = None
        if min(len(low), len(high)) > 1:
            error = float(np.sqrt(sum(np.var(side, ddof=1) / len(side) for side in (low, high))))
        effects[name] = {"effect": float(np.mean(high) - np.mean(low)), "standard_error": error}
    return effects
