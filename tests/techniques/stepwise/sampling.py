"""Exact targets on a tree of which everything is known, and how far samples are from them."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from archon.stepwise import Partial
from archon.testing_stepwise import ToyTree
from techniques.stepwise.posterior import LogPotential, Path, log_potential
from techniques.stepwise.search import Search

ODDS = log_potential("odds")
REWARD = log_potential("reward")
TELESCOPING = log_potential("telescoping")
POTENTIALS = {"odds": ODDS, "reward": REWARD, "telescoping": TELESCOPING}

Distribution = Mapping[str, float]


def search_on(tree: ToyTree, seed: int = 0) -> Search:
    """A search with randomness of its own; what is drawn from the tree goes on."""
    return Search(tree, tree, rng=random.Random(f"search {seed}"))


def path_of(answer: Partial) -> Path:
    """An answer with all its beginnings."""
    path = [Partial()]
    for step, score in zip(answer.steps, answer.scores, strict=True):
        path.append(path[-1].then(step).with_score(score))
    return (*path[:-1], answer)


def log_value(answer: Partial, potential: LogPotential) -> float:
    """The sum of the log-potentials of an answer's beginnings."""
    return math.fsum(potential(partial) for partial in path_of(answer)[1:])


def target_of(tree: ToyTree, potential: LogPotential, beta: float = 1.0) -> tuple[Distribution, float]:
    """Every answer's probability under the target, and the normalising constant."""
    masses = {
        answer.text: probability * math.exp(beta * log_value(answer, potential))
        for answer, probability in tree.answers()
    }
    constant = math.fsum(masses.values())
    return {text: mass / constant for text, mass in masses.items()}, constant


def distance(target: Distribution, found: Distribution) -> float:
    """The total variation between a target and weights that add up to anything."""
    total = math.fsum(found.values())
    texts = {*target, *found}
    return 0.5 * math.fsum(abs(target.get(text, 0.0) - found.get(text, 0.0) / total) for text in texts)


def by_text(paths: Sequence[Path], weights: Sequence[float]) -> Distribution:
    """The weight of every answer in a population."""
    found: dict[str, float] = defaultdict(float)
    for path, weight in zip(paths, weights, strict=True):
        found[path[-1].text] += weight
    return found


def drawn_from(tree: ToyTree, target: Distribution, rng: random.Random) -> Path:
    """An answer drawn from a target."""
    answers = [answer for answer, _ in tree.answers()]
    (answer,) = rng.choices(answers, [target[answer.text] for answer in answers])
    return path_of(answer)


def fits(texts: Iterable[str], target: Distribution) -> bool:
    """Whether Pearson's statistic of draws is within 4 of its standard deviations above what a target makes it."""
    counts: dict[str, int] = defaultdict(int)
    for text in texts:
        counts[text] += 1
    assert counts.keys() <= target.keys()
    total = sum(counts.values())
    assert min(target.values()) * total >= 5, "too few draws to judge by"
    statistic = math.fsum((counts[text] - total * p) ** 2 / (total * p) for text, p in target.items())
    freedom = len(target) - 1
    return statistic < freedom + 4 * math.sqrt(2 * freedom)


def slope(points: Iterable[tuple[float, float]]) -> float:
    """The slope of the line through the logarithms of points, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = math.fsum(x for x, _ in logs) / len(logs)
    mean_y = math.fsum(y for _, y in logs) / len(logs)
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in logs) / math.fsum((x - mean_x) ** 2 for x, _ in logs)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))
