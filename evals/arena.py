"""Strengths and win rates from battles: Bradley-Terry ratings, and win rates that answers cannot buy by length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archon.bradley_terry import strengths
from evals.records import Record
from evals.statistics.accuracy import Accuracy, accuracy
from evals.statistics.bootstrap import clusters, draw, summary
from evals.statistics.estimate import Estimate

SCALE = 400 / math.log(10)
# Where every battle was won, the most likely coefficients are infinite; this much shrinks them, and nothing else.
RIDGE = 1e-3
# How many battles' worth a model's result on a question counts towards one half when its difficulty is estimated.
SMOOTHING = 1.0


@dataclass(frozen=True, slots=True)
class Battle:
    """The outcome of one comparison of two models' answers.

    Attributes:
        first: A model.
        second: Another one.
        score: What the first won: 1, 0, or between where judgements differ; a tie is 0.5.
        question: What was answered; battles over one question are not independent.
        excess: By how much the first answer is longer than the second, in characters or tokens.
    """

    first: str
    second: str
    score: float
    question: str = ""
    excess: float = 0.0

    def __post_init__(self) -> None:
        if self.first == self.second or not 0 <= self.score <= 1:
            raise ValueError(f"a battle is between two models and its score from 0 to 1: {self}")


def battles_of(records: Iterable[Record], baseline: str = "baseline") -> list[Battle]:
    """The battles against a baseline that records of the grader ``pairwise`` are.

    Each architecture is the first of its battles. Records without a score are none; an answer that failed has lost, and
    has no length to speak of. Battles of one group belong together.

    Args:
        records: Of one benchmark.
        baseline: What to call the baseline.
    """
    return [
        Battle(
            record.architecture,
            baseline,
            record.score,
            record.group or record.problem,
            float(record.detail.get("length", 0) - record.detail.get("baseline_length", 0)),
        )
        for record in records
        if record.score is not None
    ]


def ratings(
    battles: Sequence[Battle], *, anchor: float = 1000.0, prior: float = 0.1, draws: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
    """Bradley-Terry ratings on the scale of Elo: 400 points more are odds of ten to one.

    The most likely strengths, with a tie as half a win to each. Where somebody has won or lost everything, likelihood
    alone would put them at infinity; every model is therefore also taken to have tied ``prior`` times with an average
    one. The intervals are percentiles over bootstrap samples of whole questions.

    Args:
        battles: At least one.
        anchor: The mean of the ratings.
        prior: The weight of that, in battles per model; above 0. The smaller, the closer to maximum likelihood.
        draws: Bootstrap samples.
        seed: The same seed gives the same intervals.

    Returns:
        By model, the highest rating first.

    Raises:
        ValueError: There are no battles.

    Source: Bradley and Terry 1952; Chiang et al. 2024 (Chatbot Arena, arXiv:2403.04132) for its use on models.
    """
    models = sorted({name for battle in battles for name in (battle.first, battle.second)})
    place = {name: index for index, name in enumerate(models)}
    count = len(models)
    first = np.array([place[battle.first] for battle in battles])
    second = np.array([place[battle.second] for battle in battles])
    score = np.array([battle.score for battle in battles])

    def fit(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        won = np.zeros((count, count))
        np.add.at(won, (first, second), weights * score)
        np.add.at(won, (second, first), weights * (1 - score))
        wins = {(int(i), int(j)): float(won[i, j]) for i, j in np.argwhere(won > 0)}
        at = SCALE * np.array(strengths(count, wins, prior))
        centred: NDArray[np.float64] = at - at.mean() + anchor
        return centred

    estimates = dict(zip(models, _estimates(fit, battles, draws, seed), strict=True))
    return _best_first(estimates)


def win_rate(battles: Sequence[Battle], model: str) -> Accuracy:
    """The mean score of a model over its battles, whoever they were with; its standard error is clustered by question.

    Raises:
        ValueError: The model has no battles.
    """
    own = _seen_from(battles, model)
    return accuracy([battle.score for battle in own], _questions(own))


def length_controlled(
    battles: Sequence[Battle], baseline: str, *, draws: int = 200, seed: int = 0
) -> dict[str, Estimate]:
    """What share of battles each model would win against the baseline, were its answers as long.

    For each model a logistic regression of its score on itself (the intercept), on the tanh of the excess length in
    standard deviations, and on how hard it is to beat the baseline on a question. The rate is the mean prediction over
    the model's questions with the term of length at zero.

    After Dubois et al. 2024 (Length-Controlled AlpacaEval, arXiv:2404.04475), from memory: the form of the model is
    theirs. Ours are the difficulty of a question, which is the log-odds of the other models' smoothed mean score on it,
    and the lack of any fitted regularisation; theirs is fitted on the whole leaderboard and fixed. With one model
    alone, nothing is known of difficulty and its term is left out. Numbers are therefore not those of the leaderboard.

    Args:
        battles: Those with the baseline count; their ``excess`` has to be there.
        baseline: The model that all others are compared with.
        draws: Bootstrap samples over questions for the intervals.
        seed: The same seed gives the same intervals.

    Returns:
        Rates from 0 to 1 by model, the highest first.

    Raises:
        ValueError: Nobody has fought the baseline.
    """
    against = [_turned(battle) for battle in _seen_from(battles, baseline)]
    by_model: dict[str, list[Battle]] = {}
    for battle in against:
        by_model.setdefault(battle.first, []).append(battle)
    return _best_first({name: _controlled(own, against, draws, seed) for name, own in by_model.items()})


def _controlled(own: Sequence[Battle], against: Sequence[Battle], draws: int, seed: int) -> Estimate:
    scores = np.array([battle.score for battle in own])
    excess = np.array([battle.excess for battle in own], dtype=float)
    spread = float(excess.std())
    length = np.tanh(excess / spread) if spread > 0 else np.zeros(len(own))
    ease = _ease(own, [battle for battle in against if battle.first != own[0].first])
    columns = np.column_stack([np.ones(len(own)), length, ease])

    def fit(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        strength, _, of_ease = _logistic_fit(columns, scores, weights)
        return np.array([np.average(_logistic(strength + of_ease * ease), weights=weights)])

    (estimate,) = _estimates(fit, own, draws, seed)
    return estimate


def _ease(own: Sequence[Battle], others: Sequence[Battle]) -> NDArray[np.float64]:
    """For each battle, how easily other models beat the baseline on its question, in standard deviations."""
    by_question: dict[str, list[float]] = {}
    for battle in others:
        by_question.setdefault(battle.question, []).append(battle.score)
    smoothed = np.array(
        [
            (math.fsum(scores) + SMOOTHING / 2) / (len(scores) + SMOOTHING)
            for scores in (by_question.get(battle.question, []) for battle in own)
        ]
    )
    odds = np.log(smoothed / (1 - smoothed))
    spread = float(odds.std())
    return (odds - odds.mean()) / spread if spread > 1e-12 else np.zeros(len(own))


def _logistic_fit(
    columns: NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The coefficients of a weighted logistic regression on scores from 0 to 1, by Newton's method with short steps."""
    at = np.zeros(columns.shape[1])
    for _ in range(100):
        chance = _logistic(columns @ at)
        gradient = columns.T @ (weights * (scores - chance)) - RIDGE * at
        curvature = (columns.T * (weights * chance * (1 - chance))) @ columns + RIDGE * np.eye(len(at))
        step = np.linalg.solve(curvature, gradient)
        longest = float(np.abs(step).max())
        # Far from the maximum, where chances saturate, a whole step would overshoot.
        at = at + step * min(1.0, 2.0 / max(longest, 2.0))
        if longest < 1e-9:
            break
    return at


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # The hyperbolic tangent does not overflow.
    return 0.5 * (1 + np.tanh(x / 2))


