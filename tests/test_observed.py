"""What is kept of earlier runs survives anything, and time is shared out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.observed import LARGEST_FILE, Observed, Profile, Watch, busy_shares, default_profile, remember
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


def test_what_is_in_flight_together_shares_the_time() -> None:
    assert busy_shares([(0, 2), (1, 2), (4, 5)]) == [1.5, 0.5, 1]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1))
def test_shares_add_up_to_the_time_at_work(pairs: list[tuple[int, int]]) -> None:
    spans = [(min(pair) / 8, max(pair) / 8) for pair in pairs]
    moments = sorted({moment for span in spans for moment in span})
    at_work = sum(end - start for start, end in pairwise(moments) if any(s <= start and e >= end for s, e in spans))
    assert sum(busy_shares(spans)) == pytest.approx(at_work)


def test_events_are_small_facts() -> None:
    watch = Watch()
    watch(Event("layer", "q", "0.generate", {"candidates": []}))
    data = {"model": "m", "indices": [0, 1], "prompt_tokens": 3, "completion_tokens": 4, "seconds": 2.0}
    watch(Event("attempt", "q", "0.generate", {**data, "error": "timeout: late"}, 10.0))
    watch(Event("call", "q", "0.generate", data, 11.0))
    (attempt,), (call,) = watch.attempts, watch.calls
    assert (attempt.start, attempt.end, attempt.failed) == (8.0, 10.0, True)
    assert (call.samples, call.prompt, call.completion, call.failed) == (2, 3, 4, False)
