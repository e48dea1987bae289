"""A PostgreSQL server of the tests' own, on a Unix socket in a temporary directory; skipped where none is installed."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/opt/postgresql*/bin", "/opt/homebrew/bin")
# Everybody is trusted but this role, whose password is asked for.
GUARDED, PASSWORD = "guarded", "s3cret"
HBA = f"local all {GUARDED} scram-sha-256\nlocal all all trust\n"


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        bin: Where its programs are.
        folder: Where its files and its socket are.
        user: Whom it runs as, where that is not us.
    """

    bin: Path
    folder: Path
    user: str | None

    def run(self, program: str, *arguments: str) -> str:
        """What one of its programs prints."""
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(
            command, user=self.user, group=self.user and _group(self.user), cwd=self.folder, env=_environment(),
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.stdout

    def start(self) -> None:
        """Start the server and wait until it can be used."""
        settings = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=40"
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.folder / "data"), "-l", log, "-o", settings)

    def stop(self) -> None:
        """Stop it at once; what was committed stays."""
        self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.folder / "data"))

    def url(self, database: str, user: str = "archon", password: str = "") -> str:
        """How to connect to one of its databases."""
        credentials = user + (f":{password}" if password else "")
        return f"postgresql://{credentials}@/{database}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What a statement returns, one line per row."""
        where = ("-h", str(self.folder), "-U", "archon", "-d", database)
        return self.run("psql", *where, "-v", "ON_ERROR_STOP=1", "-qAtc", statement).strip()

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{secrets.token_hex(4)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server that all tests of a session share."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # Not where pytest keeps its own: the path of a socket is short, and the server may run as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="archon-pg-"))
    server = Postgres(programs, folder, _unprivileged())
    if server.user is not None:
        shutil.chown(folder, server.user, _group(server.user))
    try:
        data = folder / "data"
        server.run("initdb", "-D", str(data), "-U", "archon", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        (data / "pg_hba.conf").write_text(HBA)
        server.start()
        try:
            server.sql(f"CREATE ROLE {GUARDED} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.run("pg_ctl", "stop", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.create()


def name_of(url: str) -> str:
    """The name of the database that a URL of ``Postgres.url`` leads to."""
    return url.partition("@/")[2].partition("?")[0]


def _programs() -> Path | None:
    """Where the newest server's programs are."""
    found = [path for place in PLACES for path in Path("/").glob(place[1:]) if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _unprivileged() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
