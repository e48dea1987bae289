"""Opens the sample store at a place: a file, or a database that several machines share."""

from __future__ import annotations

from pathlib import Path

from archon.errors import ConfigError
from archon.store import SampleStore, Store
from archon.urls import hidden, is_readable, is_url

SCHEMES = ("postgresql://", "postgres://")


def open_store(place: str | Path) -> Store:
    """The sample store at a place, made if there is none.

    Args:
        place: A file, or a URL such as ``postgresql://user@host/database``.

    Raises:
        ConfigError: It cannot be opened, the URL is none of PostgreSQL's, or its driver is not installed.
    """
    if not is_url(place):
        return SampleStore(Path(place))
    shown = written_down(place)
    try:
        from archon.postgres_store import PostgresStore
    except ImportError:
        raise ConfigError(
            f"{shown}: a sample store on PostgreSQL needs psycopg: pip install 'archon-inference[postgres]'."
        ) from None
    return PostgresStore(str(place))


def written_down(place: str | Path) -> str:
    """A place as it may be shown and kept: a URL without its password.

    Raises:
        ConfigError: It is a URL of something else, or one that cannot be read in one way only.
    """
    if not is_url(place):
        return str(place)
    url = str(place)
    if not url.startswith(SCHEMES):
        scheme = url.partition("://")[0]
        raise ConfigError(f"{scheme}://…: a sample store is a file or a database postgresql://user@host/database.")
    if not is_readable(url):
        raise ConfigError(
            "The URL of the sample store cannot be read: in a user or password write @ as %40, / as %2F, ? as %3F, # "
            "as %23 and so on, or leave the password to PGPASSWORD or ~/.pgpass."
        )
    return hidden(url)
