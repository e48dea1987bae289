"""Walks an architecture with its techniques' plans: what every layer asks for on an average question.

The walk is a pure function of the architecture, the question's size and what is known from earlier runs. Without such
knowledge it assumes; told to find the most, it takes every plan's bound and every completion at its limit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from archon.architecture import Architecture
from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS
from archon.models.local import CAPABILITIES, SLOTS
from archon.models.pool import CONCURRENCY, base_url_of
from archon.models.probe import known_capabilities
from archon.models.providers import LOCAL, PROVIDERS
from archon.models.spec import ModelSpec
from archon.models.window import Limits
from archon.observed import Observed, Profile
from archon.placement import place
from archon.prices import with_list_price
from archon.state import Task
from archon.technique import Ask, Plan, Technique

# UTF-8 bytes come nearer than characters to what tokenisers make of other scripts than Latin.
BYTES_PER_TOKEN = 4
COMPLETION_TOKENS = 256

# A candidate's number in a list, and the heading of its remarks.
LISTING_BYTES = 32


@dataclass(frozen=True, slots=True)
class Target:
    """A model as far as a forecast needs to know it.

    Attributes:
        spec: The model, with its list price if it has no price of its own.
        key: What its observations are kept under: the model and its endpoint.
        endpoint: What it shares its limits with.
        local: Whether its requests share one machine's arithmetic.
        limits: What the endpoint is asked at once and per minute.
        multiple: Whether one request draws several completions and bills their prompt once.
    """

    spec: ModelSpec
    key: str
    endpoint: str
    local: bool
    limits: Limits
    multiple: bool


def targets(architecture: Architecture) -> dict[str, Target]:
    """The models of an architecture by reference; of several at one endpoint the strictest limits hold."""
    specs = {ref: with_list_price(spec) for ref, spec in architecture.specs().items()}
    limits: dict[str, Limits] = {}
    for spec in specs.values():
        slots = spec.concurrency or (SLOTS if spec.provider == LOCAL else CONCURRENCY)
        own = Limits(slots, spec.requests_per_minute, spec.tokens_per_minute)
        limits[_endpoint(spec)] = own.strictest(limits.get(_endpoint(spec), own))
    return {
        ref: Target(
            spec=spec,
            key=spec.use if spec.provider == LOCAL else f"{spec.use} {_endpoint(spec)}",
            endpoint=_endpoint(spec),
            local=spec.provider == LOCAL,
            limits=limits[_endpoint(spec)],
            multiple=_draws_several(spec),
        )
        for ref, spec in specs.items()
    }


def _endpoint(spec: ModelSpec) -> str:
    return spec.use if spec.provider == LOCAL else base_url_of(spec)


def _draws_several(spec: ModelSpec) -> bool:
    if spec.provider == LOCAL:
        return CAPABILITIES.multiple
    provider, base_url = PROVIDERS[spec.provider], base_url_of(spec)
    if (probed := known_capabilities(base_url, spec.model)) is not None:
        return probed.multiple
    return provider.multiple and base_url == provider.base_url


@dataclass(frozen=True, slots=True)
class Size:
    """How long conversations are on average.

    Attributes:
        bytes: UTF-8 bytes of all messages.
        messages: How many messages.
    """

    bytes: float
    messages: float

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Self:
        """The average of tasks, of which there is at least one."""
        said = [message.content for task in tasks for message in task.messages]
        return cls(sum(len(text.encode(errors="replace")) for text in said) / len(tasks), len(said) / len(tasks))


@dataclass(frozen=True, slots=True)
class Use:
    """One :class:`archon.technique.Ask` in numbers, on one question.

    Attributes:
        target: The model.
        kind: The technique's kind.
        step: The technique's round.
        calls: Requests.
        draws: Completions of each.
        assumed: Prompt tokens of one, by the length of its text.
        prompt: Prompt tokens of one, as far as is known.
        completion: Tokens of one completion.
        longest: The most tokens of one completion; infinite without a limit.
        observed: What is known of this technique on this model.
    """

    target: Target
    kind: str
    step: int
    calls: float
    draws: int
    assumed: float
    prompt: float
    completion: float
    longest: float
    observed: Observed

    @property
    def samples(self) -> float:
        """Completions in all."""
        return self.calls * self.draws


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a layer.

    Attributes:
        path: Its path, such as ``1.rank``.
        technique: The component.
        uses: What it asks for; ``None`` when that is not known.
    """

    path: str
    technique: Technique
    uses: tuple[Use, ...] | None


