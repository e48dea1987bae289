"""What an architecture will ask, cost and take, before anything is spent; and how far off that was afterwards."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archon.architecture import Architecture
from archon.cost import Price, Totals, Usage
from archon.forecast import BYTES_PER_TOKEN, COMPLETION_TOKENS, Part, Size, Use, targets, walk
from archon.models.limit import CHARACTERS_PER_TOKEN, UNBOUNDED_COMPLETION
from archon.models.window import WINDOW_SECONDS
from archon.observed import Observed, Profile
from archon.state import Task

# Where no request was timed: hosted models serve each request at a speed of its own, local ones share theirs.
LATENCY = 0.5
TOKENS_PER_SECOND = 50.0
LOCAL_TOKENS_PER_SECOND = 15.0

ASSUMPTIONS = (
    f"{BYTES_PER_TOKEN} bytes of text per prompt token, {COMPLETION_TOKENS} tokens per completion or max_tokens if "
    f"fewer, {LATENCY:g} s and {TOKENS_PER_SECOND:g} tokens/s per hosted request, {LOCAL_TOKENS_PER_SECOND:g} tokens/s "
    "for all requests to a local model"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is asked for and what it costs; infinite where nothing bounds it.

    Attributes:
        calls: Requests.
        samples: Completions.
        prompt: Prompt tokens.
        completion: Completion tokens.
        dollars: The known part of the cost.
        unpriced: Requests to models whose price is not known.
    """

    calls: float = 0.0
    samples: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0
    dollars: float = 0.0
    unpriced: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.calls + other.calls,
            self.samples + other.samples,
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.dollars + other.dollars,
            self.unpriced + other.unpriced,
        )

    def times(self, questions: int) -> Figures:
        """The same for several questions."""
        return Figures(
            self.calls * questions,
            self.samples * questions,
            self.prompt * questions,
            self.completion * questions,
            self.dollars * questions,
            self.unpriced * questions,
        )


UNBOUNDED = Figures(*[math.inf] * 6)


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One component.

    Attributes:
        layer: Its path.
        known: Whether its technique has a plan; without one its figures are left out.
        figures: What it asks for on one question.
        at_most: What it may ask for on one question.
        seconds: How long it takes on one question.
        basis: Whether that was observed or is assumed.
        observed_calls: How many earlier requests that rests on.
    """

    layer: str
    known: bool
    figures: Figures
    at_most: Figures
    seconds: float
    basis: str
    observed_calls: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """One architecture over questions.

    Attributes:
        architecture: Its name.
        questions: How many there are.
        layers: Its components in document order.
        each_seconds: How long one question takes by itself.
        seconds: How long all of them take, asked at once.
        prices: The prices of its models, ``None`` where not known.
    """

    architecture: str
    questions: int
    layers: tuple[LayerEstimate, ...]
    each_seconds: float
    seconds: float
    prices: Mapping[str, Price | None]

    @property
    def each(self) -> Figures:
        """What is expected on one question."""
        return sum((layer.figures for layer in self.layers), Figures())

    @property
    def total(self) -> Figures:
        """What is expected on all questions."""
        return self.each.times(self.questions)

    @property
    def at_most(self) -> Figures:
        """What it may come to on all questions."""
        return sum((layer.at_most for layer in self.layers), Figures()).times(self.questions)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The components without a plan; with any, what is expected is a lower bound."""
        return tuple(layer.layer for layer in self.layers if not layer.known)


def estimate(architecture: Architecture, tasks: Sequence[Task], profile: Profile) -> Estimate:
    """What an architecture will do with tasks, of which there is at least one; nothing is asked of any model.

    Args:
        architecture: What would run.
        tasks: What it would run on.
        profile: What is known from earlier runs.
    """
    models, size = targets(architecture), Size.of(tasks)
    expected = walk(architecture, models, size, profile)
    bounds = walk(architecture, models, size, None)
    layers = [
        LayerEstimate(
            layer=part.path,
            known=part.uses is not None,
            figures=_figures(part, profile),
            at_most=_figures(bound, None),
            seconds=sum(_path([part], profile).values()),
            basis=_basis(part, profile),
            observed_calls=sum(row.calls for row in {use.observed for use in part.uses or ()}),
        )
        for parts, limits in zip(expected, bounds, strict=True)
        for part, bound in zip(parts, limits, strict=True)
    ]
    return Estimate(
        architecture=architecture.name,
        questions=len(tasks),
        layers=tuple(layers),
        each_seconds=_wall(expected, profile, 1),
        seconds=_wall(expected, profile, len(tasks)),
        prices={target.spec.use: target.spec.price for target in models.values()},
    )


