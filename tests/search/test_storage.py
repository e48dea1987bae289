"""Where trials are kept: URLs, drivers, and what is wrong with them in a sentence."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from archon.errors import ConfigError
from search.conduct import begin, join
from search.job import Job, versions
from search.spec import StudySpec
from search.storage import open_storage, with_driver


def test_a_url_gets_the_driver_that_the_extra_installs() -> None:
    assert with_driver("postgresql://u@h/d") == with_driver("postgres://u@h/d") == "postgresql+psycopg://u@h/d"
    assert with_driver("postgresql+psycopg2://h/d") == "postgresql+psycopg2://h/d"


def test_a_database_that_cannot_be_opened_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the database cannot be opened") as error:
        open_storage("sqlite:////no/such/folder/x.db")
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(ConfigError, match="the driver for this database is not installed"):
        open_storage("mysql://h/d")


def test_a_database_of_another_version_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_storage(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    with pytest.raises(ConfigError, match="the database cannot be opened") as error:
        open_storage(f"sqlite:///{path}")
    assert len(str(error.value).splitlines()) == 1


def job(**more: object) -> Job:
    given = {"name": "s", "space": "", "source": "x", "spec": StudySpec(), "benchmark": "b", "versions": versions()}
    return Job.model_validate({**given, **more})


def test_a_study_carries_its_job_and_refuses_other_versions(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "j.log")
    begin(job(), storage, resume=False)
    assert join(storage, "s")[1] == job()
    with pytest.raises(ConfigError, match="has a study 's' already"):
        begin(job(), storage, resume=False)
    with pytest.raises(ConfigError, match="has no such study; it has: s"):
        join(storage, "t")
    begin(job(name="old", versions={**versions(), "archon-inference": "0.0.1"}), storage, resume=False)
    with pytest.raises(ConfigError, match=r"begun with archon-inference 0\.0\.1, and here is"):
        join(storage, "old")
    begin(job(name="older", format=0), storage, resume=False)
    with pytest.raises(ConfigError, match="begun with format 0, and here is 1"):
        join(storage, "older")