def _estimates(
    fit: Callable[[NDArray[np.float64]], NDArray[np.float64]], battles: Sequence[Battle], draws: int, seed: int
) -> list[Estimate]:
    """What is fitted to weighted battles, with percentile intervals over samples of whole questions."""
    if not battles:
        raise ValueError("there are no battles to estimate anything from")
    cluster = clusters(_questions(battles), len(battles))
    drawn = draw(lambda weights: np.array([fit(row) for row in weights]), cluster, draws, seed)
    count = int(cluster.max()) + 1
    values = fit(np.ones(len(battles)))
    return [summary(float(value), column, count) for value, column in zip(values, drawn.T, strict=True)]


def _questions(battles: Sequence[Battle]) -> list[str]:
    """The question of each battle; a battle without one stands alone."""
    return [battle.question or f"\0{index}" for index, battle in enumerate(battles)]


def _best_first(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return dict(sorted(estimates.items(), key=lambda item: (-item[1].value, item[0])))


def _turned(battle: Battle) -> Battle:
    return Battle(battle.second, battle.first, 1 - battle.score, battle.question, -battle.excess)


def _seen_from(battles: Sequence[Battle], model: str) -> list[Battle]:
    """The battles of a model, with it as the first.

    Raises:
        ValueError: It has none.
    """
    own = [
        battle if battle.first == model else _turned(battle)
        for battle in battles
        if model in (battle.first, battle.second)
    ]
    if not own:
        raise ValueError(f"there is no battle of '{model}'")
    return own
