"""Passwords in URLs are never shown, whatever is in them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archon import ConfigError, open_store
from archon.stores import written_down
from archon.urls import hidden, is_readable

# Long enough not to stand in the rest of a URL by chance.
PASSWORDS = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=6, max_size=20).map(
    lambda text: f"Zq{text}"
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h/db", "postgresql://u@h/db"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://one:5432,two:5433/db?a=b", "postgresql://one:5432,two:5433/db?a=b"),
        ("postgresql://u:secret@[::1]:5/db?options=a@b", "postgresql://u@[::1]:5/db?options=a@b"),
        ("postgresql://u:secret@/db?host=/run/pg", "postgresql://u@/db?host=/run/pg"),
        ("postgresql:///db?password=secret&host=/run/pg", "postgresql:///db?host=/run/pg"),
        ("postgresql://h/db?host=h&sslpassword=secret", "postgresql://h/db?host=h"),
        ("postgres://u:secret", "postgres://u"),
        ("cannot open postgresql://u:secret@h/db.", "cannot open postgresql://u@h/db."),
        ("/home/me/samples.sqlite", "/home/me/samples.sqlite"),
    ],
)
def test_the_password_goes_and_the_rest_stays(url: str, shown: str) -> None:
    assert hidden(url) == shown


@given(PASSWORDS, st.sampled_from(["h/db", "/db?host=/run", "[::1]:5432/db", "a,b/db?x=y"]))
def test_an_escaped_password_leaves_no_trace(password: str, rest: str) -> None:
    url = f"postgresql://u:{quote(password, safe='')}@{rest}"
    assert is_readable(url)
    assert written_down(url) == f"postgresql://u@{rest}"
    # Hiding twice changes nothing.
    assert hidden(hidden(url)) == hidden(url)


@example("Zq0000@?", "h/db")
@example("Zq0000@?a=", "h/db")
@given(PASSWORDS, st.sampled_from(["h/db", "/db?host=/run"]))
def test_an_unescaped_one_is_removed_or_refused(password: str, rest: str) -> None:
    url = f"postgresql://u:{password}@{rest}"
    try:
        assert written_down(url) == f"postgresql://u@{rest}"
    except ConfigError as error:
        assert password not in str(error)
        assert "%40" in str(error)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "sqlite:///u:secret@x"])
def test_only_postgresql_is_a_database(url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://user@host/database") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
