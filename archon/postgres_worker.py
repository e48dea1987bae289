"""The one thread that talks to PostgreSQL for a sample store, so that no event loop ever waits for a server.

Whatever is asked while it is busy is answered together in its next round: first what is to be written, then claims,
then lookups, each in one round trip, so that a slow network costs time and hardly any throughput. When the connection
breaks or the server restarts, it connects again and repeats what it was doing.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import psycopg

from archon import claims, postgres_tables
from archon.claims import Draw
from archon.errors import ConfigError
from archon.postgres_tables import Connection, Row, connect, prepare, said
from archon.urls import hidden

T = TypeVar("T")

# How long a server may be away.
RECONNECT_SECONDS = 30.0
RECONNECT_PAUSE = 0.05
LONGEST_PAUSE = 2.0
NEVER = float("inf")
Jobs = list[tuple[Any, Future[Any]]]


class Worker:
    """A thread with a connection.

    Args:
        url: The database.
        owner: Whose claims they are: the process as :func:`archon.process.this_process` has it, a blank, and what
            tells this store from others in the process.
        saved: Told in the thread which draws are now in the database.

    Raises:
        ConfigError: The database cannot be reached or used, or another version of Archon made its tables.
    """

    def __init__(self, url: str, owner: str, saved: Callable[[Sequence[Draw]], None]) -> None:
        self._url = url
        self._owner = owner
        self._saved = saved
        self._jobs: queue.SimpleQueue[tuple[str, Any, Future[Any]]] = queue.SimpleQueue()
        self._unsaved: list[Row] = []
        self._released: set[Draw] = set()
        self._held: set[Draw] = set()
        self._renew_at = NEVER
        # In this order: what was released before it is claimed again has to be gone by then.
        self._kinds = {
            "save": self._save,
            "claim": self._claim,
            "find": self._find,
            "look": self._look,
            "close": self._close,
        }
        try:
            self._connection = connect(url)
            try:
                prepare(self._connection, url)
            except BaseException:
                self._connection.close()
                raise
        except psycopg.Error as error:
            raise ConfigError(f"{hidden(url)}: the sample store cannot be opened: {said(error)}.") from None
        self._thread = threading.Thread(target=self._work, name="archon sample store", daemon=True)
        self._thread.start()

    def find(self, draws: Sequence[Draw]) -> Future[dict[Draw, str]]:
        """The texts of the samples there are among draws, and maybe of others."""
        return self._ask("find", draws)

    def claim(self, draws: Sequence[Draw]) -> Future[bool]:
        """Claim all of the draws or none; whether they are ours to buy."""
        return self._ask("claim", draws)

    def save(self, rows: Sequence[Row], released: Sequence[Draw]) -> Future[None]:
        """Write samples and let go of claims; what could not be written is tried again with the next ones."""
        return self._ask("save", (rows, released))

    def claimed_by_others(self, draws: Sequence[Draw]) -> Future[bool]:
        """Whether another store has a claim on one of the draws."""
        return self._ask("look", draws)

    def close(self) -> None:
        """Finish what was asked, let go of everything, and end the thread."""
        if self._thread.is_alive():
            self._ask("close", None)
            self._thread.join()

    def _ask(self, kind: str, what: Any) -> Future[Any]:
        outcome: Future[Any] = Future()
        self._jobs.put((kind, what, outcome))
        return outcome

    def _work(self) -> None:
        while True:
            asked: dict[str, Jobs] = {kind: [] for kind in self._kinds}
            for kind, what, outcome in self._next():
                # From here on its asker cannot take it back.
                if outcome.set_running_or_notify_cancel():
                    asked[kind].append((what, outcome))
            for kind, jobs in asked.items():
                if jobs:
                    self._answer(jobs, self._kinds[kind])
            if asked["close"]:
                return
            if time.monotonic() >= self._renew_at:
                self._renew()

    def _next(self) -> list[tuple[str, Any, Future[Any]]]:
        """All that is waiting; nothing when it is time to renew claims."""
        patience = None if self._renew_at == NEVER else max(0.0, self._renew_at - time.monotonic())
        found = []
        try:
            found.append(self._jobs.get(timeout=patience))
            while True:
                found.append(self._jobs.get_nowait())
        except queue.Empty:
            return found

    def _answer(self, jobs: Jobs, work: Callable[[list[Any]], Sequence[Any]]) -> None:
        try:
            results = work([what for what, _ in jobs])
        except Exception as error:
            if isinstance(error, psycopg.Error):
                error = ConfigError(f"The sample store cannot be used: {said(error)}.")
            for _, outcome in jobs:
                outcome.set_exception(error)
            return
        for (_, outcome), result in zip(jobs, results, strict=True):
            outcome.set_result(result)

    def _repeat(self, do: Callable[[Connection], T]) -> T:
        """Do something until the server was there to do it."""
        give_up, pause = time.monotonic() + RECONNECT_SECONDS, RECONNECT_PAUSE
        while True:
            try:
                if self._connection.closed:
                    self._connection = connect(self._url)
                return do(self._connection)
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _save(self, asked: list[Any]) -> Sequence[None]:
        for rows, released in asked:
            self._unsaved += rows
            self._released.update(released)
        saving, released = self._unsaved, sorted(self._released)
        self._held.difference_update(released)
        if saving or released:
            self._repeat(lambda connection: postgres_tables.save(connection, self._owner, saving, released))
        self._saved([(request, draw) for request, draw, *_ in saving])
        self._unsaved, self._released = [], set()
        return [None] * len(asked)

    def _claim(self, asked: list[Any]) -> Sequence[bool]:
        granted = self._repeat(lambda connection: postgres_tables.claim(connection, self._owner, asked))
        for draws, taken in zip(asked, granted, strict=True):
            if taken:
                self._held.update(draws)
                # A release that could not be written must not be written later.
                self._released.difference_update(draws)
        if self._held and self._renew_at == NEVER:
            self._renew_at = time.monotonic() + claims.RENEW_SECONDS
        return granted

    def _find(self, asked: list[Any]) -> Sequence[dict[Draw, str]]:
        draws = [draw for draws in asked for draw in draws]
        found = self._repeat(lambda connection: postgres_tables.find(connection, draws))
        return [found] * len(asked)

    def _look(self, asked: list[Any]) -> Sequence[bool]:
        draws = {draw for draws in asked for draw in draws}
        claimed = self._repeat(
            lambda connection: postgres_tables.claimed_by_others(connection, self._owner, sorted(draws))
        )
        return [not claimed.isdisjoint(draws) for draws in asked]

    def _renew(self) -> None:
        """Keep the claims of what is still being bought; one renewal may fail, as claims outlast two."""
        try:
            if self._held:
                self._repeat(lambda connection: postgres_tables.renew(connection, self._owner))
        except psycopg.Error:
            pass
        self._renew_at = time.monotonic() + claims.RENEW_SECONDS if self._held else NEVER

    def _close(self, asked: list[Any]) -> Sequence[None]:
        try:
            if self._held or self._released:
                postgres_tables.drop(self._connection, self._owner)
        finally:
            self._connection.close()
        return [None] * len(asked)
