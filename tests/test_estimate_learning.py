"""Estimates against what happens: never exceeded, as planned when all goes well, and taught by earlier runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import Task
from archon.cost import Usage
from archon.errors import PermanentError
from archon.estimate import compare, estimate, estimate_to_data
from archon.learning import learn
from archon.models.base import Capabilities, Completion, Request
from archon.observed import Observed, Profile
from archon.testing import ScriptedModel
from techniques.stepwise.plan import EXPECTED_STEPS
from tests.estimates import KEY, PRICE, cold, model, rehearse, reply, stack, tasks

LAYERS = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda n: {"generate": {"model": "m", "n": n}}),
        st.just({"critique": {"model": "m"}}),
        st.integers(1, 3).map(lambda keep: {"rank": {"model": "m", "keep": keep}}),
        st.integers(1, 2).map(lambda n: {"fuse": {"model": "m", "n": n}}),
        st.sampled_from([None, 1, 2]).map(lambda k: {"verify": {"model": "m", "first_k": k}}),
        st.just("vote"),
        st.sampled_from(["judge", "pairwise"]).map(lambda kind: {"score": {"reward": {kind: {"model": "m"}}}}),
        st.integers(1, 3).map(lambda n: {"best_of_n": {"model": "m", "n": n, "reward": {"judge": {"model": "m"}}}}),
        st.integers(1, 3).map(lambda n: {"self_consistency": {"model": "m", "n": n}}),
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(LAYERS)
def test_when_all_goes_well_calls_are_as_planned_and_afterwards_tokens_too(layers: list[Any]) -> None:
    """A run teaches exactly its own sizes."""
    architecture = stack({"generate": {"model": "m", "n": 3}}, *layers)
    asked = [Task.of("word " * 20 * number, id=str(number)) for number in range(1, 4)]
    results, watch = rehearse(architecture, asked, ScriptedModel(reply, name="openai/test"))
    calls = sum(result.totals.calls for result in results)
    assert estimate(architecture, asked, Profile()).total.calls == calls
    taught = estimate(architecture, asked, Profile(learn(architecture, asked, watch))).total
    assert taught.calls == pytest.approx(calls)
    assert taught.prompt == pytest.approx(sum(result.totals.usage.prompt for result in results))
    assert taught.completion == pytest.approx(sum(result.totals.usage.completion for result in results))


PANEL = {"model": ["m", "m"], "n": 2, "rounds": 2}
WHOLE_ANSWERS = st.lists(
    st.sampled_from(
        [
            {"mixture_of_agents": {**PANEL, "aggregator": "m"}},
            {"debate": {**PANEL, "judge": "m"}},
            {"workers": {**PANEL, "piece": 50}},
            {"re_read": {"model": "m", "n": 2}},
            {"organize": {"model": "m", "n": 2}},
            {"plan_search": {"model": "m", "n": 2}},
            {"multi_persona": {"model": "m"}},
            {"self_refine": {"model": "m", "rounds": 2}},
            {"reflect": {"model": "m", "rounds": 2}},
            {"chain_of_verification": {"model": "m"}},
            {"round_trip": {"model": "m"}},
            {"universal_self_consistency": {"model": "m"}},
            {"fuse": {"model": "m"}},
        ]
    ),
    max_size=3,
)


JUDGED = {"model": "m", "max_steps": 3, "reward": {"judge": {"model": "m"}}}
SEARCHES = st.lists(
    st.sampled_from(
        [
            {"beam_search": {**JUDGED, "n": 4, "m": 2}},
            {"step_beam": {**JUDGED, "beams": 2, "samples": 2}},
            {"dvts": {**JUDGED, "n": 4, "m": 2, "limit": {"calls": 6}}},
            {"step_best_of_n": {**JUDGED, "n": 2, "steps": "ask"}},
            {"particle_filter": {**JUDGED, "n": 3, "reward": {"generative": {"model": "m", "k": 2}}}},
            {"fuse": {"model": "m"}},
        ]
    ),
    max_size=2,
)


@settings(max_examples=60, deadline=None)
@given(LAYERS | WHOLE_ANSWERS | SEARCHES, st.integers(0, 2**20))
def test_nothing_exceeds_the_most_there_can_be(layers: list[Any], seed: int) -> None:
    """Whatever the model says, as long as it keeps to its limit."""
    said = ["", "[1] " * 10, "[Incorrect]", "[Correct]", "[1]\nfine\n[2]\nbad", "word " * 100]
    scripted = ScriptedModel(
        lambda request, index: " ".join(
            said[(request.wire_seed() + index + seed) % len(said)].split()[: request.sampling.max_tokens]
        ),
        name="openai/test",
    )
    architecture = stack({"generate": {"model": "m", "n": 3}}, *layers, m=model(price=PRICE))
    most = cold(architecture).at_most
    ((result,), watch) = rehearse(architecture, tasks(), scripted)
    totals = result.totals
    assert totals.calls <= most.calls
    assert totals.usage.prompt <= most.prompt
    assert totals.usage.completion <= most.completion
    assert totals.dollars <= most.dollars
    taught = estimate(architecture, tasks(), Profile(learn(architecture, tasks(), watch)))
    assert taught.each.calls <= most.calls + 1e-9


class TestLearning:
    def test_sections_that_are_missing_are_expected_the_next_time(self) -> None:
        architecture = stack({"generate": {"model": "m", "n": 3}}, {"critique": {"model": "m"}})
        scripted = ScriptedModel(lambda request, index: "[1]\nremark", name="openai/test")
        _, watch = rehearse(architecture, tasks(), scripted)
        profile = Profile(learn(architecture, tasks(), watch))
        assert estimate(architecture, tasks(), profile).layers[1].figures.calls == 3
        fewer = stack({"generate": {"model": "m", "n": 1}}, {"critique": {"model": "m"}})
        assert estimate(fewer, tasks(), profile).layers[1].figures.calls == 2, "never beyond the plan's bound"

    def test_how_many_steps_answers_have_is_expected_the_next_time(self) -> None:
        def script(request: Request, index: int) -> Completion:
            last = request.messages[-1]
            if last.role == "user" and "Rate" in last.content:
                return Completion("Rating: [7]", usage=Usage(100, 0, 3))
            steps = last.content.count("step") if last.role == "assistant" else 0
            return Completion(f"step {index}", stop_reason="" if steps == 1 else "\n\n", usage=Usage(100, 0, 3))

        search = {"model": "m", "n": 4, "m": 2, "reward": {"judge": {"model": "m"}}}
        architecture = stack({"beam_search": search}, {"fuse": {"model": "m"}})
        capable = Capabilities(prefix="continues", stop_reason=True)
        _, watch = rehearse(architecture, tasks(), ScriptedModel(script, name="openai/test", capabilities=capable))
        before = cold(architecture).layers[0]
        assert before.figures.calls == 2 * 4 * EXPECTED_STEPS, "a draw and a rating of each step"
        assert before.at_most.calls == 2 * 4 * 20
        profile = Profile(learn(architecture, tasks(), watch))
        after, fuse = estimate(architecture, tasks(), profile).layers
        assert after.figures.calls == pytest.approx(2 * 4 * 2), "two steps"
        wider = stack({"beam_search": {**search, "n": 8}})
        assert estimate(wider, tasks(), profile).layers[0].figures.calls == pytest.approx(2 * 8 * 2)
        alone = cold(stack({"generate": {"model": "m", "n": 2}}, {"fuse": {"model": "m"}})).layers[1]
        assert fuse.figures.prompt < alone.figures.prompt, "two candidates of two short steps each"
        longest = cold(architecture).layers[1].at_most.prompt
        assert longest >= 2 * 20 * 100, "two candidates of all the steps there can be"

    def test_questions_on_which_something_failed_teach_nothing(self) -> None:
        def script(request: Request, index: int) -> Any:
            bad = "bad" in request.messages[-1].content and index > 0
            return PermanentError("no", reason="refused") if bad else "four words of answer"

        architecture = stack({"generate": {"model": "m", "n": 4}})
        asked = [Task.of("bad", id="bad"), Task.of("good", id="good")]
        _, watch = rehearse(architecture, asked, ScriptedModel(script, name="openai/test"))
        row = learn(architecture, asked, watch)[KEY, "generate"]
        assert (row.calls, row.samples, row.planned, row.completion) == (4, 4, 4, 16)
        assert row.timed == 4 + 1, "what was answered on the other one took its time all the same"
        assert learn(architecture, asked[:1], watch) == learn(architecture, [], watch) == {}

    def test_observed_lengths_keep_to_the_limits(self) -> None:
        row = Observed(calls=10, samples=10, prompt=1000, completion=800, planned=10, assumed=1000)
        profile = Profile({(KEY, "generate"): row})
        short = stack({"generate": {"model": "m"}}, m=model(max_tokens=50))
        assert estimate(stack({"generate": {"model": "m"}}), tasks(), profile).each.completion == 80
        assert estimate(short, tasks(), profile).each.completion == 50

    def test_a_verdict_leaves_the_tokens_to_its_reasoning(self) -> None:
        row = Observed(calls=20, samples=20, prompt=1000, completion=1000, planned=20, assumed=1000)
        architecture = stack({"generate": {"model": "m"}}, {"verify": {"model": "m"}}, {"fuse": {"model": "m"}})
        profile = Profile({(KEY, "verify"): row})
        _, verify, fuse = estimate(architecture, tasks(), profile).layers
        assert verify.figures.completion == pytest.approx(100)
        without = estimate(architecture, tasks(), Profile({(KEY, "none"): row})).layers[2]
        assert without.figures.prompt - fuse.figures.prompt == pytest.approx(100 - 84), "the reasoning is a remark"

    def test_speed_carries_over_to_other_techniques_of_the_model(self) -> None:
        row = Observed(10, 10, 1000, 500, 10, 1000, timed=10, timed_completion=500, seconds=20, busy=5)
        architecture = stack({"generate": {"model": "m"}}, {"fuse": {"model": "m"}})
        estimated = estimate(architecture, tasks(), Profile({(KEY, "generate"): row}))
        assert [layer.basis for layer in estimated.layers] == ["observed", "speed observed"]
        assert [layer.observed_calls for layer in estimated.layers] == [10, 0]
        # Two seconds for fifty tokens, so four for the hundred that are assumed.
        assert [layer.seconds for layer in estimated.layers] == pytest.approx([2, 4])

    def test_a_local_model_takes_longer_for_more_tokens(self) -> None:
        local = {"use": "local/qwen2.5-coder-0.5b", "max_tokens": 100}
        row = Observed(10, 10, 1000, 500, 10, 1000, timed=10, timed_completion=500, seconds=80, busy=10)
        profile = Profile({("local/qwen2.5-coder-0.5b", "generate"): row})
        for n in (1, 4):
            estimated = estimate(stack({"generate": {"model": "m", "n": n}}, m=local), tasks(3), profile)
            assert estimated.seconds == pytest.approx(3 * n * 50 * 10 / 500)


def test_the_errors_are_relative_to_what_was_said() -> None:
    architecture = stack({"generate": {"model": "m", "n": 2}}, m=model(price=PRICE))
    (result,), _ = rehearse(architecture, tasks(), ScriptedModel("x y", name="openai/test"))
    said = estimate_to_data(cold(architecture))
    compared = compare(said, result.totals, 5.0)
    assert compared["calls"] == {"predicted": 2, "actual": 2, "error": 0}
    assert compared["tokens"] == {"predicted": 400, "actual": 6, "error": pytest.approx(-394 / 400)}
    assert compared["seconds"]["error"] == pytest.approx(1.0)
    assert not compared["lower_bound"]
    assert "seconds" not in compare(said, result.totals, None)
