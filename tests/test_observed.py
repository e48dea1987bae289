"""What is kept of earlier runs survives anything, and waiting is told from service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.observed import LARGEST_FILE, Observed, Profile, Watch, default_profile, remember, shared_time
from archon.trace import Event

ROW = Observed(2, 4, 100, 60, 4.0, 90.0, 2, 60, 1.5, 0.75)
KEY = ("openai/test", "rank")


def test_runs_add_up(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "observed.jsonl"
    assert Profile.load(file).of(*KEY) == Observed()
    remember({KEY: ROW}, file)
    remember({KEY: ROW, ("openai/test", "fuse"): ROW}, file)
    profile = Profile.load(file)
    assert profile.of(*KEY) == ROW + ROW
    assert profile.of_model("openai/test") == ROW + ROW + ROW
    assert profile.of("openai/other", "rank") == Observed()


@given(st.binary(), st.binary())
def test_no_content_of_the_file_does_any_harm(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes
) -> None:
    file = tmp_path_factory.mktemp("profile") / "observed.jsonl"
    file.write_bytes(before)
    remember({KEY: ROW}, file)
    with file.open("ab") as opened:
        opened.write(after)
    assert Profile.load(file).of(*KEY) == ROW


@pytest.mark.parametrize(
    "line",
    [
        '{"model": "openai/test", "technique": "rank", "calls": NaN}',
        '{"model": "openai/test", "technique": "rank", "calls": -1}',
        '{"model": "openai/test", "technique": "rank", "calls": 1' + "0" * 400 + "}",
        '{"model": "openai/test", "technique": "rank", "calls": "1"}',
        '{"model": "openai/test", "technique": "rank", "from": "the future"}',
        '{"model": ["openai/test"], "technique": "rank", "calls": 1}',
        "[" * 100_000,
        "[]",
    ],
)
def test_lines_that_make_no_sense_are_passed_over(tmp_path: Path, line: str) -> None:
    file = tmp_path / "observed.jsonl"
    file.write_text(line)
    remember({KEY: ROW}, file)
    assert Profile.load(file).of(*KEY) == ROW


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "observed.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: remember({KEY: Observed(calls=1)}, file), range(200)))
    assert Profile.load(file).of(*KEY).calls == 200


def test_the_file_forgets_what_is_old_and_stays_small(tmp_path: Path) -> None:
    file = tmp_path / "observed.jsonl"
    long = {("x" * 10_000, "rank"): ROW}
    for _ in range(LARGEST_FILE // 10_000 + 5):
        remember(long, file)
    remember({KEY: ROW}, file)
    assert file.stat().st_size <= LARGEST_FILE
    assert Profile.load(file).of(*KEY) == ROW
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARCHON_CACHE", str(tmp_path / "file" / "below"))
    remember({KEY: ROW})
    assert Profile.load().of(*KEY) == Observed()
    assert default_profile().name == "observed.jsonl"


def test_waiting_for_a_slot_is_not_service() -> None:
    """Ten requests of one second, five at a time: the later five wait a second."""
    spans = [(0.0, 1.0)] * 5 + [(0.0, 2.0)] * 5
    shares = shared_time(spans, slots=5)
    assert sum(seconds for seconds, _ in shares) == pytest.approx(10)
    assert sum(busy for _, busy in shares) == pytest.approx(2)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1), st.integers(1, 20))
def test_shares_of_time_add_up(pairs: list[tuple[int, int]], slots: int) -> None:
    spans = [(min(pair) / 8, max(pair) / 8) for pair in pairs]
    shares = shared_time(spans, slots)
    moments = sorted({moment for span in spans for moment in span})
    at_work = served = 0.0
    for start, end in pairwise(moments):
        open_ = sum(s <= start and e >= end for s, e in spans)
        at_work += (end - start) * (open_ > 0)
        served += (end - start) * min(open_, slots)
    assert sum(seconds for seconds, _ in shares) == pytest.approx(served)
    assert sum(busy for _, busy in shares) == pytest.approx(at_work)


def test_events_are_small_facts() -> None:
    watch = Watch()
    watch(Event("layer", "q", "0.generate", {"candidates": []}))
    data = {"model": "m", "indices": [0, 1], "prompt_tokens": 3, "completion_tokens": 4, "seconds": 2.0}
    watch(Event("attempt", "q", "0.generate", {**data, "error": "timeout: late"}, 10.0))
    watch(Event("call", "q", "0.generate", data, 11.0))
    (attempt,), (call,) = watch.attempts, watch.calls
    assert (attempt.start, attempt.end, attempt.failed) == (8.0, 10.0, True)
    assert (call.samples, call.prompt, call.completion, call.failed) == (2, 3, 4, False)
