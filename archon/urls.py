"""URLs of databases, and keeping the passwords in them out of whatever is shown or written down."""

from __future__ import annotations

import re

URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)([^\s\"'<>]+)")
# Credentials end at the first @, as libpq reads them; a second one means that the password holds one that is not
# written as %40.
PLAIN = re.compile(
    r"(?P<user>[^:@/?#\s]*)(?P<password>:[^@/?#\s]*)?@(?P<host>[^@/?#\s]*)(?P<path>/[^@?#\s]*)?(?P<query>\?\w+=\S*)?"
)
ONE_HOST = r"(?:\[[^\]@/?#\s]*\]|[^:@/?#\[\],\s]*)(?::\d*)?"
HOSTS = re.compile(rf"{ONE_HOST}(?:,{ONE_HOST})*(?:/[^@?#\s]*)?(?:\?[^@\s]*)?")
SECRET = re.compile(r"(?<=[?&])(?:ssl)?password=[^&]*&?", re.IGNORECASE)


def is_url(where: object) -> bool:
    """Whether this names a database on a server rather than a file."""
    return "://" in str(where)


def hidden(text: object) -> str:
    """The text with every URL in it as one writes it without the password.

    What is left of a URL still says where to connect; the password then comes from elsewhere.
    """
    return URL.sub(lambda match: match[1] + _without_password(match[2]), str(text))


def is_readable(url: str) -> bool:
    """Whether a URL can be read in one way only; not where a password holds ``@/?#``, quotes or blanks."""
    found = URL.fullmatch(url)
    if found is None:
        return False
    rest = found[2]
    if (plain := PLAIN.fullmatch(rest)) is not None:
        # What looks like a query may be the end of a password.
        return not (plain["password"] and "@" in (plain["query"] or ""))
    return HOSTS.fullmatch(rest) is not None


def _without_password(rest: str) -> str:
    if (found := PLAIN.fullmatch(rest)) is not None:
        rest = f"{found['user']}@{found['host']}{found['path'] or ''}{found['query'] or ''}"
    elif not HOSTS.fullmatch(rest):
        # Whatever stands between the first colon and the last @ may be a part of the password.
        credentials, at, host = rest.rpartition("@")
        rest = f"{credentials.partition(':')[0]}@{host}" if at else rest.partition(":")[0]
    return SECRET.sub("", rest).rstrip("?&")
