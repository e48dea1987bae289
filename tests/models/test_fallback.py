"""Other models where one fails for good: under their own name, at their own price, in their own place in the store."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from archon import Architecture, Engine, SampleStore, Task
from archon.errors import PermanentError
from archon.models.base import Capabilities, Request, Sampling
from archon.models.fallback import Fallback
from archon.models.retry import RetryPolicy
from archon.models.template import TEMPLATES
from archon.state import Message
from archon.testing import ScriptedModel
from archon.trace import Event


def price(dollars: float) -> dict[str, Any]:
    return {"input": dollars, "output": dollars, "date": "2026-11-01"}


def architecture(**settings: Any) -> Architecture:
    models = {
        "first": {"use": "openai/a", "price": price(1e6), "fallback": "second", "extra": {"only": "first"}, **settings},
        "second": {"use": "openai/b", "price": price(2e6)},
    }
    layers = [{"generate": {"model": "first", "n": 3}}]
    return Architecture.model_validate({"name": "a", "models": models, "layers": layers})


def broken() -> ScriptedModel:
    several = Capabilities(multiple=True)
    return ScriptedModel(lambda r, i: PermanentError("gone", reason="not_found"), name="openai/a", capabilities=several)


async def test_what_fails_for_good_is_handed_on(tmp_path: Any) -> None:
    events: list[Event] = []
    second = ScriptedModel(lambda request, index: f"reply {index}", name="openai/b")
    store = SampleStore(tmp_path / "s.sqlite")
    for turn in range(2):
        models = {"first": broken(), "second": second}
        async with Engine(architecture(), models=models, store=store, observe=events.append) as engine:
            result = await engine.run(Task.of("q"))
        assert [candidate.text for candidate in result.candidates] == ["reply 0", "reply 1", "reply 2"]
        assert set(engine.ledger.by("model")) == {("openai/a",), ("openai/b",)}
        assert engine.ledger.by("model")["openai/b",].calls == 3
        assert result.totals.dollars == pytest.approx(2 * 3 * (1 + 2)), "at the price of who answered"
        assert engine.paid.by("model")["openai/a",].failed == 1, "the sample is the other model's, so it is asked first"
        assert (("openai/b",) in engine.paid.by("model")) == (turn == 0)
    store.commit()
    stats = store.stats()
    store.close()
    assert stats.by_model == {"openai/b": 3}
    assert not any("only" in request.sampling.extra for request in second.requests)
    assert [event.data["to"] for event in events if event.kind == "fallback"] == ["openai/b"] * 2


@pytest.mark.parametrize("own", [dict(TEMPLATES["gemma"]), None])
async def test_a_text_is_laid_out_by_the_template_of_who_continues_it(own: dict[str, str] | None) -> None:
    other = ScriptedModel("4", capabilities=Capabilities(template=own))
    model = Fallback(broken(), [(other, Sampling())], lambda event: None)
    asked = (Message("user", "2 + 2?"), Message("assistant", "It is "))
    await model.complete(Request(asked, Sampling(template=TEMPLATES["chatml"])))
    (request,) = other.requests
    assert request.sampling.template == own


async def test_the_first_error_counts_when_all_fail() -> None:
    other = ScriptedModel(lambda r, i: PermanentError("also gone", reason="not_found"))
    async with Engine(architecture(), models={"first": broken(), "second": other}, retry=RetryPolicy(1)) as engine:
        result = await engine.run(Task.of("q"))
    assert str(result.error) == "gone"


async def test_a_budget_is_not_a_reason_to_ask_elsewhere() -> None:
    limited = Architecture.model_validate({**architecture().to_data(), "budget": {"calls": 1}})
    model, other = ScriptedModel("4"), ScriptedModel("5")
    async with Engine(limited, models={"first": model, "second": other}) as engine:
        result = await engine.run(Task.of("q"))
    assert (result.status, len(model.requests), len(other.requests)) == ("budget", 1, 0)


def test_a_fallback_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValidationError, match="unknown model 'secnod'; did you mean 'second'"):
        architecture(fallback=["secnod"])
