"""Held-out problems that a search may ask a few times and cannot fit itself to.

Whoever looks at a thousand candidates on a hundred problems finds one that looks good there by luck. So the search
sees only its own problems; the guard's answer through a mechanism that says little, a few times, and keep count on
disk, and the sealed ones (:mod:`search.sealed`) answer once.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

from archon.errors import GuardError
from search.log import Line, Log

QUERIES = 20
CONFIDENCE = 0.95
VERSION = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mechanism knows when it answers.

    Attributes:
        scores: The candidate's score on every problem.
        best: The value released for the best candidate so far; ``None`` before the first.
        best_scores: The scores of that candidate.
        searched: The candidate's mean on the search's own problems.
        spent: How many queries were charged so far.
        number: Which query this is, from 0.
        seed: Decides all noise.
    """

    scores: Sequence[float]
    best: float | None = None
    best_scores: Sequence[float] | None = None
    searched: float | None = None
    spent: int = 0
    number: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a mechanism answers.

    Attributes:
        value: The released value.
        charged: Whether the query counts against the budget.
        improved: Whether the candidate takes the best one's place.
    """

    value: float
    charged: bool
    improved: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """Release a value only when it is clearly better than the best so far, and repeat the best otherwise.

    A candidate has to beat the best released value by more than ``eta``; what is released then is its mean, rounded
    to multiples of ``eta``. Without ``eta`` the step is the standard error of the paired difference between the two,
    and means are rounded to one problem.

    Source: Blum and Hardt 2015 (The Ladder, arXiv:1502.04585; the number is from memory).
    """

    eta: float | None = None

    def answer(self, asked: Asked) -> Said:
        """Answer one query; every one is charged."""
        n, mean = len(asked.scores), _mean(asked.scores)
        if asked.best is not None and asked.best_scores is not None:
            step = self.eta if self.eta is not None else _paired_error(asked.scores, asked.best_scores)
            # Sums of tenths must not clear a step that they only reach.
            if mean <= asked.best + step + 1e-12:
                return Said(asked.best, charged=True, improved=False)
        grid = self.eta or 1.0 / n
        return Said(round(round(mean / grid) * grid, 12), charged=True, improved=True)


@dataclass(frozen=True, slots=True)
class Thresholdout:
    """Repeat the search's own value unless the held-out one is far from it, and then release that one with noise.

    Only answers of the second kind are charged. Without settings, the threshold is 4 / √n and the noise 1 / √n, as in
    the paper's experiments with n = 10,000; with a few hundred problems that is too coarse for a gain of some points.

    Attributes:
        threshold: How far the two values may be apart, T.
        noise: The scale of the Laplace noise on a released value, σ; 0 guarantees nothing.

    Source: Dwork et al. 2015 (The reusable holdout, Science 349; figures from memory).
    """

    threshold: float | None = None
    noise: float | None = None

    def answer(self, asked: Asked) -> Said:
        """Answer one query.

        Raises:
            GuardError: The search's own value is not given.
        """
        if asked.searched is None:
            raise GuardError("Thresholdout compares with the search's own problems: give the accuracy on them.")
        root, mean = math.sqrt(len(asked.scores)), _mean(asked.scores)
        threshold = 4 / root if self.threshold is None else self.threshold
        noise = 1 / root if self.noise is None else self.noise
        # The noise on the threshold is drawn anew only after it was crossed.
        threshold += _laplace(2 * noise, asked.seed, "threshold", asked.spent)
        crossed = abs(mean - asked.searched) > threshold + _laplace(4 * noise, asked.seed, "query", asked.number)
        value = mean + _laplace(noise, asked.seed, "value", asked.number) if crossed else asked.searched
        return Said(value, charged=crossed, improved=asked.best is None or value > asked.best)


Mechanism = Ladder | Thresholdout


@dataclass(frozen=True, slots=True)
class Release:
    """What the guard said of a candidate.

    Attributes:
        candidate: Whose query it was.
        value: The released value: that of the best candidate so far, for Ladder.
        improved: Whether the candidate became the best.
        best: The best candidate so far.
        left: How many queries are left.
    """

    candidate: str
    value: float
    improved: bool
    best: str
    left: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What may be said of the best candidate before the sealed problems are asked.

    Attributes:
        candidate: The best one.
        baseline: The first one that was asked about.
        naive: Its accuracy on the search's own problems, which it was chosen by; ``None`` if that was not told.
        guarded: The value released for it.
        difference: By how much it beats the baseline on the guard's problems, pair by pair.
        interval: Where the difference lies, with 95 % confidence for all queries together (Bonferroni).
        queries: How many were charged.
        problems: How many problems the guard has.
    """

    candidate: str
    baseline: str
    naive: float | None
    guarded: float
    difference: float
    interval: tuple[float, float]
    queries: int
    problems: int

    @property
    def better(self) -> bool:
        """Whether the best one may be called better than the baseline."""
        return self.candidate != self.baseline and self.interval[0] > 0

    def __str__(self) -> str:
        low, high = (f"{100 * end:+.1f}" for end in self.interval)
        looked = "" if self.naive is None else f"; on the search's own problems it looked like {100 * self.naive:.1f} %"
        on = f"{self.problems} guarded problems after {self.queries} quer{'y' if self.queries == 1 else 'ies'}{looked}."
        if self.candidate == self.baseline:
            return f"{self.candidate} is right in {100 * self.guarded:.1f} % of {on}"
        verdict = "is better than" if self.better else "is not shown to be better than"
        points = f"{100 * self.difference:+.1f} points ({low} to {high})"
        return f"{self.candidate} {verdict} {self.baseline}: {points} on {on}"