def _figures(part: Part, profile: Profile | None) -> Figures:
    """What a component asks for; without a profile, what it may ask for."""
    if part.uses is None:
        return Figures() if profile is not None else UNBOUNDED
    total = Figures()
    for use in part.uses:
        price = use.target.spec.price
        seconds = math.inf if profile is None else _seconds(use, profile)
        total += Figures(
            use.calls,
            use.samples,
            use.calls * use.prompt,
            use.samples * use.completion,
            0.0 if price is None else use.calls * _dollars(price, use, seconds),
            use.calls if price is None else 0.0,
        )
    return total


def _dollars(price: Price, use: Use, seconds: float) -> float:
    """The cost of one call; prices are linear, so those of one token and one second are enough."""
    rates = (
        (price.of(Usage(prompt=1), 0.0), use.prompt),
        (price.of(Usage(completion=1), 0.0), use.draws * use.completion),
        (price.of(Usage(), 1.0), seconds),
    )
    return sum(rate * amount for rate, amount in rates if rate)


def _timed(use: Use, profile: Profile) -> Observed:
    """The observations that tell the speed: of this technique, or else of the model."""
    return use.observed if use.observed.timed else profile.of_model(use.target.key)


def _seconds(use: Use, profile: Profile) -> float:
    """From the start of one call to its reply; the completions of one call are written side by side."""
    known = _timed(use, profile)
    if not known.timed:
        return _work(use, profile) if use.target.local else LATENCY + use.completion / TOKENS_PER_SECOND
    longer = use.completion * known.samples / known.completion if known.completion else 1.0
    return known.seconds / known.timed * longer


def _work(use: Use, profile: Profile) -> float:
    """Seconds of an endpoint's time that one call takes up."""
    if not use.target.local:
        return _seconds(use, profile) / use.target.limits.concurrency
    known, tokens = _timed(use, profile), use.draws * use.completion
    if not known.timed:
        return tokens / LOCAL_TOKENS_PER_SECOND
    return known.busy * tokens / known.timed_completion if known.timed_completion else known.busy / known.timed


def _path(parts: Iterable[Part], profile: Profile) -> dict[str, float]:
    """Seconds that one question spends in one layer, by endpoint: those of its slowest component."""
    slowest: dict[str, float] = {}
    for part in parts:
        path: defaultdict[str, float] = defaultdict(float)
        for step in sorted({use.step for use in part.uses or ()}):
            at: defaultdict[str, float] = defaultdict(float)
            for use in part.uses or ():
                if use.step == step and use.target.local:
                    at[use.target.endpoint] += use.calls * _work(use, profile)
                elif use.step == step:
                    rounds = math.ceil(use.calls / use.target.limits.concurrency)
                    at[use.target.endpoint] = max(at[use.target.endpoint], rounds * _seconds(use, profile))
            last = max(at, key=at.__getitem__)
            path[last] += at[last]
        slowest = max(slowest, path, key=lambda seconds: sum(seconds.values()))
    return slowest


def _wall(layers: Sequence[Sequence[Part]], profile: Profile, questions: int) -> float:
    """Seconds from the first request to the last answer, all questions being asked at once.

    One question's way through the layers, and what the busiest endpoint makes the last question wait beyond it.
    """
    path: defaultdict[str, float] = defaultdict(float)
    uses: defaultdict[str, list[Use]] = defaultdict(list)
    for parts in layers:
        for endpoint, seconds in _path(parts, profile).items():
            path[endpoint] += seconds
        for part in parts:
            for use in part.uses or ():
                uses[use.target.endpoint].append(use)
    waits = (_queue(asked, profile, questions) - path[endpoint] for endpoint, asked in uses.items())
    return sum(path.values()) + max([0.0, *waits])


