"""A sample store on PostgreSQL, for searches and runs on several machines that are not to buy anything twice.

It keeps what :class:`archon.store.SampleStore` promises: samples are addressed by their content, the first to arrive
for a draw stays, draws are claimed before they are bought, and commits follow an answer within
:data:`archon.store.COMMIT_SECONDS`. Claims end by the server's clock, so that those of the machines need not agree; the
claims of a process that died are void at once for others on its machine, after
:data:`archon.claims.CLAIM_SECONDS` for those elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import psycopg

from archon import claims
from archon.alarm import Alarm
from archon.claims import Draw
from archon.errors import ConfigError
from archon.models.base import Completion
from archon.postgres_tables import Row, connect, said
from archon.postgres_worker import Worker
from archon.process import this_process
from archon.store import COMMIT_SECONDS, StoreStats, decode, encode
from archon.urls import hidden

SIZE = "SELECT pg_total_relation_size('archon_samples') + pg_total_relation_size('archon_claims')"


class PostgresStore:
    """Samples in one PostgreSQL database; close it, or what came in the last moments may be missing.

    Args:
        url: Such as ``postgresql://user@host/database``; what is not in it comes from libpq's variables and files, the
            password best from ``PGPASSWORD`` or ``~/.pgpass``.

    Attributes:
        place: The URL without its password.
        buying: Draws that somebody in this process is buying right now, with what is set when they are done.

    Raises:
        ConfigError: The database cannot be reached or used, or another version of Archon made its tables.
    """

    def __init__(self, url: str) -> None:
        self.place = hidden(url)
        self.buying: dict[Draw, asyncio.Event] = {}
        self._url = url
        self._pending: dict[Draw, str] = {}
        self._new: list[Row] = []
        self._released: set[Draw] = set()
        self._commit_alarm = Alarm(self._commit_due)
        self._worker = Worker(url, f"{this_process()} {secrets.token_hex(4)}", self._forget)

    async def find(self, key: bytes, draws: Sequence[int]) -> dict[int, Completion]:
        """The samples there are among ``draws``.

        Raises:
            ConfigError: The store cannot be read.
        """
        found = await asyncio.wrap_future(self._worker.find([(key, draw) for draw in draws]))
        # Those that wait to be written are looked for last: what is written by now was there to be found, or
        # else will be found by the claim.
        texts = {draw: self._pending.get((key, draw)) or found.get((key, draw)) for draw in draws}
        return {draw: decode(text) for draw, text in texts.items() if text is not None}

    async def claim(self, draws: Sequence[Draw]) -> bool:
        """Claim draws before buying them, all or none; to be followed by :meth:`put` or :meth:`release`.

        Returns:
            Whether to buy them. If not, somebody else was buying one of them, and is done by now.

        Raises:
            ConfigError: The store cannot be written.
        """
        if any(draw in self._pending for draw in draws):
            return False
        if not self._released.isdisjoint(draws):
            self._commit_soon()
        asked = self._worker.claim(draws)
        try:
            taken = await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            # The claim may be granted all the same.
            asked.add_done_callback(lambda outcome: self._give_back(outcome, draws))
            raise
        if not taken:
            await self._until_free(draws)
        return taken

    def put(self, key: bytes, model: str, samples: Mapping[int, Completion]) -> None:
        """Keep samples; the first to arrive for a draw stays."""
        now = time.time()
        for draw, completion in samples.items():
            if (key, draw) not in self._pending:
                text = self._pending[key, draw] = encode(completion)
                self._new.append((key, draw, model, text, now))
        self.release([(key, draw) for draw in samples])

    def release(self, draws: Sequence[Draw]) -> None:
        """Let others buy what was claimed and not bought."""
        self._released.update(draws)
        self._commit_alarm.set(COMMIT_SECONDS)

    def commit(self) -> None:
        """Write what is waiting, and wait until it is written.

        Raises:
            ConfigError: The store cannot be written.
        """
        self._commit_soon().result()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            self._worker.close()

    def stats(self) -> StoreStats:
        """Count what is there."""
        try:
            with connect(self._url) as db:
                counted = "SELECT model, COUNT(*) FROM archon_samples GROUP BY model ORDER BY model"
                by_model: dict[str, int] = dict(db.execute(counted).fetchall())
                ((oldest,),) = db.execute("SELECT MIN(created) FROM archon_samples").fetchall()
                ((size,),) = db.execute(SIZE).fetchall()
        except psycopg.Error as error:
            raise self._unusable(error) from None
        return StoreStats(sum(by_model.values()), size, by_model, oldest)

    def prune(self, before: float, model: str | None = None) -> int:
        """Forget the samples bought before a moment, of one model or of all; the server gives the space to new ones.

        Returns:
            How many were forgotten.
        """
        condition = "created < %s AND (%s::text IS NULL OR model = %s)"
        try:
            with connect(self._url) as db:
                return db.execute(f"DELETE FROM archon_samples WHERE {condition}", (before, model, model)).rowcount  # noqa: S608
        except psycopg.Error as error:
            raise self._unusable(error) from None

    def export(self) -> Iterator[dict[str, Any]]:
        """Every sample as JSON values."""
        try:
            # A cursor on the server, as not all samples may fit here.
            with connect(self._url) as db, db.transaction(), db.cursor("export") as rows:
                rows.execute("SELECT request, draw, model, completion, created FROM archon_samples ORDER BY created")
                for key, draw, model, completion, created in rows:
                    data = {"request": key.hex(), "draw": draw, "model": model, "created": created}
                    yield {**data, **json.loads(completion)}
        except psycopg.Error as error:
            raise self._unusable(error) from None

    def _commit_due(self) -> None:
        # What fails now is tried again with the next commit, and reported by the last one.
        self._commit_soon()

    def _commit_soon(self) -> Future[None]:
        self._commit_alarm.clear()
        rows, released = self._new, list(self._released)
        self._new, self._released = [], set()
        return self._worker.save(rows, released)

    def _forget(self, draws: Sequence[Draw]) -> None:
        """What is in the database need not be kept here; told in the worker's thread."""
        for draw in draws:
            self._pending.pop(draw, None)

    def _give_back(self, outcome: Future[bool], draws: Sequence[Draw]) -> None:
        if not outcome.cancelled() and outcome.exception() is None and outcome.result():
            self._worker.save((), draws)

    async def _until_free(self, draws: Sequence[Draw]) -> None:
        """Wait until no other store has a claim on any of the draws, looking less and less often."""
        seconds = claims.FIRST_LOOK_SECONDS
        while await asyncio.wrap_future(self._worker.claimed_by_others(draws)):
            await asyncio.sleep(seconds)
            seconds = min(claims.LONGEST_LOOK_SECONDS, seconds * 1.5)

    def _unusable(self, error: psycopg.Error) -> ConfigError:
        return ConfigError(f"{self.place}: the sample store cannot be used: {said(error)}.")
