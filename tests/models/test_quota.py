"""What headers say of limits, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.models.quota import LONGEST_SECONDS, Allowance, Notice, read_notices


def openai_headers(limit: str, remaining: str, reset: str) -> dict[str, str]:
    parts = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{part}-requests": value for part, value in parts.items()}


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86400.0),
        ("7", 7.0),
        ("0.25", 0.25),
        ("0s", 0.0),
    ],
)
def test_durations(reset: str, seconds: float) -> None:
    notice = read_notices(openai_headers("60", "59", reset))["requests"]
    assert (notice.remaining, notice.limit) == (59, 60)
    assert notice.reset == pytest.approx(seconds)


@pytest.mark.parametrize(
    "write",
    [
        lambda when: when.isoformat(),
        lambda when: when.isoformat().replace("+00:00", "Z"),
        lambda when: format_datetime(when, usegmt=True),
        lambda when: str(when.timestamp()),
        lambda when: str(int(when.timestamp() * 1000)),
    ],
)
def test_moments(write: Callable[[datetime], str]) -> None:
    here = read_notices(openai_headers("60", "59", write(datetime.now(UTC) + timedelta(seconds=30))))["requests"]
    assert here.reset is not None
    assert 28 < here.reset <= 30
    # A clock of the endpoint's that is two hours off does not matter where it shows it.
    theirs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    headers = openai_headers("60", "59", write(theirs + timedelta(seconds=30)))
    assert read_notices({**headers, "date": format_datetime(theirs, usegmt=True)})["requests"].reset == 30


def test_both_dialects_are_read() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "1s",
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "900",
        "anthropic-ratelimit-tokens-reset": "6s",
        "anthropic-ratelimit-input-tokens-limit": "700",
        "anthropic-ratelimit-input-tokens-remaining": "600",
        "anthropic-ratelimit-input-tokens-reset": "9s",
    }
    expected = {"requests": Notice(49, 50, 1), "tokens": Notice(900, 1000, 6), "prompt": Notice(600, 700, 9)}
    assert read_notices(headers) == expected
    assert read_notices({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1s"}) == {
        "tokens": Notice(5, None, 1)
    }


NONSENSE = st.sampled_from(
    ["", "soon", "-1", "nan", "inf", "1e400", "1,000", "5 s", "s", "2026-13-45", "0x10", "\x00", "٣", "١s"]
)


@given(st.text(max_size=12) | NONSENSE, st.text(max_size=12) | NONSENSE, st.text(max_size=12) | NONSENSE, st.integers())
def test_whatever_an_endpoint_says_nobody_waits_for_long(limit: str, remaining: str, reset: str, date: int) -> None:
    headers = {**openai_headers(limit, remaining, reset), "date": str(date)}
    for notice in read_notices(headers).values():
        allowance = Allowance(4, 101.0)
        allowance.hear(notice, total=1, at=100.0, now=101.0)
        assert 0 <= allowance.wait(1, 101.0) <= LONGEST_SECONDS
        assert allowance.wait(1, 101.0 + LONGEST_SECONDS) == 0


@pytest.mark.parametrize("remaining", ["", "many", "-5", "nan", "inf"])
def test_what_cannot_be_read_is_passed_over(remaining: str) -> None:
    assert read_notices(openai_headers("60", remaining, "1s")) == {}
    assert read_notices({"x-ratelimit-remaining-requests": "0"}) == {}, "nobody could say how long to wait"


def heard(notice: Notice, now: float = 0.0) -> Allowance:
    allowance = Allowance(0, now)
    allowance.hear(notice, 0, now, now)
    return allowance


def test_a_bucket_fills_at_the_rate_that_the_headers_imply() -> None:
    allowance = heard(Notice(remaining=2, limit=100, reset=49.0))
    assert allowance.wait(2, 0.0) == 0
    assert allowance.wait(6, 0.0) == pytest.approx(2.0)
    assert allowance.wait(6, 1.5) == pytest.approx(0.5)
    assert allowance.wait(1000, 0.0) == pytest.approx(49.0), "more than the limit waits until it is whole"
    allowance.spend(6, 2.0)
    assert allowance.wait(1, 2.0) == pytest.approx(0.5)


def test_what_was_let_through_since_is_taken_off() -> None:
    allowance = Allowance(5, 0.0)
    allowance.spend(8, 0.0)
    allowance.hear(Notice(remaining=10, limit=100, reset=45.0), total=5, at=0.0, now=0.0)
    assert allowance.wait(2, 0.0) == 0
    assert allowance.wait(3, 0.0) == pytest.approx(0.5)


def test_without_a_limit_the_reset_is_waited_for() -> None:
    allowance = heard(Notice(remaining=1, limit=None, reset=4.0), now=10.0)
    assert allowance.wait(1, 10.0) == 0
    allowance.spend(1, 10.0)
    assert allowance.wait(1, 11.0) == pytest.approx(3.0)
    assert allowance.wait(1, 14.0) == 0


def test_an_hour_is_not_slept_through_at_once() -> None:
    allowance = heard(Notice(remaining=0, limit=24, reset=86400.0))
    assert allowance.wait(1, 0.0) == LONGEST_SECONDS
    allowance.spend(1, LONGEST_SECONDS)
    assert allowance.wait(1, LONGEST_SECONDS) == LONGEST_SECONDS, "then one may see how things are"


@settings(deadline=None)
@given(
    capacity=st.integers(1, 30),
    rate=st.floats(0.5, 50),
    requests=st.lists(st.tuples(st.integers(1, 30), st.floats(0, 3), st.integers(0, 5)), min_size=1, max_size=60),
)
def test_an_endpoint_that_says_the_truth_never_has_to_refuse(
    capacity: int, rate: float, requests: list[tuple[int, float, int]]
) -> None:
    """The endpoint is a bucket; replies come late and out of order, and say what was left when the request came."""
    now, level, total, newest = 0.0, float(capacity), 0, 0
    allowance = heard(Notice(capacity, capacity, None))
    on_their_way: list[tuple[int, Notice, int, float]] = []
    for number, (units, gap, delay) in enumerate(requests):
        units, before = min(units, capacity), now
        now += gap
        while (wait := allowance.wait(units, now)) > 0:
            now += wait
        allowance.spend(units, now)
        # Until a notice shows the rate, that of a limit per minute is assumed.
        level = min(capacity, level + (now - before) * rate) - units
        assert level >= -1e-3
        total += units
        notice = Notice(max(0.0, level), capacity, (capacity - level) / rate)
        on_their_way.append((number + delay, notice, total, now))
        for _, notice, mark, at in [reply for reply in on_their_way if reply[0] == number]:
            if mark > newest:
                newest = mark
                allowance.hear(notice, mark, at, now)