def _queue(uses: Sequence[Use], profile: Profile, questions: int) -> float:
    """Seconds that one endpoint needs for all its calls, within its limits."""
    target = uses[0].target
    each = sum(use.calls for use in uses)
    # Rounding errors must not open another round.
    calls = math.ceil(each * questions - 1e-6)
    if target.local:
        return questions * sum(use.calls * _work(use, profile) for use in uses)
    seconds = sum(use.calls * _seconds(use, profile) for use in uses) / each
    busy = math.ceil(calls / target.limits.concurrency) * seconds
    allowed = [
        limit for limit in (target.limits.requests_per_minute, _calls_per_minute(uses, each)) if limit is not None
    ]
    return max(busy, WINDOW_SECONDS * ((calls - 1) // min(allowed)) + seconds) if allowed else busy


def _calls_per_minute(uses: Sequence[Use], calls: float) -> int | None:
    """Calls that a limit of tokens lets through; it counts prompts by their length and completions at their limit."""
    limit = uses[0].target.limits.tokens_per_minute
    if limit is None:
        return None
    reserved = sum(
        use.calls * use.assumed * BYTES_PER_TOKEN / CHARACTERS_PER_TOKEN
        + use.samples * (UNBOUNDED_COMPLETION if math.isinf(use.longest) else use.longest)
        for use in uses
    )
    return max(1, int(limit * calls / reserved))


def _basis(part: Part, profile: Profile) -> str:
    if part.uses is None:
        return "not known"
    sizes = {bool(use.observed.samples) for use in part.uses}
    speeds = {bool(_timed(use, profile).timed) for use in part.uses}
    if not sizes:
        return "no calls"
    if len(sizes | speeds) == 1:
        return "observed" if sizes == {True} else "assumed"
    if sizes == {False} and speeds == {True}:
        return "speed observed"
    return "speed assumed" if sizes == {True} and speeds == {False} else "partly observed"


def compare(predicted: Mapping[str, Any], totals: Totals, seconds: float | None) -> dict[str, Any]:
    """How far off an estimate was.

    Args:
        predicted: The estimate, as :func:`estimate_to_data` gives it.
        totals: What the architecture cost by itself.
        seconds: How long the run took; ``None`` if it did not ask for everything itself.

    Returns:
        By quantity: ``predicted``, ``actual`` and the relative ``error`` (``None`` where nothing was predicted), and
        whether the prediction was a ``lower_bound``.
    """
    said = predicted["total"]
    pairs: dict[str, tuple[float, float]] = {
        "calls": (said["calls"], totals.calls),
        "tokens": (said["prompt_tokens"] + said["completion_tokens"], totals.usage.total),
    }
    if said["unpriced_calls"] == 0 and totals.unpriced == 0:
        pairs["dollars"] = (said["dollars"], totals.dollars)
    if seconds is not None:
        pairs["seconds"] = (said["seconds"], seconds)
    compared: dict[str, Any] = {"lower_bound": bool(predicted["unknown"])}
    for name, (expected, actual) in pairs.items():
        error = (actual - expected) / expected if expected else None
        compared[name] = {"predicted": expected, "actual": actual, "error": error}
    return compared


def estimate_to_data(estimated: Estimate) -> dict[str, Any]:
    """An estimate as JSON values; what is not known, or not bounded, is ``null``."""
    each, total = figures_to_data(estimated.each), figures_to_data(estimated.total)
    return {
        "architecture": estimated.architecture,
        "questions": estimated.questions,
        "per_question": {**each, "seconds": estimated.each_seconds},
        "total": {**total, "seconds": estimated.seconds},
        "at_most": figures_to_data(estimated.at_most),
        "layers": [
            {
                "layer": layer.layer,
                **(figures_to_data(layer.figures) if layer.known else {}),
                "seconds": layer.seconds if layer.known else None,
                "at_most": figures_to_data(layer.at_most),
                "basis": layer.basis,
                "observed_calls": layer.observed_calls,
            }
            for layer in estimated.layers
        ],
        "unknown": list(estimated.unknown),
        "prices": {use: price and price.model_dump(exclude_none=True) for use, price in estimated.prices.items()},
        "assumptions": ASSUMPTIONS,
    }


def figures_to_data(figures: Figures) -> dict[str, float | None]:
    """Figures as JSON values."""
    unpriced = figures.unpriced >= figures.calls > 0
    data = {
        "calls": figures.calls,
        "samples": figures.samples,
        "prompt_tokens": figures.prompt,
        "completion_tokens": figures.completion,
        "dollars": None if unpriced else figures.dollars,
        "unpriced_calls": figures.unpriced,
    }
    return {name: None if value is None or math.isinf(value) else value for name, value in data.items()}
