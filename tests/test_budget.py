"""Budgets: never overrun, whatever the timing; always the best answer so far."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import Architecture, Context, Engine, ModelRef, Result, SampleStore, State, Task, Technique
from archon.budget import Amount, Budget, BudgetSpec
from archon.concurrency import run_sync
from archon.errors import BudgetExhausted, ConfigError, PermanentError, TransientError
from archon.models.base import Capabilities, Request
from archon.models.retry import RetryPolicy
from archon.testing import ScriptedModel

PRICE = {"input": 1.0, "output": 10.0, "date": "2026-11-01"}


def arch(*layers: Any, budget: Any = None, **model: Any) -> Architecture:
    models = {"m": {"use": "openai/scripted", "max_tokens": 20, **model}}
    data = {"name": "a", "models": models, "layers": list(layers), "answer": "math", "budget": budget}
    return Architecture.model_validate(data)


async def ask(architecture: Architecture, model: ScriptedModel | None = None, **settings: Any) -> Result:
    model = model or ScriptedModel(lambda request, index: f"The answer is {index}.")
    policy = RetryPolicy(attempts=2, base=0.0)
    async with Engine(architecture, models={"m": model}, retry=policy, **settings) as engine:
        return await engine.run(Task.of("q"))


STACK = ({"generate": {"model": "m", "n": 4}}, {"critique": {"model": "m"}}, {"fuse": {"model": "m"}})


@pytest.mark.parametrize("multiple", [False, True])
async def test_as_many_samples_as_the_budget_buys(multiple: bool) -> None:
    # One sample may cost 64 + 17 for the prompt and 20 for the completion, and costs 5: the fourth does not fit.
    limit = {"tokens": 115} if multiple else {"calls": 3}
    capabilities = Capabilities(multiple=multiple)
    model = ScriptedModel(lambda request, index: f"The answer is {index}.", capabilities=capabilities)
    result = await ask(arch({"generate": {"model": "m", "n": 8}}, "vote", budget=limit), model)
    assert result.status == "budget"
    assert result.answer is not None
    assert {failure.kind for failure in result.failures} == {"budget"}
    assert len(result.failures) == 5


async def test_the_layers_that_finish_an_answer_come_first() -> None:
    result = await ask(arch(*STACK, "vote", budget={"calls": 4}))
    assert result.status == "budget"
    assert result.totals.calls == 4
    assert [failure.layer for failure in result.failures][:2] == ["0.generate"] * 2, "two samples had to do"
    assert [share.layer for share in result.shares] == ["0.generate", "1.critique", "2.fuse"]


@pytest.mark.parametrize(
    ("calls", "layers", "samples"),
    [
        (1, ["0.generate"], 1),
        (2, ["0.generate", "2.fuse"], 1),
        (3, ["0.generate", "1.critique", "2.fuse"], 1),
        (5, ["0.generate", "1.critique", "2.fuse"], 3),
        (6, ["0.generate", "1.critique", "2.fuse"], 4),
    ],
)
async def test_a_budget_buys_the_best_answer_it_can(calls: int, layers: list[str], samples: int) -> None:
    """One sample is an answer, choosing well comes before commenting, and the rest goes into samples."""
    result = await ask(arch(*STACK, budget={"calls": calls}))
    assert result.answer is not None
    assert [share.layer for share in result.shares if share.attributed.calls] == layers
    assert result.shares[0].attributed.samples == samples
    assert result.totals.calls == calls


@pytest.mark.parametrize("limit", ["tokens", "usd"])
async def test_money_is_kept_back_as_well_as_calls(limit: str) -> None:
    stack = ({"generate": {"model": "m", "n": 30}}, {"fuse": {"model": "m"}})
    budget = {"tokens": 2500} if limit == "tokens" else {"usd": 0.0025}
    model = ScriptedModel(" ".join(["word"] * 20))
    result = await ask(arch(*stack, budget=budget, price=PRICE), model)
    assert (result.status, result.shares[-1].layer) == ("budget", "1.fuse")
    assert result.shares[-1].attributed.calls == 1
    assert 1 < result.shares[0].attributed.samples < 30


async def test_layers_that_cannot_be_paid_are_passed_over() -> None:
    """A technique that says nothing of its cost beforehand has nothing kept back for it."""

    class Greedy(Technique, kind="greedy"):
        model: ModelRef = "m"

        async def __call__(self, state: State, context: Context) -> State:
            await context.sample(self.model, state.task.messages)
            return state

    result = await ask(arch({"generate": {"model": "m", "n": 4}}, "greedy", "vote", budget={"calls": 4}))
    assert result.status == "budget"
    assert result.totals.calls == 4
    assert [failure.layer for failure in result.failures] == ["1.greedy"]


async def test_a_budget_that_suffices_leaves_no_mark() -> None:
    result = await ask(arch(*STACK, budget={"calls": 50, "tokens": 50_000, "seconds": 60}))
    assert (result.status, result.failures) == ("done", ())


async def test_a_budget_that_buys_nothing_is_a_failure_with_its_reason() -> None:
    result = await ask(arch({"generate": {"model": "m"}}, "vote", budget={"tokens": 5}))
    assert result.status == "failed"
    assert isinstance(result.error, BudgetExhausted)
    assert "5 tokens" in str(result.error)


async def test_time_that_runs_out_stops_what_is_in_flight() -> None:
    model = ScriptedModel(
        "The answer is 4.", latency=lambda r: 0.0 if "numbered" not in r.messages[-1].content else 30.0
    )
    started = time.monotonic()
    result = await ask(arch(*STACK, budget={"seconds": 0.2}), model)
    assert time.monotonic() - started < 5
    assert (result.status, result.answer, model.in_flight) == ("budget", "4", 0)


async def test_a_run_stays_under_its_budget_across_questions() -> None:
    model = ScriptedModel("The answer is 4.", latency=0.002)
    architecture = arch({"generate": {"model": "m", "n": 3}})
    async with Engine(architecture, models={"m": model}, budget=BudgetSpec(calls=10)) as engine:
        results = [result async for _, result in engine.run_all(Task.of(f"q{i}") for i in range(6))]
    assert engine.paid.total.calls == 10
    assert sum(len(result.candidates) for result in results) == 10


async def test_stored_samples_count_for_the_question_and_not_for_the_run(tmp_path: Any) -> None:
    store = SampleStore(tmp_path / "s.sqlite")
    architecture = arch({"generate": {"model": "m", "n": 4}}, budget={"calls": 3})
    first = await ask(architecture, store=store, budget=BudgetSpec(calls=3))
    again = await ask(architecture, store=store, budget=BudgetSpec(calls=1))
    store.close()
    assert [c.text for c in again.candidates] == [c.text for c in first.candidates]
    assert (again.status, again.paid.calls) == ("budget", 0)


@pytest.mark.parametrize(
    ("budget", "model", "words"),
    [
        ({"usd": 1}, {}, "price"),
        ({"usd": 1}, {"price": PRICE, "max_tokens": None}, "max_tokens"),
        ({"tokens": 100}, {"max_tokens": None}, "max_tokens"),
    ],
)
async def test_what_cannot_be_bounded_is_refused(budget: Any, model: Any, words: str) -> None:
    result = await ask(arch({"generate": {"model": "m"}}, budget=budget, **model))
    assert isinstance(result.error, ConfigError)
    assert words in str(result.error)


@settings(max_examples=60, deadline=None)
@given(
    limit=st.fixed_dictionaries(
        {},
        optional={
            "usd": st.floats(0.0001, 0.01),
            "tokens": st.integers(50, 3000),
            "calls": st.integers(1, 20),
        },
    ).filter(bool),
    n=st.integers(1, 8),
    multiple=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_spend_never_exceeds_the_budget(limit: Any, n: int, multiple: bool, seed: int) -> None:
    fate = random.Random(seed)

    def script(request: Request, index: int) -> Any:
        if fate.random() < 0.2:
            return PermanentError("no", reason="refused")
        return " ".join(["word"] * fate.randint(1, 20))

    capabilities = Capabilities(multiple=multiple)
    model = ScriptedModel(script, latency=lambda request: fate.choice((0.0, 0.0005)), capabilities=capabilities)
    architecture = arch({"generate": {"model": "m", "n": n}}, {"fuse": {"model": "m", "n": 2}}, price=PRICE)

    async def run() -> Engine:
        spec = BudgetSpec(**limit)
        engine = Engine(architecture, models={"m": model}, budget=spec, retry=RetryPolicy(attempts=1))
        async with engine:
            async for _ in engine.run_all(Task.of(f"question {i}") for i in range(4)):
                pass
        return engine

    paid = run_sync(run()).paid.total
    assert paid.calls <= limit.get("calls", 10**9)
    assert paid.usage.total <= limit.get("tokens", 10**9)
    assert paid.dollars <= limit.get("usd", 10**9) * (1 + 1e-12)


async def test_what_may_have_been_billed_counts_in_full() -> None:
    """A reply that broke off has no usage; the run's budget takes it for the most it may have cost."""
    fate = iter(["timeout", "rate_limit", "fine", "fine"])

    def script(request: Request, index: int) -> Any:
        reason = next(fate)
        if reason == "fine":
            return "4"
        return TransientError("no", reason=reason, status=429 if reason == "rate_limit" else None)

    architecture = arch({"generate": {"model": "m", "n": 1}}, price=PRICE)
    models = {"m": ScriptedModel(script)}
    policy = RetryPolicy(attempts=3, base=0.0)
    async with Engine(architecture, models=models, budget=BudgetSpec(tokens=250, calls=2), retry=policy) as engine:
        first = await engine.run(Task.of("q"))
        second = await engine.run(Task.of("r"))
    assert first.status == "done"
    assert (first.paid.calls, first.paid.failed, first.paid.uncertain) == (1, 2, 1)
    assert isinstance(second.error, BudgetExhausted), "the timeout and the answer were two calls; the refusal was none"


