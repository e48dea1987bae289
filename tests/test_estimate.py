"""Estimates: what is assumed, what follows from plans and limits, and what earlier runs teach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon import Architecture, Context, Result, State, Task, Technique
from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS
from archon.concurrency import run_sync
from archon.cost import Usage
from archon.engine import Engine
from archon.errors import PermanentError
from archon.estimate import Estimate, compare, estimate, estimate_to_data
from archon.forecast import LISTING_BYTES
from archon.learning import learn
from archon.models.base import Capabilities, Completion, Request
from archon.models.probe import remember_capabilities
from archon.models.window import WINDOW_SECONDS
from archon.observed import Observed, Profile, Watch
from archon.testing import ScriptedModel
from techniques.fuse import PROMPT as FUSE
from techniques.stepwise.plan import EXPECTED_STEPS
from techniques.verify import PROMPT as VERIFY
from techniques.verify import VERDICT

URL = "http://127.0.0.1:9/v1"
KEY = f"openai/test {URL}"
PRICE = {"input": 1.0, "output": 2.0, "date": "2026-11-01"}


def model(**fields: Any) -> dict[str, Any]:
    return {"use": "openai/test", "base_url": URL, "max_tokens": 100, **fields}


def stack(*layers: Any, **models: Any) -> Architecture:
    return Architecture.model_validate({"name": "a", "models": {"m": model(), **models}, "layers": layers})


def tasks(count: int = 1, text: str = "x" * 400) -> list[Task]:
    return [Task.of(text, id=str(number)) for number in range(count)]


def cold(architecture: Architecture, count: int = 1) -> Estimate:
    return estimate(architecture, tasks(count), Profile())


class TestColdStart:
    def test_sizes_and_times_are_assumed_from_text_and_limits(self) -> None:
        estimated = cold(stack({"generate": {"model": "m", "n": 2, "system": "y" * 40}}), 3)
        assert estimated.each.calls == estimated.each.samples == 2
        assert estimated.each.prompt == 2 * 440 / 4
        assert estimated.each.completion == 2 * 100
        assert estimated.each_seconds == estimated.seconds == pytest.approx(0.5 + 100 / 50)
        assert estimated.total.calls == 6
        assert [layer.basis for layer in estimated.layers] == ["assumed"]

    def test_without_a_limit_completions_are_assumed_and_not_bounded(self) -> None:
        estimated = cold(stack({"generate": {"model": "m"}}, {"fuse": {"model": "m"}}, m=model(max_tokens=None)))
        assert estimated.each.completion == 2 * 256
        assert estimated.at_most.calls == 2
        assert math.isinf(estimated.at_most.completion)
        assert math.isinf(estimated.at_most.prompt), "the fuser reads a text of any length"
        data = estimate_to_data(estimated)["at_most"]
        assert (data["calls"], data["completion_tokens"], data["prompt_tokens"]) == (2, None, None)

    def test_other_scripts_take_more_tokens_than_a_quarter_of_their_characters(self) -> None:
        architecture = stack({"generate": {"model": "m"}})
        assert estimate(architecture, [Task.of("三" * 100)], Profile()).each.prompt == 75


class TestCalls:
    def test_a_prompt_is_paid_once_where_one_request_draws_several(self) -> None:
        single = cold(stack({"generate": {"model": "m", "n": 8}})).each
        remember_capabilities(URL, "test", Capabilities(multiple=True))
        several = cold(stack({"generate": {"model": "m", "n": 8}})).each
        assert (single.calls, single.samples, single.prompt, single.completion) == (8, 8, 800, 800)
        assert (several.calls, several.samples, several.prompt, several.completion) == (1, 8, 100, 800)

    def test_every_model_draws_n_in_its_own_way(self) -> None:
        layers = ({"generate": {"model": ["m", "openai/gpt-4o-mini"], "n": 3}}, {"rank": {"model": "m", "keep": 2}})
        estimated = cold(stack(*layers))
        generate, rank = estimated.layers
        assert (generate.figures.calls, generate.figures.samples) == (3 + 1, 6)
        reads_six = cold(stack({"generate": {"model": "m", "n": 6}}, layers[1])).layers[1]
        # The second model has no limit, so that its candidates are assumed to be longer.
        assert rank.figures.prompt - reads_six.figures.prompt == 3 * (256 - 100)

    def test_what_runs_side_by_side_is_added_and_takes_as_long_as_the_slowest(self) -> None:
        side = [{"generate": {"model": "m", "n": 2}}, {"generate": {"model": "m", "n": 3, "max_tokens": 50}}]
        estimated = cold(stack(side, {"rank": {"model": "m"}}))
        assert [layer.layer for layer in estimated.layers] == ["0.generate[0]", "0.generate[1]", "1.rank"]
        assert estimated.each.calls == 2 + 3 + 1
        assert estimated.each_seconds == pytest.approx(2 * (0.5 + 100 / 50))

    def test_verifying_takes_two_steps_and_the_second_reads_the_first(self) -> None:
        _, verify = cold(stack({"generate": {"model": "m", "n": 4}}, {"verify": {"model": "m"}})).layers
        assert verify.figures.calls == 8
        assert verify.figures.completion == 4 * (100 + 16)
        assert verify.seconds == pytest.approx(0.5 + 100 / 50 + 0.5 + 16 / 50)
        first = (400 + len(VERIFY.encode()) + LISTING_BYTES) / 4 + 100
        second = first + 100 + len(VERDICT.encode()) / 4
        assert verify.figures.prompt == pytest.approx(4 * (first + second))

    def test_remarks_go_with_their_candidates(self) -> None:
        layers = ({"critique": {"model": "m"}}, {"rank": {"model": "m", "keep": 1}}, {"fuse": {"model": "m"}})
        fuse = cold(stack({"generate": {"model": "m", "n": 4}}, *layers)).layers[-1]
        own = 400 + len(FUSE.encode()) + LISTING_BYTES
        assert fuse.figures.prompt == pytest.approx(own / 4 + 100 + 100 / 4)
        # One candidate may have been given all there is: the reply about all of them, and four of its own.
        assert fuse.at_most.prompt == own + TEMPLATE_TOKENS + 2 * MESSAGE_TOKENS + 100 + 5 * 100

    def test_the_longest_candidates_may_be_those_that_stay(self) -> None:
        layers = (
            {"generate": {"model": ["m", "short"]}},
            {"rank": {"model": "m", "keep": 1}},
            {"fuse": {"model": "m"}},
        )
        mixed, long = (cold(stack(*layers, short=model(max_tokens=limit))).layers[-1] for limit in (10, 100))
        assert mixed.figures.prompt < long.figures.prompt
        assert mixed.at_most.prompt == long.at_most.prompt

    def test_verifying_until_enough_have_passed_is_expected_to_stop_after_the_first(self) -> None:
        layers = (
            {"generate": {"model": "m", "n": 4}},
            {"verify": {"model": "m", "first_k": 1}},
            {"fuse": {"model": "m"}},
        )
        estimated = cold(stack(*layers))
        assert [layer.figures.calls for layer in estimated.layers] == [4, 2, 1]
        assert [layer.at_most.calls for layer in estimated.layers] == [4, 8, 1]

    def test_later_rounds_read_the_replies_of_earlier_ones(self) -> None:
        settings = {"model": ["m", "short"], "n": 2, "rounds": 2, "aggregator": "m"}
        mixture = cold(stack({"mixture_of_agents": settings}, short=model(max_tokens=60)))
        own = 400 + len(FUSE.encode()) + 4 * LISTING_BYTES
        assert mixture.each.prompt == pytest.approx(4 * 100 + 5 * (own / 4 + 4 * 80))
        template = TEMPLATE_TOKENS + 2 * MESSAGE_TOKENS
        assert mixture.at_most.prompt == 4 * (400 + template) + 5 * (own + template + 4 * 100)

    def test_a_question_that_stands_twice_counts_twice(self) -> None:
        estimated = cold(stack({"re_read": {"model": "m", "prompt": "{question}{question}"}}))
        assert estimated.each.prompt == (2 * 400 + len("{question}{question}")) / 4

    def test_what_may_be_kept_may_be_longer_than_what_is_new(self) -> None:
        refine = {"self_refine": {"model": "short", "rounds": 1}}
        layers = ({"critique": {"model": "m"}}, refine, {"fuse": {"model": "m"}})
        fuse = cold(stack({"generate": {"model": "m"}}, *layers, short=model(max_tokens=10))).layers[-1]
        own = 400 + len(FUSE.encode()) + LISTING_BYTES
        assert fuse.figures.prompt == pytest.approx(own / 4 + 10)
        # The remarks are the reply about all and the one about this one.
        assert fuse.at_most.prompt == own + TEMPLATE_TOKENS + 2 * MESSAGE_TOKENS + 100 + 2 * 100


class TestPrices:
    def test_dollars_follow_from_tokens(self) -> None:
        estimated = cold(stack({"generate": {"model": "m", "n": 2}}, m=model(price=PRICE)), 10)
        assert estimated.total.dollars == pytest.approx(10 * (200 * 1 + 200 * 2) / 1e6)
        assert estimate_to_data(estimated)["prices"]["openai/test"]["date"] == "2026-11-01"

    def test_an_unknown_price_stays_unknown(self) -> None:
        data = estimate_to_data(cold(stack({"generate": {"model": "m"}}, "vote")))
        assert data["total"]["dollars"] is None
        assert data["total"]["unpriced_calls"] == 1
        assert data["prices"] == {"openai/test": None}

    def test_a_partly_known_price_is_a_lower_bound(self) -> None:
        layers = ({"generate": {"model": "m"}}, {"fuse": {"model": "priced"}})
        estimated = cold(stack(*layers, priced=model(use="openai/other", price=PRICE)))
        assert (estimated.each.calls, estimated.each.unpriced) == (2, 1)
        assert 0 < estimated.each.dollars == estimated.layers[1].figures.dollars

    def test_hosted_models_have_list_prices(self) -> None:
        estimated = cold(stack({"generate": {"model": "openai/gpt-4o-mini"}}))
        assert estimated.each.dollars > 0
        assert estimated.each.unpriced == 0

    def test_a_price_by_the_second_takes_the_predicted_seconds(self) -> None:
        price = {"second": 0.01, "date": "2026-11-01"}
        estimated = cold(stack({"generate": {"model": "m", "n": 3}}, m=model(price=price)))
        assert estimated.each.dollars == pytest.approx(3 * 0.01 * (0.5 + 100 / 50))
        assert estimate_to_data(estimated)["at_most"]["dollars"] is None


class TestUnknownPlans:
    @pytest.fixture
    def architecture(self) -> Architecture:
        class Shrug(Technique, kind="shrug"):
            """Do who knows what.

            Source: none.
            """

            async def __call__(self, state: State, context: Context) -> State:
                return state

        return stack({"generate": {"model": "m", "n": 2}}, "shrug", {"fuse": {"model": "m"}}, m=model(price=PRICE))

    def test_the_rest_is_a_lower_bound_without_an_upper_one(self, architecture: Architecture) -> None:
        estimated = cold(architecture)
        assert estimated.unknown == ("1.shrug",)
        assert [layer.figures.calls for layer in estimated.layers] == [2, 0, 1]
        data = estimate_to_data(estimated)
        assert set(data["at_most"].values()) == {None}
        assert "calls" not in data["layers"][1]
        assert data["layers"][0]["at_most"]["calls"] == 2, "what comes before it is still bounded"
        assert data["layers"][2]["at_most"]["calls"] is None, "what comes after it is not"

    def test_a_comparison_says_so(self, architecture: Architecture) -> None:
        result = rehearse(architecture, tasks(), ScriptedModel("x", name="openai/test"))[0][0]
        assert compare(estimate_to_data(cold(architecture)), result.totals, None)["lower_bound"]


class TestQueues:
    ONE = 0.5 + 100 / 50

    def architecture(self, **limits: Any) -> Architecture:
        return stack({"generate": {"model": "m", "n": 2}}, {"fuse": {"model": "m"}}, m=model(**limits))

    def test_slots_are_filled_in_rounds(self) -> None:
        estimated = cold(self.architecture(concurrency=6), 10)
        assert estimated.each_seconds == pytest.approx(2 * self.ONE)
        assert estimated.seconds == pytest.approx(5 * self.ONE), "thirty calls, six at a time"

    def test_one_question_may_queue_behind_itself(self) -> None:
        assert cold(self.architecture(concurrency=1)).each_seconds == pytest.approx(3 * self.ONE)

    def test_requests_per_minute_put_off_what_exceeds_them(self) -> None:
        assert cold(self.architecture(requests_per_minute=30), 10).seconds == pytest.approx(2 * self.ONE)
        assert cold(self.architecture(requests_per_minute=29), 10).seconds == pytest.approx(WINDOW_SECONDS + self.ONE)
        assert cold(self.architecture(requests_per_minute=10), 10).seconds == pytest.approx(
            2 * WINDOW_SECONDS + self.ONE
        )

    def test_tokens_per_minute_do_too(self) -> None:
        architecture = stack({"generate": {"model": "m"}}, m=model(tokens_per_minute=500))
        # The limiter reserves 400 / 3 tokens for the prompt and 100 for the completion: two calls fit.
        assert cold(architecture, 5).seconds == pytest.approx(2 * WINDOW_SECONDS + self.ONE)

    def test_only_the_busiest_endpoint_makes_the_others_wait(self) -> None:
        layers = ({"generate": {"model": "m"}}, {"fuse": {"model": "slow"}})
        slow = model(base_url="http://127.0.0.1:8/v1", concurrency=2)
        assert cold(stack(*layers, slow=slow), 10).seconds == pytest.approx(self.ONE + 5 * self.ONE)

    def test_a_local_model_shares_its_speed(self) -> None:
        local = {"use": "local/qwen2.5-coder-0.5b", "max_tokens": 60}
        estimated = cold(stack({"generate": {"model": "m", "n": 2}}, m=local), 10)
        assert (estimated.each.calls, estimated.each.samples) == (1, 2)
        assert estimated.each_seconds == pytest.approx(2 * 60 / 15)
        assert estimated.seconds == pytest.approx(10 * 2 * 60 / 15)
        rented = {**local, "price": {"second": 0.01, "date": "2026-11-01"}}
        assert cold(stack({"generate": {"model": "m", "n": 2}}, m=rented)).each.dollars == pytest.approx(0.08)


def reply(request: Request, index: int) -> str:
    """Always what a technique hopes for, in texts of different lengths."""
    prompt = request.messages[-1].content
    if "For each response, name" in prompt:
        return "\n".join(f"[{number}]\nStrengths: all." for number in range(1, 20))
    if prompt == VERDICT:
        return "[Correct]"
    return "word " * (1 + request.wire_seed() % 30) + "[1] > [2]"


def rehearse(architecture: Architecture, asked: Sequence[Task], scripted: ScriptedModel) -> tuple[list[Result], Watch]:
    """Run an architecture and watch it."""
    watch = Watch()

    async def run() -> list[Result]:
        models = dict.fromkeys(architecture.specs(), scripted)
        async with Engine(architecture, models=models, observe=watch) as engine:
            return [result async for _, result in engine.run_all(asked)]

    return run_sync(run()), watch


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
