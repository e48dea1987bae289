"""For people who write techniques and model backends: a scripted model, and suites every one of them must pass.

Subclass a suite in a test module and pytest runs it::

    class TestShorten(TechniqueConformance):
        technique = Shorten(model="m")
        script = staticmethod(lambda request, index: "short")
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationError

from archon.architecture import Architecture, component_to_data, parse_component
from archon.concurrency import run_sync
from archon.cost import Usage
from archon.engine import Engine
from archon.errors import ModelError, PermanentError
from archon.models.base import Capabilities, Completion, Model, Reply, Request, Sampling
from archon.models.retry import RetryPolicy
from archon.result import Result
from archon.reward import Reward
from archon.state import Candidate, Message, State, Task
from archon.technique import Context, Technique, technique

Script = Callable[[Request, int], "str | Completion | ModelError"]
"""What a scripted model says to one request and sample index; an error is raised."""


class ScriptedModel:
    """A real :class:`archon.models.base.Model` whose replies are written by the test.

    Args:
        script: A reply for every draw, one per index, or a function that writes them. A list is dealt by sample
            index and starts over when it is used up.
        name: Its name.
        latency: Seconds per request: a number, or a function of the request.
        capabilities: What it claims to support.
    """

    def __init__(
        self,
        script: Script | Sequence[str] | str,
        *,
        name: str = "scripted/model",
        latency: float | Callable[[Request], float] = 0.0,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        self.identity = name
        self.capabilities = capabilities or Capabilities(prefix="continues")
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._script = _as_script(script)
        self._latency = latency

    async def complete(self, request: Request) -> Reply:
        """Say what the script says; every word counts as a token."""
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._latency(request) if callable(self._latency) else self._latency)
        finally:
            self.in_flight -= 1
        prompt = sum(len(message.content.split()) for message in request.messages)
        completions = tuple(self._complete_one(request, index, prompt) for index in request.indices)
        return Reply(completions, Usage(prompt=prompt, completion=sum(len(c.text.split()) for c in completions)))

    def _complete_one(self, request: Request, index: int, prompt: int) -> Completion:
        said = self._script(request, index)
        if isinstance(said, ModelError):
            raise said
        if isinstance(said, Completion):
            return said
        return Completion(said, usage=Usage(prompt=prompt, completion=len(said.split())))

    async def aclose(self) -> None:
        """Nothing to release."""

    def draws(self) -> list[tuple[object, ...]]:
        """The identity of every draw made so far, in the order of asking."""
        return [
            (request.messages, repr(request.sampling), request.seed, request.stream, index)
            for request in self.requests
            for index in request.indices
        ]


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Forget, at the end of the block, the techniques and rewards that were defined inside it."""
    with Technique.kinds.isolated(), Reward.kinds.isolated():
        yield


