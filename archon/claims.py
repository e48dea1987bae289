"""Who is buying which draw, told to every process that shares a sample store, so that none is bought twice.

A draw is claimed before it is bought and set free by the commit that brings its sample, or soon after buying it has
failed. A request claims all its draws or none, and whoever waits holds no claim, so that no two processes ever wait
for each other. The claims of a process that died are void: at once where the machine can tell, after
:data:`CLAIM_SECONDS` otherwise. Time is that of the wall clock: when it is set forward by more than that, claims are
void too early and a draw may be bought twice; when it is set back, claims that only time can end last longer by as
much.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from archon.alarm import Alarm
from archon.database import transaction
from archon.errors import ConfigError
from archon.process import is_dead, this_process

Draw = tuple[bytes, int]

CLAIM_SECONDS = 60.0
RENEW_SECONDS = 20.0
FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.25
SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    request BLOB NOT NULL,
    draw INTEGER NOT NULL,
    owner TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (request, draw)
) WITHOUT ROWID
"""
# A sample that came between looking for it and claiming it must not be bought.
CLAIM = """
INSERT OR IGNORE INTO claims SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM samples WHERE request = ?1 AND draw = ?2)
"""
RELEASE = "DELETE FROM claims WHERE request = ? AND draw = ? AND owner = ?"


class Claims:
    """The claims of one open sample store.

    Args:
        db: The store's database.

    Attributes:
        released: Draws whose claims the next commit deletes.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._process = this_process()
        self._owner = f"{self._process} {secrets.token_hex(4)}"
        self._asking: list[tuple[Sequence[Draw], asyncio.Future[bool]]] = []
        self._held: set[Draw] = set()
        self.released: set[Draw] = set()
        self._waiting: dict[asyncio.Future[None], frozenset[Draw]] = {}
        self._look_seconds = FIRST_LOOK_SECONDS
        self._look_alarm = Alarm(self._look)
        self._renew_alarm = Alarm(self._renew)

    async def take(self, draws: Sequence[Draw]) -> bool:
        """Claim draws, all of them or none.

        Returns:
            Whether they are ours to buy. If not, another store had one of them, and has let go of all by now.

        Raises:
            ConfigError: The store cannot be written.
        """
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._asking:
            # All that ask in this turn of the loop share a transaction.
            asyncio.get_running_loop().call_soon(self._take_all)
        self._asking.append((draws, turn))
        try:
            taken = await turn
        except asyncio.CancelledError:
            # The claim may have been granted in the very turn in which its buyer was cancelled.
            if turn.done() and not turn.cancelled() and turn.exception() is None and turn.result():
                self.release(draws)
            raise
        if not taken:
            await self._until_free(draws)
        return taken

    def release(self, draws: Sequence[Draw]) -> None:
        """Let go of draws with the next commit."""
        self.released.update(draws)
        self._held.difference_update(draws)

    def delete_released(self) -> None:
        """Delete the claims on what was released, inside the transaction of a commit."""
        self._db.executemany(RELEASE, [(*draw, self._owner) for draw in self.released])

    def close(self) -> None:
        """Let go of everything."""
        self._look_alarm.clear()
        self._renew_alarm.clear()
        if self._held or self.released:
            self._db.execute("DELETE FROM claims WHERE owner = ?", (self._owner,))

    def _take_all(self) -> None:
        asking = [(draws, turn) for draws, turn in self._asking if not turn.done()]
        self._asking = []
        if not asking:
            return
        until = time.time() + CLAIM_SECONDS
        rows = [(*draw, self._owner, until) for draws, _ in asking for draw in draws]
        try:
            with transaction(self._db):
                before = self._db.total_changes
                self._db.executemany(CLAIM, rows)
                everything = self._db.total_changes - before == len(rows)
                granted = [everything or self._all_ours(draws) for draws, _ in asking]
        except sqlite3.Error as error:
            self._fail([turn for _, turn in asking], error)
            return
        for (draws, turn), taken in zip(asking, granted, strict=True):
            if taken:
                self._held.update(draws)
                # A draw may be wanted again before the commit that would have let go of it.
                self.released.difference_update(draws)
            turn.set_result(taken)
        self._renew_alarm.set(RENEW_SECONDS)

    def _all_ours(self, draws: Sequence[Draw]) -> bool:
        """Whether all draws are claimed by us; if not, let go of those that are."""
        query = "SELECT owner FROM claims WHERE request = ? AND draw = ?"
        ours = [draw for draw in draws if self._db.execute(query, draw).fetchone() == (self._owner,)]
        if len(ours) == len(draws):
            return True
        self._db.executemany(RELEASE, [(*draw, self._owner) for draw in ours])
        return False

    async def _until_free(self, draws: Sequence[Draw]) -> None:
        """Wait until no other store has a claim on any of the draws."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = frozenset(draws)
        self._look_alarm.set(self._look_seconds)
        try:
            await turn
        finally:
            del self._waiting[turn]

    def _look(self) -> None:
        """Wake whose draws are free; look again, less often the longer nothing happens."""
        waiting = {turn: draws for turn, draws in self._waiting.items() if not turn.done()}
        if not waiting:
            return
        try:
            claimed = self._claimed_by_others()
        except sqlite3.Error as error:
            self._fail(waiting, error)
            return
        free = [turn for turn, draws in waiting.items() if draws.isdisjoint(claimed)]
        for turn in free:
            turn.set_result(None)
        self._look_seconds = FIRST_LOOK_SECONDS if free else min(LONGEST_LOOK_SECONDS, self._look_seconds * 1.5)
        if len(free) < len(waiting):
            self._look_alarm.set(self._look_seconds)

    def _claimed_by_others(self) -> set[Draw]:
        """The draws that other stores have a claim on, those left behind by the dead excepted."""
        query = "SELECT request, draw, owner, until FROM claims WHERE owner != ? ORDER BY until"
        rows = self._db.execute(query, (self._owner,)).fetchall()
        latest = {owner: until for _, _, owner, until in rows}
        now = time.time()
        void = {owner: until for owner, until in latest.items() if until < now or self._is_dead(owner)}
        if void:
            # A claim that was renewed meanwhile stands.
            with transaction(self._db):
                self._db.executemany("DELETE FROM claims WHERE owner = ? AND until <= ?", void.items())
        return {(request, draw) for request, draw, owner, _ in rows if owner not in void}

    def _is_dead(self, owner: str) -> bool:
        return is_dead(owner.rpartition(" ")[0], self._process)

    def _renew(self) -> None:
        if not self._held:
            return
        # One renewal may fail, as the claims outlast two.
        with suppress(sqlite3.Error):
            until = time.time() + CLAIM_SECONDS
            self._db.execute("UPDATE claims SET until = ? WHERE owner = ?", (until, self._owner))
        self._renew_alarm.set(RENEW_SECONDS)

    @staticmethod
    def _fail(turns: Iterable[asyncio.Future[bool]] | Iterable[asyncio.Future[None]], error: sqlite3.Error) -> None:
        for turn in turns:
            turn.set_exception(ConfigError(f"The sample store cannot be used: {error}."))