class Guard:
    """Held-out problems behind a mechanism and a budget of queries, both kept in a directory.

    Several processes may share the directory. It holds ``guard.jsonl``, to which every query adds one line, and the
    scores of candidates that were best, which the mechanism compares with; no answer tells anything of one problem.

    Args:
        directory: Of the run, or of the benchmark where runs are to share the budget.
        mechanism: How to answer.
        queries: How many queries may be charged, ever.
        seed: Decides the noise.
    """

    def __init__(
        self, directory: Path, mechanism: Mechanism | None = None, *, queries: int = QUERIES, seed: int = 0
    ) -> None:
        self._directory = directory
        self._mechanism = Ladder() if mechanism is None else mechanism
        self._queries = queries
        self._seed = seed
        self._log = Log(directory / "guard.jsonl")

    def ask(self, candidate: str, scores: Mapping[str, float], *, searched: float | None = None) -> Release:
        """Ask about one candidate; asking about the same one again is free and gives the same answer.

        The first candidate is the baseline of :meth:`claim`.

        Args:
            candidate: Its digest.
            scores: Its score on every held-out problem, by the problem's id.
            searched: Its mean on the search's own problems.

        Raises:
            GuardError: The budget is spent, or the guard was begun with other problems or settings.
            ValueError: A score is not a finite number.
        """
        if not all(math.isfinite(score) for score in scores.values()):
            raise ValueError(f"{candidate} has a score that is not a finite number")
        with self._log.turn() as turn:
            if not turn.lines:
                turn.append(self._header(scores))
            self._check(turn.lines[0], scores)
            queries, charged = _queries(turn.lines), _charged(turn.lines)
            before = next((query for query in queries if query["candidate"] == candidate), None)
            if before is not None:
                return self._release(before, queries, charged)
            if charged >= self._queries:
                raise GuardError(
                    f"{self._log.path}: all {self._queries} queries are spent; the best candidate is "
                    f"{_best(queries)['candidate'] if queries else 'not known'}, and only the sealed problems can say "
                    "more."
                )
            best = _best(queries) if queries else None
            number = len(turn.lines) - 1
            ordered = sorted(scores)
            said = self._mechanism.answer(
                Asked(
                    scores=[scores[problem] for problem in ordered],
                    best=None if best is None else best["value"],
                    best_scores=None if best is None else [self._kept(best)[problem] for problem in ordered],
                    searched=searched,
                    spent=charged,
                    number=number,
                    seed=self._seed,
                )
            )
            if said.improved:
                # Written before the line that refers to it, so that no crash leaves the line without it.
                self._keep(number, scores)
            query = {
                "query": number,
                "candidate": candidate,
                "value": said.value,
                "improved": said.improved,
                "charged": said.charged,
                "searched": searched,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            turn.append(query)
            return self._release(query, [*queries, query], charged + said.charged)

    @property
    def left(self) -> int:
        """How many queries are left."""
        with self._log.turn() as turn:
            return max(0, self._queries - _charged(turn.lines))

    def claim(self) -> Claim:
        """What may be said of the best candidate so far; it tells more than answers do, so ask for it at the end.

        Raises:
            GuardError: Nothing was asked yet.
        """
        with self._log.turn() as turn:
            queries, charged = _queries(turn.lines), _charged(turn.lines)
        if not queries:
            raise GuardError(f"{self._log.path}: the guard was not asked about any candidate.")
        first, best = queries[0], _best(queries)
        one, other = self._kept(best), self._kept(first)
        differences = [one[problem] - other[problem] for problem in sorted(one)]
        difference, comparisons = _mean(differences), max(1, len(queries) - 1)
        half = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * comparisons)) * max(
            _paired_error(list(one.values()), [other[problem] for problem in one]), 1 / len(one)
        )
        return Claim(
            candidate=best["candidate"],
            baseline=first["candidate"],
            naive=best["searched"],
            guarded=best["value"],
            difference=difference,
            interval=(difference - half, difference + half),
            queries=charged,
            problems=len(one),
        )

    def _header(self, scores: Mapping[str, float]) -> dict[str, Any]:
        return {
            "guard": VERSION,
            "mechanism": type(self._mechanism).__name__,
            "settings": asdict(self._mechanism),
            "queries": self._queries,
            "seed": self._seed,
            "problems": len(scores),
            "which": hashlib.sha256("\n".join(sorted(scores)).encode()).hexdigest(),
        }

    def _check(self, header: Line | None, scores: Mapping[str, float]) -> None:
        expected = self._header(scores)
        if header is None or "guard" not in header:
            raise GuardError(f"{self._log.path}: this does not begin like the log of a guard.")
        for key, value in expected.items():
            if header.get(key) != value:
                what = "other problems" if key == "which" else f"{key} {header.get(key)}, not {value}"
                raise GuardError(f"{self._log.path}: the guard was begun with {what}; that cannot change under way.")

    def _release(self, query: Line, queries: Sequence[Line], charged: int) -> Release:
        best = _best(queries)["candidate"]
        left = max(0, self._queries - charged)
        return Release(query["candidate"], query["value"], query["improved"], best, left)

    def _path(self, number: int) -> Path:
        return self._directory / f"guard-{number}.json"

    def _keep(self, number: int, scores: Mapping[str, float]) -> None:
        with self._path(number).open("w", encoding="utf-8") as file:
            json.dump(dict(scores), file)
            file.flush()
            os.fsync(file.fileno())

    def _kept(self, query: Line) -> dict[str, float]:
        path = self._path(query["query"])
        try:
            scores: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GuardError(f"{path}: the scores of {query['candidate']} cannot be read: {error}.") from None
        return scores


def _queries(lines: Sequence[Line | None]) -> list[Line]:
    return [line for line in lines[1:] if line is not None]


def _charged(lines: Sequence[Line | None]) -> int:
    """The queries that count; one whose line was cut short may have been answered, so it does."""
    return sum(line is None or line["charged"] for line in lines[1:])


def _best(queries: Sequence[Line]) -> Line:
    """The last query that improved; the first always does."""
    return next(query for query in reversed(queries) if query["improved"])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _paired_error(one: Sequence[float], other: Sequence[float]) -> float:
    """The standard error of the mean difference, problem by problem; 0 for a single problem."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    n, mean = len(differences), _mean(differences)
    return math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n * (n - 1))) if n > 1 else 0.0


def _laplace(scale: float, seed: int, what: str, number: int) -> float:
    """Laplace noise that depends on nothing but its name."""
    rng = Random(f"{seed}/{what}/{number}")
    # The difference of two exponentials is Laplace.
    return scale * (rng.expovariate(1.0) - rng.expovariate(1.0))
