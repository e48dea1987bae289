from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ConfigError, ModelError, PermanentError
from archon.models.base import Capabilities, Completion, Request, TokenLogprob
from archon.testing import Rehearsal, ScriptedModel, rehearse
from techniques import SetReason
from techniques.set_reason import Rule, aggregate, parse_sets, parse_yes
from tests.techniques.snapshot import check_snapshot

RULES: tuple[Rule, ...] = get_args(Rule)
LISTED = "Items:\n[1] wings\n[2] fur\nOptions:\n[1] bird\n[2] cat"
# P(Yes) of every (item, option).
FITS = {("wings", "bird"): 0.9, ("wings", "cat"): 0.2, ("fur", "bird"): 0.1, ("fur", "cat"): 0.6}

# Multiples of 1/64 above 0, so that nothing is clipped.
PROBABILITIES = st.integers(1, 64).map(lambda n: n / 64)
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(PROBABILITIES, min_size=width, max_size=width), min_size=1, max_size=6)
)


def _pair(request: Request) -> tuple[str, str] | None:
    said = request.messages[-1].content
    return next((pair for pair in FITS if f"this: {pair[0]}" in said and f"answer: {pair[1]}" in said), None)


def _logprobs(request: Request, index: int) -> str | Completion | ModelError:
    pair = _pair(request)
    if pair is None:
        return LISTED
    top = (("Yes", math.log(FITS[pair])), ("No", math.log(1 - FITS[pair])))
    return Completion("Yes", logprobs=(TokenLogprob(*top[0], top),))


def _run(model: ScriptedModel | None = None, answer: str = "text", **settings: object) -> Rehearsal:
    sets = {"items": ["wings", "fur"], "options": ["bird", "cat"]}
    technique = SetReason.model_validate({"model": "m", **sets, **settings})
    return rehearse(technique, model or ScriptedModel(_logprobs), answer=answer)


@pytest.mark.parametrize(
    ("rule", "bird", "cat"),
    [
        ("product", 0.9 * 0.1, 0.2 * 0.6),
        ("mean", 0.9 + 0.1, 0.2 + 0.6),
        ("mixture", 0.9 / 1.1 + 0.1 / 0.7, 0.2 / 1.1 + 0.6 / 0.7),
        ("max", 0.9, 0.6),
    ],
)
def test_rules_are_their_definitions(rule: Rule, bird: float, cat: float) -> None:
    expected = {"bird": bird / (bird + cat), "cat": cat / (bird + cat)}
    best = max(expected, key=lambda option: expected[option])
    (candidate,) = _run(rule=rule).state.candidates
    assert candidate.score == pytest.approx(expected[best])
    assert candidate.text == best
    table = [[FITS[item, option] for option in ("bird", "cat")] for item in ("wings", "fur")]
    assert aggregate(table, rule) == pytest.approx(list(expected.values()))