@dataclass(frozen=True, slots=True)
class _Flow:
    """What stands between two layers: candidates, the tokens of one, and the tokens of the remarks on all of them."""

    candidates: int = 0
    text: float = 0.0
    remarks: float = 0.0


def walk(
    architecture: Architecture, models: Mapping[str, Target], size: Size, profile: Profile | None
) -> list[list[Part]]:
    """What every component asks for on one question, layer by layer.

    Args:
        architecture: What would run.
        models: Its :func:`targets`.
        size: The average question.
        profile: What is known from earlier runs; ``None`` asks for the most there can be instead of what is expected.
    """
    layers = []
    flow = _Flow()
    known = True
    for layer in place(architecture, architecture.specs()):
        parts, flows = [], []
        for component in layer:
            path, technique = component.path, component.technique
            plan = technique.plan(flow.candidates) if known else None
            if plan is None:
                # Expected figures leave such a component out; bounds end here.
                known = known and profile is not None
                parts.append(Part(path, technique, None))
                flows.append(flow)
                continue
            step = _Step(technique.kind, plan, flow, models, size, profile)
            parts.append(Part(path, technique, step.uses()))
            flows.append(step.after())
        layers.append(parts)
        flow = _together(flows, most=profile is None)
    return layers


class _Step:
    """One component on what the layer before it left."""

    def __init__(
        self,
        kind: str,
        plan: Plan,
        flow: _Flow,
        models: Mapping[str, Target],
        size: Size,
        profile: Profile | None,
    ) -> None:
        self._kind = kind
        self._plan = plan
        self._flow = flow
        self._models = models
        self._size = size
        self._profile = profile
        lengths = {ref: self._lengths(ref) for ref in {ask.model for ask in plan.asks}}
        self._asked = self._ask_all(lengths)

    def uses(self) -> tuple[Use, ...]:
        """What is asked for, in the order of the plan."""
        return tuple(use for _, use in self._asked if use.calls)

    def after(self) -> _Flow:
        """What it leaves for the next layer."""
        flow, most = self._flow, self._profile is None
        candidates = self._plan.bound if most else self._plan.candidates
        made = [use for ask, use in self._asked if ask.makes == "candidates" and use.calls]
        said = sum(use.samples * use.completion for ask, use in self._asked if ask.makes == "remarks" and use.calls)
        if made and self._plan.extends:
            return _Flow(candidates, flow.text + self._added() / candidates, flow.remarks if most else 0.0)
        if made:
            text = self._written(made) if self._plan.joins else _text_of(made, most=most)
            if most and self._plan.keeps:
                return _Flow(candidates, max(text, flow.text), flow.remarks + said)
            return _Flow(candidates, text)
        # A few candidates may have most of the remarks.
        share = 1.0 if most else min(1.0, candidates / flow.candidates) if flow.candidates else 0.0
        return _Flow(candidates, flow.text, flow.remarks * share + said)

    def _written(self, made: Sequence[Use]) -> float:
        """The tokens of a candidate that is put together from replies, of which runs teach how many there are."""
        if self._profile is None:
            return sum(use.completion for use in made)
        planned = next(ask.requests * ask.draws for ask, use in self._asked if use is made[0])
        return sum(use.samples * use.completion for use in made) / planned

    def _added(self) -> float:
        """The tokens of all that is said and replied."""
        bytes_per_token = 1 if self._profile is None else BYTES_PER_TOKEN
        return sum(
            use.samples * (len(ask.words.encode()) / bytes_per_token + use.completion) for ask, use in self._asked
        )

    def _ask_all(self, lengths: Mapping[str, Mapping[Ask, float]]) -> list[tuple[Ask, Use]]:
        asked: list[tuple[Ask, Use]] = []
        for ask in self._plan.asks:
            target = self._models[ask.model]
            before = asked[-1][1] if asked and ask.goes_on else None
            observed = Observed() if self._profile is None else self._profile.of(target.key, self._kind)
            several = target.multiple and ask.draws > 1
            made = [use for other, use in asked if other.makes == "candidates" and other.step < ask.step and use.calls]
            assumed = self._prompt(ask, before, made)
            if ask.replies and not before:
                assumed += ask.replies * self._reply([use for other, use in asked if other.step < ask.step])
            use = Use(
                target=target,
                kind=self._kind,
                step=ask.step,
                calls=self._requests(ask, observed) * (1 if several else ask.draws),
                draws=ask.draws if several else 1,
                assumed=assumed,
                prompt=assumed * self._correction(target, observed),
                completion=lengths[ask.model][ask],
                longest=_longest(ask, target),
                observed=observed,
            )
            asked.append((ask, use))
        return asked

    def _requests(self, ask: Ask, observed: Observed) -> float:
        """How many conversations, corrected by how far plans were off before, within the plan's bounds."""
        if self._profile is None:
            return ask.bound
        asks = [other for other in self._plan.asks if other.model == ask.model]
        planned = sum(other.requests * other.draws for other in asks)
        if not planned or not observed.planned:
            return ask.requests
        bound = sum(other.bound * other.draws for other in asks)
        return ask.requests * min(observed.samples / observed.planned, bound / planned)

    def _prompt(self, ask: Ask, before: Use | None, made: Sequence[Use]) -> float:
        """The tokens of a prompt by the length of its text; candidates that were just made have no remarks."""
        most = self._profile is None
        words = len(ask.words.encode())
        if before is not None:
            added = words + 2 * MESSAGE_TOKENS if most else words / BYTES_PER_TOKEN
            return before.assumed + before.completion + added
        text = self._size.bytes * ask.times + words + (ask.reads + ask.replies) * LISTING_BYTES
        template = TEMPLATE_TOKENS + MESSAGE_TOKENS * (self._size.messages + 1)
        tokens = text + template if most else text / BYTES_PER_TOKEN
        if not ask.reads:
            return tokens
        if made and self._plan.joins:
            return tokens + ask.reads * sum(use.completion for use in made)
        if made:
            return tokens + ask.reads * _text_of(made, most=most)
        remarks = self._flow.remarks if ask.remarks else 0.0
        return tokens + ask.reads * self._flow.text + remarks * (1.0 if most else ask.reads / self._flow.candidates)

    def _reply(self, asked: Sequence[Use]) -> float:
        """The tokens of a reply to earlier steps: the longest there can be, or those of the average."""
        if self._profile is None:
            return max((use.completion for use in asked), default=0.0)
        samples = sum(use.samples for use in asked)
        return sum(use.samples * use.completion for use in asked) / samples if samples else 0.0

    def _correction(self, target: Target, observed: Observed) -> float:
        """How many prompt tokens there really were for one that was assumed."""
        if self._profile is None:
            return 1.0
        known = observed if observed.assumed else self._profile.of_model(target.key)
        return known.prompt / known.assumed if known.assumed else 1.0

    def _lengths(self, ref: str) -> dict[Ask, float]:
        """The tokens of a completion of each request to one model."""
        target = self._models[ref]
        asks = [ask for ask in self._plan.asks if ask.model == ref]
        if self._profile is None:
            return {ask: _longest(ask, target) for ask in asks}
        observed = self._profile.of(target.key, self._kind)
        if not observed.samples:
            return {ask: min(_longest(ask, target), COMPLETION_TOKENS) for ask in asks}
        return _spread(
            observed.completion / observed.samples,
            {ask: (ask.requests * ask.draws, _longest(ask, target)) for ask in asks},
        )


