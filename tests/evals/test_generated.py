"""Problems from reasoning-gym."""

from __future__ import annotations

import pytest

from archon import ConfigError
from evals.generated import generate_questions

pytest.importorskip("reasoning_gym")


def test_the_same_seed_gives_the_same_problems() -> None:
    first = generate_questions("chain_sum", 5, 1)
    assert first == generate_questions("chain_sum", 5, 1)
    assert [q.task.question for q in first] != [q.task.question for q in generate_questions("chain_sum", 5, 2)]
    assert len({q.task.id for q in first}) == 5


def test_problems_can_be_turned_down() -> None:
    problems = generate_questions("gsm_symbolic", 4, 0, keep=lambda question, answer: answer.isdecimal())
    assert len(problems) == 4
    assert all(problem.reference is not None and problem.reference.isdecimal() for problem in problems)


def test_an_unknown_family_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="did you mean 'chain_sum'"):
        generate_questions("chain_sums", 1, 0)
