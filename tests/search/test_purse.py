"""The limits of a study hold for all who work on it, and over every time that it is taken up."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import optuna
import pytest

from archon.budget import Amount
from archon.errors import BudgetExhausted
from search.purse import Purse
from search.spec import StudySpec
from search.storage import close_storage, create_study, open_storage

ONE = Amount(usd=0.01, calls=1)


async def spend(purse: Purse, most: int = 10_000) -> int:
    """Send requests one after the other until none is allowed."""
    for sent in range(most):
        try:
            ticket = await purse.reserve(ONE)
        except BudgetExhausted:
            return sent
        purse.settle(ticket, ONE)
    return most


def test_one_process_spends_all_of_it_and_no_more_when_it_is_taken_up_again() -> None:
    spec, study = StudySpec(calls=250), create_study(StudySpec())
    first = Purse(spec, study)
    assert asyncio.run(spend(first, 100)) == 100
    first.release()
    assert asyncio.run(spend(Purse(spec, study))) == 150
    assert asyncio.run(spend(Purse(spec, study))) == 0
    assert asyncio.run(spend(Purse(StudySpec(calls=300), study))) == 50


def test_what_a_killed_process_claimed_counts_as_spent() -> None:
    spec, study = StudySpec(usd=1.0, calls=1000), create_study(StudySpec())
    assert asyncio.run(spend(Purse(spec, study), 50)) == 50
    # It was killed before it could release what it held ahead: a hundredth.
    assert 48 <= asyncio.run(spend(Purse(spec, study))) <= 50


def test_a_claim_that_others_leave_no_room_for_is_taken_back() -> None:
    spec, study = StudySpec(calls=10), create_study(StudySpec())
    mine, theirs = Purse(spec, study), Purse(spec, study)
    assert asyncio.run(spend(mine, 8)) == 8
    assert not asyncio.run(theirs_wants_three(theirs))
    assert asyncio.run(spend(mine)) == 2


async def theirs_wants_three(purse: Purse) -> bool:
    try:
        await purse.reserve(Amount(calls=3))
    except BudgetExhausted:
        return False
    return True


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty storage of trials."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'trials.db'}"
    empty: str = request.getfixturevalue("database")
    return empty


def test_many_at_once_never_overrun_it(url: str) -> None:
    made = open_storage(url)
    create_study(StudySpec(), name="s", storage=made)
    sent: list[int] = []

    def work() -> None:
        storage = open_storage(url)
        purse = Purse(StudySpec(calls=120), optuna.load_study(study_name="s", storage=storage))
        sent.append(asyncio.run(spend(purse)))
        purse.release()
        close_storage(storage)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    close_storage(made)
    assert len(sent) == 4
    assert 120 - 4 * 2 - 4 <= sum(sent) <= 120
