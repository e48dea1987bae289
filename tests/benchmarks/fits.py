"""How the numbers of :class:`search.laws.Laws` are estimated from real samples.

Each estimator takes the rows that ``tests/benchmarks/draw.py`` wrote; a bootstrap over problems gives it rows in which
problems stand several times.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_ndtr, roots_hermitenorm

from search.laws import WRONG, Floats, Line

Row = Mapping[str, Any]
NORMAL = NormalDist()
NODES = 15
JUDGES = ("small", "solver")


@dataclass(frozen=True)
class Solving:
    """Who solves what.

    Attributes:
        abilities: Of the models.
        difficulty: See :class:`search.laws.Laws`.
        quirk: The same.
        warmth: The same.
    """

    abilities: Mapping[str, float]
    difficulty: float
    quirk: float
    warmth: float


def of_stage(rows: Sequence[Row], stage: str, **about: Any) -> list[Row]:
    """The rows of a stage."""
    return [row for row in rows if row["stage"] == stage and all(row[name] == value for name, value in about.items())]


def solving(rows: Sequence[Row]) -> Solving:
    """Maximum likelihood: difficulties and quirks are integrated out by Gauss-Hermite quadrature."""
    problems = sorted({row["problem"] for row in rows})
    place = {problem: index for index, problem in enumerate(problems)}
    cells = sorted({(row["model"], row["temperature"]) for row in of_stage(rows, "draw")})
    right, drawn = np.zeros((len(cells), len(problems))), np.zeros((len(cells), len(problems)))
    for row in of_stage(rows, "draw"):
        cell = cells.index((row["model"], row["temperature"])), place[row["problem"]]
        right[cell] = sum(candidate[2] for candidate in row["candidates"])
        drawn[cell] = len(row["candidates"])
    nodes, weights = roots_hermitenorm(NODES)
    weights = weights / weights.sum()
    # How often each problem stands in a bootstrap sample.
    times = np.bincount([place[row["problem"]] for row in of_stage(rows, "draw", model="small", temperature=0.7)])

    def loss(given: Floats) -> float:
        small, solver, difficulty, quirk, warmth = *given[:2], *np.exp(given[2:])
        marginal = np.ones((len(problems), NODES))
        for model, ability in (("small", small), ("solver", solver)):
            logits = ability - difficulty * nodes[:, None] - quirk * nodes[None, :]
            seen = np.zeros((len(problems), NODES, NODES))
            for cell, (whose, temperature) in enumerate(cells):
                if whose == model:
                    chance = np.clip(expit((0.7 + warmth) / (temperature + warmth) * logits), 1e-12, 1 - 1e-12)
                    k, n = right[cell][:, None, None], drawn[cell][:, None, None]
                    seen += k * np.log(chance) + (n - k) * np.log1p(-chance)
            marginal *= np.exp(seen) @ weights
        return -float(times @ np.log(marginal @ weights))

    start = np.array([-1.5, 2.0, 0.7, 0.5, 0.0])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-8, 8), (-8, 8), (-2, 2), (-2, 2), (-4, 3)]).x
    abilities = {"small": float(found[0]), "solver": float(found[1])}
    return Solving(abilities, *(float(number) for number in np.exp(found[2:])))


def agreement(rows: Sequence[Row]) -> tuple[float, float]:
    """How often two wrong answers to one problem are the same: of one model, and of two."""
    wrong: dict[tuple[int, str], dict[str, list[str | None]]] = defaultdict(dict)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for row in of_stage(rows, "draw", temperature=0.7):
        # The same problem again in a bootstrap sample is another one.
        seen[row["problem"], row["model"]] += 1
        key = seen[row["problem"], row["model"]], row["problem"]
        wrong[key][row["model"]] = [answer for _, answer, right, *_ in row["candidates"] if not right]
    within, across = [], []
    for models in wrong.values():
        for answers in models.values():
            within += [a == b and a is not None for a, b in itertools.combinations(answers, 2)]
        pairs = itertools.product(models.get("small", []), models.get("solver", []))
        across += [a == b and a is not None for a, b in pairs]
    return float(np.mean(within)), float(np.mean(across))


def popularity(within: float, across: float) -> tuple[float, float]:
    """How unlike the popularity of wrong answers is, with all models and with each alone, that they agree so often."""
    normal = np.random.default_rng(0).standard_normal((3, 20_000, WRONG))

    def agree(given: Floats) -> tuple[float, float]:
        common, own = np.exp(given)
        popular = np.exp(common * normal[0] + own * normal[1:])
        popular /= popular.sum(axis=2, keepdims=True)
        return float((popular[0] ** 2).sum(axis=1).mean()), float((popular[0] * popular[1]).sum(axis=1).mean())

    def loss(given: Floats) -> float:
        found = agree(given)
        return (found[0] - within) ** 2 + (found[1] - across) ** 2

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", bounds=[(-4, 2), (-4, 2)]).x
    return float(np.exp(found[0])), float(np.exp(found[1]))


def apart(rows: Sequence[Row], stage: str, judge: str) -> float:
    """How far apart a judge sees right and wrong, by how often it puts a right candidate above a wrong one.

    The difference of two views has the variance 2, so that is the case with probability Phi(sqrt(2) * apart).
    """
    above = list(_orders(of_stage(rows, stage, judge=judge), by_score=stage == "score"))
    return NORMAL.inv_cdf(min(max(float(np.mean(above)), 0.01), 0.99)) / math.sqrt(2)


def _orders(rows: Sequence[Row], *, by_score: bool) -> Iterator[float]:
    """For each right and each wrong candidate of a row: 1 where the right one is above, 0.5 where they are equal."""
    for row in rows:
        scored = [
            (candidate[3] if by_score else -place, candidate[2]) for place, candidate in enumerate(row["candidates"])
        ]
        known = [(float(view), right) for view, right in scored if view is not None]
        for (a, right_a), (b, right_b) in itertools.product(known, known):
            if right_a and not right_b:
                yield 1.0 if a > b else 0.5 if a == b else 0.0


def lenient(rows: Sequence[Row], judge: str) -> tuple[float, float]:
    """How far apart whoever verifies sees right and wrong, and how far to the right side it sees both.

    A maximum a posteriori under N(0, 1) and N(0, 2): a judge that passes everything says nothing of how far apart it
    sees them, and is then taken to see hardly any difference.
    """
    verdicts = Counter(
        (1 if right else -1, 1 if verdict else -1)
        for row in of_stage(rows, "verify", judge=judge)
        for _, _, right, _, verdict in row["candidates"]
    )

    def loss(given: Floats) -> float:
        prior = given[0] ** 2 / 2 + given[1] ** 2 / 8
        seen = [n * log_ndtr(passed * (right * given[0] + given[1])) for (right, passed), n in verdicts.items()]
        return float(prior - np.sum(seen))

    apart, leniency = minimize(loss, np.zeros(2), method="L-BFGS-B").x
    return float(apart), float(leniency)


def scoring(rows: Sequence[Row], judge: str) -> tuple[float, float, float]:
    """The lasting share of a scorer's noise, and the middle and the unit of its scores, in logits.

    Maximum likelihood of a normal model: a score depends on whether the candidate is right, on its problem, on its
    answer, and on itself.
    """
    data = []
    for row in of_stage(rows, "score", judge=judge):
        known = [c for c in row["candidates"] if c[3] is not None]
        if known:
            scores = np.clip([c[3] for c in known], 1e-6, 1 - 1e-6)
            same = np.array([[a is b or (a[1] == b[1] and a[1] is not None) for a in known] for b in known])
            data.append((np.log(scores / (1 - scores)), np.array([1.0 if c[2] else -1.0 for c in known]), same))

    def loss(given: Floats) -> float:
        middle, slope, problem, lasting, passing = *given[:2], *np.exp(given[2:])
        total = 0.0
        for scores, right, same in data:
            count = len(scores)
            covariance = problem * np.ones((count, count)) + lasting * same + passing * np.eye(count)
            off = scores - middle - slope * right
            _, log_det = np.linalg.slogdet(covariance)
            total += 0.5 * (log_det + off @ np.linalg.solve(covariance, off))
        return float(total)

    found = minimize(loss, np.array([0.0, 0.1, -1.0, -1.0, -1.0]), method="L-BFGS-B", bounds=[(-9, 9)] * 5).x
    lasting, passing = np.exp(found[3:])
    return float(lasting / (lasting + passing)), float(found[0]), float(math.sqrt(lasting + passing))


def alone(rows: Sequence[Row]) -> float:
    """How often a fuser answers by itself: how often what it says is not among what it was shown, against how often
    what it draws without being shown anything is not."""
    drawn = {
        (row["model"], row["problem"]): [answer for _, answer, *_ in row["candidates"]]
        for row in of_stage(rows, "draw", temperature=0.7)
    }
    new, would = [], []
    for row in of_stage(rows, "fuse"):
        problem, model = row["problem"], row["judge"]
        shown = {answer for whose in JUDGES for answer in drawn[whose, problem][:2]}
        new.append(row["candidates"][0][1] not in shown)
        would.append(float(np.mean([answer not in shown for answer in drawn[model, problem][2:]])))
    return min(float(np.mean(new)) / float(np.mean(would)), 1.0)


@cache
def _looks() -> Floats:
    return np.random.default_rng(1).standard_normal((2, 2000, 4))


def taking_up(rows: Sequence[Row], judge: str, alone: float, lasting: float) -> float:
    """How far apart a fuser sees right and wrong: maximum likelihood, given how often it answers by itself."""
    drawn = {(row["model"], row["problem"]): row["candidates"] for row in of_stage(rows, "draw", temperature=0.7)}
    cases = []
    for row in of_stage(rows, "fuse", judge=judge):
        shown = [candidate for model in JUDGES for candidate in drawn[model, row["problem"]][:2]]
        by_itself = float(np.mean([right for _, _, right, *_ in drawn[judge, row["problem"]][2:]]))
        answers = [answer for _, answer, *_ in shown]
        right = np.array([right for _, _, right, *_ in shown], dtype=bool)
        fooled = _looks()[0][:, [answers.index(answer) for answer in answers]]
        noise = math.sqrt(lasting) * fooled + math.sqrt(1 - lasting) * _looks()[1]
        cases.append((right, noise, by_itself, row["candidates"][0][2]))

    def loss(distance: float) -> float:
        total = 0.0
        for right, noise, by_itself, fused in cases:
            best = np.argmax(np.where(right, distance, -distance) + noise, axis=1)
            chance = alone * by_itself + (1 - alone) * float(right[best].mean())
            chance = min(max(chance, 0.005), 0.995)
            total -= math.log(chance if fused else 1 - chance)
        return total

    # Luck is the same at every distance, but the loss has steps: a grid finds the lowest.
    grid = np.arange(-1.5, 2.51, 0.05)
    return float(grid[int(np.argmin([loss(float(distance)) for distance in grid]))])


def line(abilities: Mapping[str, float], values: Mapping[str, float]) -> Line:
    """The line through what two models came to."""
    slope = (values["solver"] - values["small"]) / (abilities["solver"] - abilities["small"])
    return Line(values["small"] - slope * abilities["small"], slope)


def rising(abilities: Mapping[str, float], values: Mapping[str, float]) -> Line:
    """The same where the better model came to more, else their mean for both: no model judges worse for its ability."""
    if values["solver"] > values["small"]:
        return line(abilities, values)
    return Line((values["small"] + values["solver"]) / 2, 0.0)
