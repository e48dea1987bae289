"""The tables of a sample store on PostgreSQL, and the statements on them.

Each may be repeated when it is not known whether it was carried out. Rows are written in one order everywhere, so that
no two processes wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from archon import claims
from archon.claims import Draw
from archon.errors import ConfigError
from archon.process import is_dead
from archon.urls import hidden

Connection = psycopg.Connection[tuple[Any, ...]]
Row = tuple[bytes, int, str, str, float]

VERSION = 1
# Of all who make the tables at once, one does; the number need only be nobody else's.
MAKING = 0x617263686F6E
# A connection that says nothing for about 40 s counts as broken.
CONNECTING = {
    "application_name": "archon",
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "40000",
}
# Claims do not outlast a crash of the server, which spares them the wait for its disk.
SCHEMA = """
CREATE TABLE archon_store (version INTEGER NOT NULL);
CREATE TABLE archon_samples (
    request BYTEA NOT NULL,
    draw BIGINT NOT NULL,
    model TEXT NOT NULL,
    completion TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (request, draw)
);
CREATE UNLOGGED TABLE archon_claims (
    request BYTEA NOT NULL,
    draw BIGINT NOT NULL,
    owner TEXT NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request, draw)
)
"""
ASKED = "unnest(%s::bytea[], %s::bigint[]) AS asked (request, draw)"
FIND = f"SELECT request, draw, completion FROM {ASKED} JOIN archon_samples USING (request, draw)"  # noqa: S608
PUT = """
INSERT INTO archon_samples (request, draw, model, completion, created)
SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::text[], %s::text[], %s::float8[]) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
RELEASE = f"""
DELETE FROM archon_claims USING {ASKED}
WHERE archon_claims.request = asked.request AND archon_claims.draw = asked.draw AND owner = %s
"""  # noqa: S608
CLAIM = f"""
INSERT INTO archon_claims SELECT request, draw, %s, clock_timestamp() + %s * INTERVAL '1 second' FROM {ASKED}
ORDER BY request, draw ON CONFLICT DO NOTHING
"""  # noqa: S608
# A sample may have come while the claim waited for its buyer's commit; only a later statement is sure to see it.
OURS = f"""
SELECT request, draw FROM {ASKED} JOIN archon_claims USING (request, draw)
WHERE owner = %s AND NOT EXISTS (
    SELECT 1 FROM archon_samples bought WHERE bought.request = asked.request AND bought.draw = asked.draw
)
"""  # noqa: S608
RENEW = "UPDATE archon_claims SET until = clock_timestamp() + %s * INTERVAL '1 second' WHERE owner = %s"
OTHERS = f"""
SELECT request, draw, owner, until, until < clock_timestamp() FROM {ASKED} JOIN archon_claims USING (request, draw)
WHERE owner <> %s
"""  # noqa: S608
# A claim that was renewed meanwhile stands.
VOID = "DELETE FROM archon_claims WHERE owner = %s AND until <= %s"


def connect(url: str) -> Connection:
    """A connection each of whose statements is a transaction, unless it says otherwise.

    Raises:
        psycopg.Error: The server cannot be reached, or refuses.
    """
    found: dict[str, Any] = {**CONNECTING, **conninfo_to_dict(url)}
    connection = psycopg.connect(**found, autocommit=True)
    # What the claims rely on, whatever the database's own default is.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def said(error: Exception) -> str:
    """What went wrong, in one line and without passwords."""
    lines = str(error).splitlines() or [type(error).__name__]
    return hidden(" ".join(lines[0].split())).rstrip(".")


def prepare(connection: Connection, url: str) -> None:
    """Make the tables where there are none.

    Raises:
        ConfigError: Another version of Archon made them.
        psycopg.Error: They cannot be made or read.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        (made,) = connection.execute("SELECT to_regclass('archon_store') IS NOT NULL").fetchall()[0]
        if not made:
            connection.execute(SCHEMA)
            connection.execute("INSERT INTO archon_store VALUES (%s)", (VERSION,))
        versions = [version for (version,) in connection.execute("SELECT version FROM archon_store")]
    if versions != [VERSION]:
        raise ConfigError(
            f"{hidden(url)}: this sample store was written by another version of Archon; "
            "use --store with another database."
        )


def find(connection: Connection, draws: Iterable[Draw]) -> dict[Draw, str]:
    """The texts of the samples there are among draws."""
    rows = connection.execute(FIND, _columns(draws), binary=True).fetchall()
    return {(request, draw): text for request, draw, text in rows}


def save(connection: Connection, owner: str, rows: Sequence[Row], released: Sequence[Draw]) -> None:
    """Write samples, unless there are some for their draws, and let go of claims; all or nothing."""
    with connection.pipeline(), connection.transaction():
        if rows:
            connection.execute(PUT, [list(column) for column in zip(*rows, strict=True)])
        if released:
            connection.execute(RELEASE, [*_columns(sorted(released)), owner])


def claim(connection: Connection, owner: str, asked: Sequence[Sequence[Draw]]) -> list[bool]:
    """Claim draws, all of each request or none; which requests may buy theirs."""
    columns = _columns(draw for draws in asked for draw in draws)
    with connection.pipeline(), connection.transaction():
        connection.execute(CLAIM, [owner, claims.CLAIM_SECONDS, *columns])
        rows = connection.execute(OURS, [*columns, owner], binary=True)
    ours = set(rows.fetchall())
    granted = [ours.issuperset(draws) for draws in asked]
    if useless := {draw for draws, taken in zip(asked, granted, strict=True) if not taken for draw in draws}:
        kept = {draw for draws, taken in zip(asked, granted, strict=True) if taken for draw in draws}
        connection.execute(RELEASE, [*_columns(sorted(useless - kept)), owner])
    return granted


def renew(connection: Connection, owner: str) -> None:
    """Keep a store's claims."""
    connection.execute(RENEW, (claims.CLAIM_SECONDS, owner))


def drop(connection: Connection, owner: str) -> None:
    """Let go of all that a store has claimed."""
    connection.execute("DELETE FROM archon_claims WHERE owner = %s", (owner,))


def claimed_by_others(connection: Connection, owner: str, draws: Iterable[Draw]) -> set[Draw]:
    """The draws that other stores have a claim on; the claims of the dead, and those that ran out, are deleted."""
    rows = connection.execute(OTHERS, [*_columns(draws), owner], binary=True).fetchall()
    here = _process(owner)
    latest = {other: until for _, _, other, until, _ in sorted(rows, key=lambda row: row[3])}
    ended = {other for _, _, other, _, over in rows if over}
    void = {other: until for other, until in latest.items() if other in ended or is_dead(_process(other), here)}
    for other, until in void.items():
        connection.execute(VOID, (other, until))
    return {(request, draw) for request, draw, other, *_ in rows if other not in void}


def _process(owner: str) -> str:
    return owner.rpartition(" ")[0]


def _columns(draws: Iterable[Draw]) -> list[list[Any]]:
    requests, numbers = [], []
    for request, draw in draws:
        requests.append(request)
        numbers.append(draw)
    return [requests, numbers]
