"""Estimates: what is assumed, and what follows from plans and limits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from archon import Architecture, Context, State, Task, Technique
from archon.budget import MESSAGE_TOKENS, TEMPLATE_TOKENS
from archon.estimate import compare, estimate, estimate_to_data
from archon.forecast import LISTING_BYTES
from archon.models.base import Capabilities
from archon.models.probe import remember_capabilities
from archon.models.window import WINDOW_SECONDS
from archon.observed import Profile
from archon.testing import ScriptedModel
from techniques.fuse import PROMPT as FUSE
from techniques.verify import PROMPT as VERIFY
from techniques.verify import VERDICT
from tests.estimates import PRICE, URL, cold, model, rehearse, stack, tasks


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
