"""What the engine guarantees: overlap, determinism, isolation of failures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

import archon
from archon import Architecture, Candidate, Engine, PermanentError, State, Task, TransientError
from archon.engine import BEGUN
from archon.models.base import Capabilities, Reply, Request
from archon.models.retry import RetryPolicy
from archon.technique import Context, Technique
from archon.testing import ScriptedModel
from archon.trace import Event

QUICK = RetryPolicy(attempts=2, base=0.0)


def arch(*layers: Any, answer: str = "text") -> Architecture:
    models = {"m": {"use": "openai/scripted"}, "judge": {"use": "openai/judge"}}
    return Architecture.model_validate({"name": "a", "models": models, "layers": list(layers), "answer": answer})


def echo(request: Request, index: int) -> str:
    """A reply that gives away which draw it is."""
    return f"{request.messages[-1].content[:20]}|{request.stream}|{request.seed}|{index}"


async def run(
    architecture: Architecture, model: ScriptedModel, *questions: str, **settings: Any
) -> list[archon.Result]:
    async with Engine(architecture, models={"m": model, "judge": model}, retry=QUICK, **settings) as engine:
        results: dict[int, archon.Result] = {}
        async for position, result in engine.run_all(Task.of(q, id=str(i)) for i, q in enumerate(questions)):
            results[position] = result
    return [results[i] for i in range(len(questions))]


def texts(result: archon.Result) -> list[str]:
    return [candidate.text for candidate in result.candidates]


async def test_samples_questions_and_parallel_components_overlap() -> None:
    model = ScriptedModel(echo, latency=0.05)
    layer = [{"generate": {"model": "m", "n": 4}}, {"generate": {"model": "m", "n": 4, "temperature": 1}}]
    started = time.monotonic()
    await run(arch(layer), model, *"abcde")
    assert model.most_in_flight == 40
    assert time.monotonic() - started < 0.05 * 10


async def test_parallel_candidates_keep_the_order_of_the_document() -> None:
    noise = random.Random(0)
    model = ScriptedModel(echo, latency=lambda request: noise.uniform(0, 0.01))
    layer = [{"generate": {"model": "m", "n": 3}}, {"generate": {"model": "m", "n": 2, "temperature": 1}}]
    (result,) = await run(arch(layer), model, "q")
    origins = [candidate.origin for candidate in result.candidates]
    assert origins == [f"0.generate[0]/m#{i}" for i in range(3)] + [f"0.generate[1]/m#{i}" for i in range(2)]


async def test_the_same_seed_gives_the_same_draws_whatever_the_timing() -> None:
    architecture = arch(
        {"generate": {"model": "m", "n": 6}}, {"critique": {"model": "judge"}}, {"rank": {"model": "judge"}}
    )
    outcomes = []
    for attempt in range(3):
        noise = random.Random(attempt)
        model = ScriptedModel(echo, latency=lambda request, noise=noise: noise.uniform(0, 0.01))  # type: ignore[misc]
        outcomes.append([texts(result) for result in await run(architecture, model, "x", "y", seed=3)])
    assert outcomes[0] == outcomes[1] == outcomes[2]


async def test_another_seed_gives_other_draws() -> None:
    model = ScriptedModel(echo)
    architecture = arch({"generate": {"model": "m"}})
    assert texts((await run(architecture, model, "q", seed=1))[0]) != texts(
        (await run(architecture, model, "q", seed=2))[0]
    )


async def test_no_two_draws_of_a_run_share_a_sample_even_for_a_question_asked_twice() -> None:
    model = ScriptedModel(echo)
    layer = [{"generate": {"model": "m", "n": 3}}, {"generate": {"model": "m", "n": 3}}]
    await run(arch(layer, {"fuse": {"model": "m", "n": 2}}, {"fuse": {"model": "m", "n": 2}}), model, "same", "same")
    draws = model.draws()
    assert len(set(draws)) == len(draws) == 2 * (6 + 4)


@pytest.mark.parametrize(
    "layer",
    [
        [{"generate": {"model": "m", "n": 3}}, {"generate": {"model": "m", "n": 2, "temperature": 0.7}}],
        [{"generate": {"model": "m"}}, {"generate": {"model": ["m", "m"]}}],
        [{"generate": {"model": "m"}}, {"generate": {"model": "same"}}],
        [{"generate": {"model": ["m", "judge"]}}, {"generate": {"model": "judge"}}, {"generate": {"model": "m"}}],
    ],
)
async def test_components_that_look_alike_draw_apart(layer: Any) -> None:
    models = {"m": {"use": "openai/x", "temperature": 0.7}, "same": {"use": "openai/x", "temperature": 0.7}}
    models["judge"] = {"use": "openai/judge"}
    architecture = Architecture.model_validate({"name": "a", "models": models, "layers": [layer]})
    model = ScriptedModel(echo)
    async with Engine(architecture, models=dict.fromkeys(("m", "same"), model) | {"judge": model}) as engine:
        await engine.run(Task.of("q"))
    draws = model.draws()
    assert len(set(draws)) == len(draws)


async def test_architectures_that_share_a_component_share_its_samples() -> None:
    few, many = ScriptedModel(echo), ScriptedModel(echo)
    await run(arch({"generate": {"model": "m", "n": 4}}), few, "q")
    await run(arch({"generate": {"model": "m", "n": 8}}, "vote"), many, "q")
    assert set(few.draws()) < set(many.draws())


async def test_what_is_asked_twice_in_one_place_is_drawn_anew() -> None:
    class Twice(Technique, kind="twice-for-a-test"):
        """Sample the same thing twice."""

        needs_candidates = False
        model: archon.ModelRef

        async def __call__(self, state: State, context: Context) -> State:
            first = await context.sample(self.model, state.task.messages)
            second = await context.sample(self.model, state.task.messages)
            return state.with_candidates(Candidate(c.text) for c in (*first, *second))

    (result,) = await run(arch({"twice-for-a-test": {"model": "m"}}), ScriptedModel(echo), "q")
    assert len(set(texts(result))) == 2


async def test_an_endpoint_that_can_gets_one_request_for_all_draws() -> None:
    model = ScriptedModel(echo, capabilities=Capabilities(multiple=True))
    (result,) = await run(arch({"generate": {"model": "m", "n": 5}}), model, "q")
    assert len(model.requests) == 1
    assert result.totals.calls == 1
    assert len(result.candidates) == 5


async def test_a_failed_question_does_not_take_the_others_with_it() -> None:
    def script(request: Request, index: int) -> Any:
        bad = request.messages[-1].content == "bad"
        return PermanentError("the server said no", reason="bad_request") if bad else "fine"

    good, bad, other = await run(arch({"generate": {"model": "m"}}), ScriptedModel(script), "good", "bad", "other")
    assert (good.status, bad.status, other.status) == ("done", "failed", "done")
    assert isinstance(bad.error, PermanentError)
    assert bad.text is None


async def test_a_defect_in_a_technique_is_recorded_and_the_others_finish() -> None:
    class Buggy(Technique, kind="buggy-for-a-test"):
        """Divide by zero on some questions."""

        async def __call__(self, state: State, context: Context) -> State:
            if state.task.question == "bad":
                1 / 0  # noqa: B018
            return state

    good, bad = await run(arch({"generate": {"model": "m"}}, "buggy-for-a-test"), ScriptedModel("x"), "good", "bad")
    assert good.status == "done"
    assert isinstance(bad.error, ZeroDivisionError)


async def test_a_draw_that_fails_for_good_is_an_explicit_gap() -> None:
    def script(request: Request, index: int) -> Any:
        return TransientError("overloaded", reason="overloaded") if index == 2 else f"text {index}"

    model = ScriptedModel(script)
    (result,) = await run(arch({"generate": {"model": "m", "n": 4}}), model, "q")
    assert texts(result) == ["text 0", "text 1", "text 3"]
    (failure,) = result.failures
    assert (failure.layer, failure.kind, failure.reason) == ("0.generate", "call", "overloaded")
    assert result.totals.calls == 3
    assert result.totals.failed == 1
    assert result.paid.failed == QUICK.attempts


async def test_leaving_early_cancels_what_is_in_flight() -> None:
    model = ScriptedModel("x", latency=lambda request: 0.0 if request.messages[-1].content == "quick" else 30.0)
    async with Engine(arch({"generate": {"model": "m"}}), models={"m": model}) as engine:
        stream = engine.run_all(Task.of(q) for q in ("quick", "slow", "slower"))
        await anext(stream)
        await stream.aclose()
    assert model.in_flight == 0


async def test_a_failing_component_cancels_its_siblings() -> None:
    def latency(request: Request) -> float:
        return 30.0 if request.sampling.temperature == 1 else 0.0

    def script(request: Request, index: int) -> Any:
        return PermanentError("no", reason="forbidden")

    model = ScriptedModel(script, latency=latency)
    layer = [{"generate": {"model": "m"}}, {"generate": {"model": "m", "temperature": 1}}]
    (result,) = await run(arch(layer), model, "q")
    assert result.status == "failed"
    assert model.in_flight == 0


async def test_events_tell_the_story() -> None:
    events: list[Event] = []
    await run(arch({"generate": {"model": "m", "n": 2}}, "vote"), ScriptedModel("4"), "q", observe=events.append)
    calls = ["attempt", "call"] * 2
    kinds = ["question_started", "layer_started", *calls, "layer", "layer_started", "layer", "question"]
    assert [event.kind for event in events] == kinds
    assert events[3].data["messages"] == [{"role": "user", "content": "q"}]
    assert events[3].data["replies"] == ["4"]
    assert events[6].data["candidates"][1] == {"text": "4", "origin": "0.generate/m#1"}


async def test_totals_are_those_of_the_question() -> None:
    model = ScriptedModel(lambda request, index: "one two three")
    short, long = await run(arch({"generate": {"model": "m", "n": 2}}), model, "a", "a b c d")
    assert (short.totals.calls, short.totals.usage.prompt, short.totals.usage.completion) == (2, 2, 6)
    assert (long.totals.calls, long.totals.usage.prompt, long.totals.usage.completion) == (2, 8, 6)
    assert short.totals.unpriced == 2, "no price is known, which is not the same as free"


class TestFacade:
    ARCHITECTURE = arch({"generate": {"model": "m"}})

    def test_synchronously(self) -> None:
        assert archon.run_sync(self.ARCHITECTURE, "q", models={"m": ScriptedModel("4")}).text == "4"

    async def test_synchronously_inside_a_running_loop(self) -> None:
        assert archon.run_sync(self.ARCHITECTURE, "q", models={"m": ScriptedModel("4")}).text == "4"

    async def test_asynchronously(self) -> None:
        assert (await archon.run(self.ARCHITECTURE, "q", models={"m": ScriptedModel("4")})).text == "4"

    def test_a_failure_is_raised(self) -> None:
        model = ScriptedModel(lambda request, index: PermanentError("no", reason="forbidden"))
        with pytest.raises(PermanentError):
            archon.run_sync(self.ARCHITECTURE, "q", models={"m": model})

    def test_errors_cross_threads(self) -> None:
        async def inside() -> None:
            archon.run_sync(self.ARCHITECTURE, "")

        with pytest.raises(archon.ArchonError):
            asyncio.run(inside())


@pytest.mark.parametrize("build", [lambda: Task(()), lambda: Task((archon.Message("assistant", "hi"),))])
def test_a_task_ends_with_a_question(build: Callable[[], Task]) -> None:
    with pytest.raises(archon.ConfigError, match="end with a user message"):
        build()


async def test_of_very_many_questions_only_some_are_begun_at_a_time() -> None:
    model = ScriptedModel("4", latency=0.001)
    async with Engine(arch({"generate": {"model": "m"}}), models={"m": model}) as engine:
        positions = [position async for position, _ in engine.run_all(Task.of(f"q{i}") for i in range(3 * BEGUN))]
    assert sorted(positions) == list(range(3 * BEGUN))
    assert BEGUN // 2 < model.most_in_flight <= BEGUN


class Patient(ScriptedModel):
    """Answers nobody before so many ask at a time, however long that takes."""

    def __init__(self, count: int) -> None:
        super().__init__("4")
        self._together = asyncio.Barrier(count)

    async def complete(self, request: Request) -> Reply:
        await self._together.wait()
        return await super().complete(request)


async def test_an_endpoint_that_bears_more_is_asked_more() -> None:
    model = Patient(2000)
    models = {"m": {"use": "openai/x", "concurrency": 2000}}
    data = {"name": "a", "models": models, "layers": [{"generate": {"model": "m"}}]}
    async with Engine(Architecture.model_validate(data), models={"m": model}) as engine:
        async with asyncio.timeout(60):
            positions = [position async for position, _ in engine.run_all(Task.of(f"q{i}") for i in range(2000))]
    assert len(positions) == 2000


async def test_no_more_questions_are_begun_at_a_time_than_wanted() -> None:
    open_, most = set[str](), 0

    def observe(event: Event) -> None:
        nonlocal most
        if event.kind == "question_started":
            open_.add(event.question)
            most = max(most, len(open_))
        elif event.kind == "question":
            open_.discard(event.question)

    architecture = Architecture.model_validate({"name": "a", "layers": [{"generate": {"model": "openai/x"}}]})
    models = {"openai/x": ScriptedModel(lambda request, index: "yes")}
    tasks = [Task.of(f"{number}?", id=str(number)) for number in range(20)]
    for at_once in (1, 3):
        most = 0
        async with Engine(architecture, models=models, observe=observe) as engine:
            found = {index async for index, _ in engine.run_all(tasks, at_once=at_once)}
        assert found == set(range(20))
        assert most == at_once