async def test_a_price_per_second_is_bounded_by_the_timeout() -> None:
    price = {"second": 0.01, "date": "2026-11-01"}
    layer = {"generate": {"model": "m", "n": 5}}
    architecture = arch(layer, price=price, max_tokens=None, timeout=2, budget={"usd": 0.05})
    result = await ask(architecture, ScriptedModel("4", latency=0.01))
    assert result.status == "done", "each may cost 0.02 and costs next to nothing; the third waits for the first two"
    scarce = arch(layer, price=price, max_tokens=None, timeout=2, budget={"usd": 0.01})
    assert (await ask(scarce)).status == "failed"


async def test_a_runs_seconds_hold_for_retries_and_their_pauses() -> None:
    model = ScriptedModel(
        lambda request, index: TransientError("later", reason="rate_limit", status=429, retry_after=60)
    )
    architecture = arch({"generate": {"model": "m"}})
    started = time.monotonic()
    async with Engine(architecture, models={"m": model}, budget=BudgetSpec(seconds=0.2)) as engine:
        result = await engine.run(Task.of("q"))
    assert isinstance(result.error, BudgetExhausted)
    assert time.monotonic() - started < 5


async def test_a_request_waits_for_room_that_others_may_leave() -> None:
    budget = Budget(BudgetSpec(tokens=100))
    first = await budget.reserve(Amount(tokens=80))
    waiting = asyncio.create_task(budget.reserve(Amount(tokens=60)))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    budget.settle(first, Amount(tokens=30))
    assert await waiting
    with pytest.raises(BudgetExhausted):
        await budget.reserve(Amount(tokens=80))
