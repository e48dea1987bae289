"""What requests were like in earlier runs: sizes and times per model and technique, kept for estimates.

One line of JSON per model, technique and run is appended to a file in the cache. Lines are added up on reading, so
that any number of processes may write, and a line that cannot be read is passed over.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

from archon.paths import cache_dir
from archon.trace import Event

LARGEST_FILE = 1_000_000
LARGEST_VALUE = 1e15

Key = tuple[str, str]
"""A model with its endpoint, and a technique's kind."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Sums over requests of one technique to one model.

    Attributes:
        calls: Requests that the architecture asked for and got.
        samples: Completions they brought.
        prompt: Their prompt tokens.
        completion: Their completion tokens.
        planned: The completions that the technique's plan expected instead.
        assumed: The prompt tokens that would have been assumed for as many calls.
        timed: Requests that were really sent and whose time is known.
        timed_completion: Their completion tokens.
        seconds: Seconds from sending them to their replies.
        busy: Their part of the time in which the endpoint was at work at all.
    """

    calls: int = 0
    samples: int = 0
    prompt: int = 0
    completion: int = 0
    planned: float = 0.0
    assumed: float = 0.0
    timed: int = 0
    timed_completion: int = 0
    seconds: float = 0.0
    busy: float = 0.0

    def __add__(self, other: Observed) -> Observed:
        return Observed(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


class Profile:
    """What is known from earlier runs.

    Args:
        rows: Sums by model and technique.
    """

    def __init__(self, rows: Mapping[Key, Observed] | None = None) -> None:
        self._rows = dict(rows or {})

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The user's profile, or that of another file; empty where nothing can be read."""
        rows: defaultdict[Key, Observed] = defaultdict(Observed)
        with suppress(OSError):
            for line in (path or default_profile()).read_bytes().splitlines():
                if (read := _parse(line)) is not None:
                    key, row = read
                    rows[key] += row
        return cls(rows)

    def of(self, model: str, technique: str) -> Observed:
        """What is known of one technique on one model."""
        return self._rows.get((model, technique), Observed())

    def of_model(self, model: str) -> Observed:
        """What is known of one model, whatever the technique."""
        return sum((row for (known, _), row in self._rows.items() if known == model), Observed())


def default_profile() -> Path:
    """The file that commands use."""
    return cache_dir() / "observed.jsonl"


def remember(rows: Mapping[Key, Observed], path: Path | None = None) -> None:
    """Add what one run has shown. A cache that cannot be written is no reason for a run to fail."""
    if not rows:
        return
    path = path or default_profile()
    lines = [json.dumps({"model": m, "technique": t, **asdict(row)}) for (m, t), row in sorted(rows.items())]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            # The line break comes first, so that a line which was cut by a crash spoils no other.
            file.write(("\n" + "\n".join(lines) + "\n").encode())
            size = file.tell()
        if size > LARGEST_FILE:
            _forget_the_older_half(path)


def _forget_the_older_half(path: Path) -> None:
    """Keep the newer lines; what another process writes at this very moment may be lost."""
    newer = path.read_bytes()[-LARGEST_FILE // 2 :].partition(b"\n")[2]
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(newer)
    Path(file.name).replace(path)


def _parse(line: bytes) -> tuple[Key, Observed] | None:
    try:
        data: dict[str, Any] = json.loads(line)
        key = (data.pop("model"), data.pop("technique"))
        row = Observed(**data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    values = asdict(row).values()
    # Comparisons also refuse what is not a number and what is not finite.
    usable = all(isinstance(value, int | float) and 0 <= value < LARGEST_VALUE for value in values)
    return (key, row) if usable and all(isinstance(part, str) for part in key) else None


@dataclass(frozen=True, slots=True)
class Heard:
    """One request, as the trace tells of it.

    Attributes:
        question: The task's id.
        layer: The path of the layer that asked.
        model: The model's name.
        samples: How many completions were asked for.
        prompt: Prompt tokens.
        completion: Completion tokens.
        start: When it was sent, in seconds since the epoch.
        end: When its reply had come.
        failed: Whether there was none.
    """

    question: str
    layer: str
    model: str
    samples: int
    prompt: int
    completion: int
    start: float
    end: float
    failed: bool


class Watch:
    """An observer of a run.

    Attributes:
        calls: What the architecture asked for.
        attempts: What was really sent.
    """

    def __init__(self) -> None:
        self.calls: list[Heard] = []
        self.attempts: list[Heard] = []

    def __call__(self, event: Event) -> None:
        """Remember a request, pass over everything else."""
        if event.kind not in ("call", "attempt"):
            return
        data = event.data
        heard = Heard(
            event.question,
            event.layer,
            data["model"],
            len(data["indices"]),
            data["prompt_tokens"],
            data["completion_tokens"],
            event.time - data["seconds"],
            event.time,
            "error" in data,
        )
        (self.calls if event.kind == "call" else self.attempts).append(heard)


def busy_shares(spans: Sequence[tuple[float, float]]) -> list[float]:
    """Each request's part of the seconds in which an endpoint was at work: while k are in flight, a k-th of the time.

    Args:
        spans: When each request was sent and answered, in seconds.
    """
    change: Counter[float] = Counter()
    for start, end in spans:
        change[start] += 1
        change[end] -= 1
    until: dict[float, float] = {}
    share = last = 0.0
    in_flight = 0
    for moment in sorted(change):
        if in_flight:
            share += (moment - last) / in_flight
        in_flight += change[moment]
        last = moment
        until[moment] = share
    return [until[end] - until[start] for start, end in spans]


def timed(requests: Iterable[tuple[Key, Heard]]) -> dict[Key, Observed]:
    """The times of all that was sent to one endpoint, by model and technique; what failed tells nothing of speed."""
    heard = list(requests)
    rows: defaultdict[Key, Observed] = defaultdict(Observed)
    shares = busy_shares([(request.start, request.end) for _, request in heard])
    for (key, request), busy in zip(heard, shares, strict=True):
        if not request.failed:
            seconds = request.end - request.start
            rows[key] += Observed(timed=1, timed_completion=request.completion, seconds=seconds, busy=busy)
    return rows