def _as_script(script: Script | Sequence[str] | str) -> Script:
    if callable(script):
        return script
    replies = [script] if isinstance(script, str) else list(script)
    return lambda request, index: replies[index % len(replies)]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One component, run on one state by the real engine."""

    state: State
    result: Result
    model: ScriptedModel


class _Opening(Technique):
    """Puts prepared candidates on the stage, so that one technique can be tried alone."""

    needs_candidates: ClassVar[bool] = False
    makes: ClassVar[frozenset[str]] = frozenset({"candidates", "unit_tests"})
    candidates: tuple[Candidate, ...] = ()
    unit_tests: tuple[str, ...] = ()
    tests_shown: bool = False

    async def __call__(self, state: State, context: Context) -> State:
        """Return the prepared candidates and unit tests."""
        prepared = state.with_candidates(self.candidates)
        return replace(prepared, unit_tests=self.unit_tests, tests_shown=self.tests_shown)


_Opening.kind = "opening"


class _Curtain(Technique):
    """Remembers the state that reaches it."""

    seen: list[State]

    async def __call__(self, state: State, context: Context) -> State:
        """Remember and pass on."""
        self.seen.append(state)
        return state


_Curtain.kind = "curtain"


def rehearse(
    component: Technique,
    model: ScriptedModel | Mapping[str, ScriptedModel],
    *,
    candidates: Sequence[Candidate] = (),
    unit_tests: Sequence[str] = (),
    tests_shown: bool = False,
    task: Task | None = None,
    answer: str | Mapping[str, Any] = "text",
    budget: Mapping[str, float] | None = None,
    seed: int = 0,
    copies: int = 1,
) -> Rehearsal:
    """Run one technique on given candidates with the real engine, synchronously.

    Args:
        component: The technique.
        model: The model behind every reference of the technique, or one per reference.
        candidates: What earlier layers left.
        unit_tests: The unit tests they left.
        tests_shown: Whether those are to be shown to models.
        task: The task.
        answer: The architecture's answer format.
        budget: What the technique may spend.
        seed: The run's seed.
        copies: How many equal components run side by side in the layer.

    Returns:
        The state the technique left (the one it was given if it failed), the result, and the model.
    """
    refs = {ref for _, ref in component.model_refs()}
    models = dict(model) if isinstance(model, Mapping) else dict.fromkeys(refs, model)
    curtain = _Curtain(seen=[])
    architecture = Architecture.model_validate(
        {
            "name": "rehearsal",
            "models": {ref: {"use": "openai/scripted"} for ref in refs if "/" not in ref},
            "layers": [
                _Opening(candidates=tuple(candidates), unit_tests=tuple(unit_tests), tests_shown=tests_shown),
                [component] * copies,
                curtain,
            ],
            "answer": answer,
            "budget": budget,
        }
    )

    async def run() -> Result:
        policy = RetryPolicy(attempts=2, base=0.0)
        async with Engine(architecture, models=models, seed=seed, retry=policy) as engine:
            return await engine.run(task or Task.of("What is 2 + 2?", id="q"))

    result = run_sync(run())
    state = curtain.seen[0] if curtain.seen else State(result.task, result.candidates, (), result.failures)
    first = next(iter(models.values()), ScriptedModel(""))
    return Rehearsal(state, result, first)


class TechniqueConformance:
    """What every technique owes its users. Subclass, set ``technique``, and pytest does the rest.

    Class attributes:
        technique: An instance to try.
        script: What its model replies; should make the technique do its usual work.
        candidates: What earlier layers left, for techniques that need candidates.
        unit_tests: The unit tests they left, for techniques that need them.
        answer: The architecture's answer format.
        planned: What its model replies when all goes as the technique's plan expects; ``script`` if not given.
    """

    technique: ClassVar[Technique]
    script: ClassVar[Any] = staticmethod(lambda request, index: f"reply {index} to {request.wire_seed()}")
    planned: ClassVar[Any] = None
    candidates: ClassVar[tuple[Candidate, ...]] = (
        Candidate("The answer is 4.", "0.generate/m#0"),
        Candidate("The answer is 5.", "0.generate/m#1"),
        Candidate("The answer is 4.", "0.generate/m#2"),
    )
    unit_tests: ClassVar[tuple[str, ...]] = ()
    answer: ClassVar[Any] = "math"

    def _rehearse(self, **settings: Any) -> Rehearsal:
        model = settings.pop("model", None) or ScriptedModel(settings.pop("script", None) or self.script)
        return rehearse(
            settings.pop("technique", self.technique),
            model,
            candidates=self.candidates,
            unit_tests=self.unit_tests,
            answer=self.answer,
            **settings,
        )

    def test_is_registered_and_documented(self) -> None:
        """Users find it by its kind and learn what it does and where it comes from."""
        cls = type(self.technique)
        assert technique(cls.kind) is cls
        assert cls.__doc__ and "Source:" in cls.__doc__, "the docstring names its source"

    def test_settings_round_trip(self) -> None:
        """Its YAML form reads back to an equal technique."""
        assert parse_component(component_to_data(self.technique)) == self.technique

    def test_refuses_unknown_settings(self) -> None:
        """A mistyped key is an error."""
        data = component_to_data(self.technique)
        data[self.technique.kind]["no_such_setting"] = 1
        try:
            parse_component(data)
        except ValidationError:
            return
        raise AssertionError("an unknown key was accepted")

    def test_leaves_the_task_alone_and_a_candidate_behind(self) -> None:
        """The task passes through unchanged and there is something to answer with."""
        rehearsal = self._rehearse()
        assert rehearsal.result.error is None, rehearsal.result.error
        assert rehearsal.state.task == rehearsal.result.task
        assert rehearsal.state.candidates

    def test_same_seed_same_state_whatever_the_timing(self) -> None:
        """Latencies shuffle the replies; the outcome does not change."""
        outcomes = []
        for shuffle in range(3):
            noise = random.Random(shuffle)
            model = ScriptedModel(self.script, latency=lambda request, noise=noise: noise.uniform(0, 0.004))  # type: ignore[misc]
            rehearsal = self._rehearse(model=model, seed=7)
            outcomes.append((rehearsal.state, sorted(map(repr, model.draws()))))
        assert outcomes[0] == outcomes[1] == outcomes[2]

    def test_no_two_draws_share_a_sample(self) -> None:
        """Neither within the component nor between two equal components side by side."""
        model = ScriptedModel(self.script)
        self._rehearse(model=model, copies=2)
        draws = model.draws()
        assert len(set(draws)) == len(draws)

    def test_nothing_the_caller_said_is_lost(self) -> None:
        """The caller's system message and earlier turns reach the model in every request."""
        task = Task(
            (
                Message("system", "SYSTEM-MARK"),
                Message("user", "EARLIER-MARK"),
                Message("assistant", "REPLY-MARK"),
                Message("user", "QUESTION-MARK"),
            ),
            id="q",
        )
        model = ScriptedModel(self.script)
        self._rehearse(model=model, task=task)
        for request in model.requests:
            said = "\n".join(message.content for message in request.messages)
            for mark in ("SYSTEM-MARK", "EARLIER-MARK", "REPLY-MARK", "QUESTION-MARK"):
                assert mark in said, f"{mark} did not reach the model"

    def test_a_failing_model_is_an_error_or_a_recorded_failure(self) -> None:
        """Never text, never silence."""
        model = ScriptedModel(lambda request, index: PermanentError("BROKEN-MARK", reason="forbidden"))
        rehearsal = self._rehearse(model=model)
        if model.requests:
            assert rehearsal.result.error is not None or rehearsal.state.failures
        for candidate in rehearsal.state.candidates:
            assert "BROKEN-MARK" not in candidate.text
            assert not any("BROKEN-MARK" in critique for critique in candidate.critiques)

    def test_any_reply_is_survived(self) -> None:
        """Replies that cannot be read lead to a result or to an error of ours, not to a crash."""
        for reply in ("", "[0] [99] > [-1]", "\x00 ☃ \\boxed{", "[1]" * 200):
            rehearsal = self._rehearse(script=lambda request, index, reply=reply: reply)
            error = rehearsal.result.error
            assert error is None or type(error).__module__ == "archon.errors", repr(error)

    def test_it_asks_what_it_plans(self) -> None:
        """As many completions and candidates as its plan expects when all goes well, and never more than its bounds."""
        plan = self.technique.plan(len(self.candidates))
        if plan is None:
            return
        model = ScriptedModel(self.planned or self.script)
        rehearsal = self._rehearse(model=model)
        assert rehearsal.result.error is None, rehearsal.result.error
        assert len(model.draws()) == plan.samples
        assert len(rehearsal.state.candidates) == plan.candidates
        for script in (self.script, "", "[Incorrect]"):
            model = ScriptedModel(script)
            rehearsal = self._rehearse(model=model)
            assert len(model.draws()) <= plan.most_samples
            assert len(rehearsal.state.candidates) <= plan.bound