@given(TABLES, st.sampled_from(RULES), st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter_and_the_posterior_sums_to_1(
    table: list[list[float]], rule: Rule, rng: object
) -> None:
    posterior = aggregate(table, rule)
    assert math.fsum(posterior) == pytest.approx(1.0)
    assert all(0 <= p <= 1 + 1e-12 for p in posterior)
    shuffled = list(table)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert aggregate(shuffled, rule) == pytest.approx(posterior)


@given(TABLES)
def test_the_product_is_bayes_rule_from_equal_priors(table: list[list[float]]) -> None:
    products = [math.prod(column) for column in zip(*table, strict=True)]
    assert aggregate(table, "product") == pytest.approx([p / sum(products) for p in products])


@pytest.mark.parametrize("rule", RULES)
def test_certain_refusals_and_many_items_stay_finite(rule: Rule) -> None:
    assert aggregate([[0.0, 0.0]], rule) == pytest.approx([0.5, 0.5])
    many = aggregate([[0.001, 0.002]] * 2000, rule)
    assert math.fsum(many) == pytest.approx(1.0)
    assert many[1] > many[0]


def test_each_probe_sees_one_item_and_one_option_in_a_draw_of_its_own() -> None:
    model = _run().model
    assert [_pair(request) for request in model.requests] == list(FITS)
    assert all(request.sampling.max_tokens == 1 for request in model.requests)


def test_sets_that_are_not_given_are_listed_first() -> None:
    rehearsal = _run(items=[], options=[])
    assert [_pair(request) for request in rehearsal.model.requests] == [None, *FITS]
    assert rehearsal.state.candidates[0].text == "cat"
    assert [_pair(r) for r in _run(items=[], most_items=1).model.requests] == [None, *list(FITS)[:2]]


def test_sets_that_cannot_be_read_are_recorded() -> None:
    state = _run(ScriptedModel("birds"), items=[], options=[], k=1).state
    assert [(failure.kind, failure.reason[:7]) for failure in state.failures] == [("parse", "got 0 i")]


def test_verdicts_are_sampled_where_there_are_no_log_probabilities() -> None:
    def script(request: Request, index: int) -> str:
        pair = _pair(request)
        assert pair is not None
        return "Yes." if index < 10 * FITS[pair] else "No."

    rehearsal = _run(ScriptedModel(script), k=10, rule="max")
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "bird"
    assert candidate.score == pytest.approx((10 / 12) / (10 / 12 + 7 / 12))
    assert len(rehearsal.model.draws()) == 40
    refused = _run(ScriptedModel(script, capabilities=Capabilities(logprobs=False)))
    assert isinstance(refused.result.error, ConfigError)
    assert not refused.model.requests


@pytest.mark.parametrize("lost", [PermanentError("broken", reason="forbidden"), "Perhaps."])
def test_an_item_without_all_its_probes_is_left_out_and_recorded(lost: str | ModelError) -> None:
    def script(request: Request, index: int) -> str | ModelError:
        return lost if _pair(request) == ("fur", "bird") else "Yes" if _pair(request) == ("wings", "bird") else "No"

    state = _run(ScriptedModel(script), k=1).state
    (candidate,) = state.candidates
    # Of wings alone: (1 + 1) / 3 against (0 + 1) / 3.
    assert candidate.text == "bird"
    assert candidate.score == pytest.approx(2 / 3)
    assert len(state.failures) == 1


def test_it_fails_if_every_probe_does() -> None:
    broken = ScriptedModel(lambda request, index: PermanentError("broken", reason="forbidden"))
    assert isinstance(_run(broken, k=1).result.error, PermanentError)


def test_a_budget_that_ends_midway_leaves_what_the_whole_items_say() -> None:
    technique = SetReason(model="m", items=("wings", "fur"), options=("bird", "cat"), k=1)
    for calls in range(1, 5):
        rehearsal = rehearse(technique, ScriptedModel("Yes"), answer="text", budget={"calls": calls})
        assert len(rehearsal.model.draws()) == calls
        assert (rehearsal.result.text is not None) == (calls >= 2)
        assert (calls < 4) == any(failure.kind == "budget" for failure in rehearsal.result.failures)


def test_the_format_finds_the_option_or_refuses_it_before_anything_is_asked() -> None:
    result = _run(ScriptedModel("Yes"), answer="choice", options=["A", "B"], k=1).result
    assert result.answer == "A"
    assert "A: 0.500" in (result.text or "")
    refused = _run(answer="choice")
    assert isinstance(refused.result.error, ConfigError)
    assert not refused.model.requests


@pytest.mark.parametrize(
    "settings", [{"options": ["A"]}, {"options": ["A", "A"]}, {"items": ["x", "x"]}, {"k": 0}, {"rule": "sum"}]
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SetReason.model_validate({"model": "m", **settings})


@pytest.mark.parametrize(
    ("reply", "said"),
    [("Yes", True), (" no.", False), ("**YES**", True), ("Nothing", None), ("Yes or no?", None), ("", None)],
)
def test_verdicts(reply: str, said: bool | None) -> None:
    assert parse_yes(reply) is said


@given(st.text() | st.lists(st.sampled_from(["Items:", "**Options**", "[1] a", "[2] b", " [3]", "x"])).map("\n".join))
def test_sets_hold_each_text_once(reply: str) -> None:
    for texts in parse_sets(reply):
        assert len(set(texts)) == len(texts)
        assert all(text.strip() for text in texts)


@pytest.mark.parametrize(("step", "number"), [("list", 0), ("probe", 1)])
def test_prompt(step: str, number: int) -> None:
    check_snapshot(f"set_reason-{step}", _run(items=[], options=[]).model.requests[number].messages)
