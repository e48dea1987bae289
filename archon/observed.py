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
        seconds: Seconds the endpoint took for them, without the time they waited for their turn.
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
        start: When it was made, in seconds since the epoch.
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


def shared_time(spans: Sequence[tuple[float, float]], slots: int) -> list[tuple[float, float]]:
    """What part of the time between asking and answering belongs to each request of one endpoint.

    While more requests are open than the endpoint serves at once, the others wait, and a request's time from asking
    to answering says little about the endpoint. By Little's law the sums are exact all the same: while k requests are
    open, min(k, slots) of them are being served.

    Args:
        spans: When each request was asked and answered, in seconds.
        slots: How many the endpoint serves at once.

    Returns:
        For every request: seconds of service, and its part of the seconds in which the endpoint was at work.
    """
    change: Counter[float] = Counter()
    for start, end in spans:
        change[start] += 1
        change[end] -= 1
    until: dict[float, tuple[float, float]] = {}
    service = busy = last = 0.0
    open_ = 0
    for moment in sorted(change):
        if open_:
            service += (moment - last) * min(1.0, slots / open_)
            busy += (moment - last) / open_
        open_ += change[moment]
        last = moment
        until[moment] = (service, busy)
    return [(until[end][0] - until[start][0], until[end][1] - until[start][1]) for start, end in spans]


def timed(requests: Iterable[tuple[Key, Heard]], slots: int) -> dict[Key, Observed]:
    """The times of all requests to one endpoint, by model and technique."""
    heard = list(requests)
    rows: defaultdict[Key, Observed] = defaultdict(Observed)
    shares = shared_time([(request.start, request.end) for _, request in heard], slots)
    for (key, request), (seconds, busy) in zip(heard, shares, strict=True):
        rows[key] += Observed(timed=1, timed_completion=request.completion, seconds=seconds, busy=busy)
    return rows