def _text_of(made: Sequence[Use], *, most: bool) -> float:
    """The tokens of one of the candidates that these requests make."""
    if most:
        return max(use.completion for use in made)
    return sum(use.samples * use.completion for use in made) / sum(use.samples for use in made)


def _longest(ask: Ask, target: Target) -> float:
    longest = target.spec.max_tokens if ask.max_tokens is None else ask.max_tokens
    return math.inf if longest is None else longest


def _spread(mean: float, asks: Mapping[Ask, tuple[int, float]]) -> dict[Ask, float]:
    """Lengths with this mean, as equal as the limits allow: a verdict of 16 tokens leaves the rest to its reasoning.

    Args:
        mean: Tokens per completion over all requests.
        asks: How many completions each stands for, and the most tokens of one.
    """
    lengths: dict[Ask, float] = {}
    completions = sum(count for count, _ in asks.values())
    tokens = mean * completions
    level = mean
    for ask, (count, longest) in sorted(asks.items(), key=lambda item: item[1][1]):
        level = tokens / completions if completions else level
        lengths[ask] = min(longest, level)
        tokens -= count * lengths[ask]
        completions -= count
    return lengths


def _together(flows: Sequence[_Flow], *, most: bool) -> _Flow:
    """The candidates of components that ran side by side."""
    candidates = sum(flow.candidates for flow in flows)
    weights: defaultdict[float, int] = defaultdict(int)
    for flow in flows:
        weights[flow.text] += flow.candidates
    if most or not candidates:
        text = max(weights)
    else:
        text = sum(length * count for length, count in weights.items()) / candidates
    return _Flow(candidates, text, sum(flow.remarks for flow in flows))