class ModelConformance:
    """What every model backend owes the engine. Subclass and override :meth:`make`."""

    messages: ClassVar[tuple[Message, ...]] = (Message("user", "Say hello."),)

    async def make(self) -> Model:
        """The model to try; closed by the suite."""
        raise AssertionError("override make()")

    def _complete(self, **settings: Any) -> Reply:
        async def run() -> Reply:
            model = await self.make()
            try:
                request = Request(self.messages, Sampling(temperature=0.7, max_tokens=16), **settings)
                return await model.complete(request)
            finally:
                await model.aclose()

        return run_sync(run())

    def test_one_completion_per_index(self) -> None:
        """As many completions as indices, with text and a finish reason."""
        reply = self._complete()
        assert len(reply.completions) == 1
        assert isinstance(reply.completions[0].text, str)
        assert reply.completions[0].finish_reason

    def test_usage_is_counted(self) -> None:
        """Tokens are reported and consistent."""
        reply = self._complete()
        assert reply.usage is not None
        assert reply.usage.prompt > 0
        assert reply.usage.completion > 0
        assert reply.usage.cached <= reply.usage.prompt

    def test_it_says_who_it_is(self) -> None:
        """A name for people and an identity for the store, the same every time."""

        async def run() -> list[tuple[str, str]]:
            seen = []
            for _ in range(2):
                model = await self.make()
                seen.append((model.name, model.identity))
                await model.aclose()
            return seen

        first, second = run_sync(run())
        assert first == second
        assert all(first)
