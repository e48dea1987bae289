"""What holds an architecture back, said from its records."""

from __future__ import annotations

import numpy as np
import pytest

from evals.diagnosis import Diagnosis, diagnose
from evals.records import Record
from tests.evals.rows import record, samples


def the(records: list[Record]) -> Diagnosis:
    return diagnose(records)["a"]


def test_a_grader_that_crashes_comes_first() -> None:
    found = the([record(str(i), None if i < 3 else 1) for i in range(10)])
    assert found.kind == "grader"
    assert "crashed on 3 of 10 runs" in found.sentence


def test_ten_of_ten_are_too_few_and_a_hundred_are_not() -> None:
    ten = the([record(str(i), 1) for i in range(10)])
    assert ten.kind == "too few"
    assert "10 of 10 right supports an accuracy of at least 0.741" in ten.sentence
    assert ten.numbers["needed"] == 59
    assert the([record(str(i), 1) for i in range(100)]).kind == "sound"
    repeated = the([record(str(i % 10), 1, i // 10) for i in range(100)])
    assert repeated.kind == "too few", "repetitions are no further problems"


def test_right_answers_that_are_there_and_not_picked() -> None:
    rows = [record(str(i), i % 2, samples=samples([0, 1, 0, i % 2])) for i in range(60)]
    found = the(rows)
    assert found.kind == "selection"
    assert found.numbers["oracle"] == 1
    assert found.numbers["loss"] == pytest.approx(0.5)
    assert "0.500" in found.sentence
    assert "60 problems" in found.sentence


def test_right_answers_that_are_not_there() -> None:
    rows = [record(str(i), float(i % 3 == 0), samples=samples([float(i % 3 == 0)] * 4)) for i in range(60)]
    found = the(rows)
    assert found.kind == "generation"
    assert "on 67% of problems" in found.sentence
    assert the([record(str(i), i % 2) for i in range(60)]).kind == "unrecorded"


def test_a_judge_that_guesses_and_one_that_does_not() -> None:
    rng = np.random.default_rng(0)

    def rows(signal: float) -> list[Record]:
        made = []
        for i in range(60):
            scores = (rng.random(6) < 0.4).astype(float)
            rewards = signal * scores + rng.random(6)
            picked = float(scores[rewards.argmax()])
            made.append(record(str(i), picked, samples=samples(scores.tolist(), rewards.tolist())))
        return made

    guessing, weak = the(rows(0.0)), the(rows(0.2))
    assert guessing.kind == "judge"
    assert guessing.numbers["auc_low"] <= 0.5 <= guessing.numbers["auc_high"]
    assert weak.kind == "selection"
    assert "AUC" in weak.sentence


def test_few_problems_tell_nothing() -> None:
    found = the([record("1", 0, samples=samples([1, 0])), record("2", 1, samples=samples([1, 0]))])
    assert found.kind == "too few"
    assert "2 problems" in found.sentence


def test_what_is_lost_in_choosing_is_not_called_generation_for_want_of_problems() -> None:
    found = the([record(str(i), 0, samples=samples([float(i > 0), 0])) for i in range(3)])
    assert found.kind == "too few"
    assert found.numbers["loss"] == pytest.approx(2 / 3)
    assert "answers reach 0.000" in found.sentence and "best of each pool 0.667" in found.sentence


def test_each_architecture_has_its_own() -> None:
    rows = [record("1", 1), record("1", None, architecture="b")]
    assert {name: found.kind for name, found in diagnose(rows).items()} == {"a": "too few", "b": "grader"}
