"""Money: worked numbers, sums that do not depend on order, prices that stay unknown."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.cost import (
    ATTRIBUTES,
    Attribute,
    Charge,
    Ledger,
    Price,
    Totals,
    Usage,
    totals_from_data,
    totals_to_data,
)
from archon.models.spec import ModelSpec
from archon.prices import with_list_price

DATE = "2026-11-01"


def test_cached_and_reasoning_tokens_are_part_of_their_wholes() -> None:
    price = Price(input=0.15, cached_input=0.075, output=0.60, date=DATE)
    assert price.of(Usage(prompt=1000, cached=400, completion=500, reasoning=200), 1.0) == pytest.approx(0.00042)


def test_a_machine_is_paid_by_the_second() -> None:
    assert Price(second=0.001, date=DATE).of(Usage(10, 0, 10), 2.5) == pytest.approx(0.0025)


@pytest.mark.parametrize("given_", [{}, {"input": 1.0}, {"output": 1.0}, {"input": -1, "output": 1}])
def test_half_a_price_is_refused(given_: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Price(**given_, date=DATE)


CHARGES = st.lists(
    st.builds(
        Charge,
        question=st.sampled_from("ab"),
        layer=st.sampled_from(["0.generate", "1.rank"]),
        technique=st.sampled_from(["generate", "rank"]),
        model=st.sampled_from("mn"),
        usage=st.builds(Usage, *[st.integers(0, 1000)] * 4),
        dollars=st.none() | st.integers(0, 1000).map(lambda n: n / 1024),
        seconds=st.integers(0, 1000).map(lambda n: n / 1024),
        error=st.none() | st.just("timeout"),
        samples=st.integers(0, 8),
    ),
    max_size=20,
)


@given(CHARGES, st.randoms(), st.lists(st.sampled_from(ATTRIBUTES), max_size=4, unique=True))
def test_totals_are_the_sum_of_their_parts_in_any_order(
    charges: list[Charge], dice: random.Random, attributes: list[Attribute]
) -> None:
    ledger, other = Ledger(), Ledger()
    shuffled = list(charges)
    dice.shuffle(shuffled)
    for charge in charges:
        ledger.add(charge, run=ord(charge.question))
    for charge in shuffled:
        other.add(charge, run=ord(charge.question))
    total = Totals.of(charges)
    assert total == ledger.total == other.total
    assert ledger.by(*attributes) == other.by(*attributes)
    assert sum(ledger.by(*attributes).values(), Totals()) == total
    for name, part in ledger.by(*attributes).items():
        mine = [c for c in charges if tuple(getattr(c, attribute) for attribute in attributes) == name]
        assert part == Totals.of(mine)
    assert sum(ledger.of_run(ord("a")).values(), Totals()) + sum(ledger.of_run(ord("b")).values(), Totals()) == total


@given(CHARGES)
def test_totals_survive_the_record(charges: list[Charge]) -> None:
    total = Totals.of(charges)
    again = totals_from_data(json.loads(json.dumps(totals_to_data(total))))
    assert replace(again, dollars=total.dollars, seconds=0.0) == replace(total, seconds=0.0)
    assert again.seconds == pytest.approx(total.seconds, abs=1e-4)
    assert again.dollars == total.dollars or total.unpriced == total.calls


def test_refused_costs_nothing_and_broken_off_is_not_known() -> None:
    def charge(dollars: float | None, error: str | None) -> Charge:
        return Charge("q", "0.generate", "generate", "m", Usage(), dollars, 1.0, error)

    total = Totals.of([charge(0.5, None), charge(0.0, "rate_limit"), charge(None, "timeout"), charge(None, None)])
    assert (total.calls, total.failed, total.dollars, total.unpriced, total.uncertain) == (2, 2, 0.5, 1, 1)


def test_list_prices_are_dated_and_name_their_source() -> None:
    price = with_list_price(ModelSpec(use="openai/gpt-4o-mini")).price
    assert price is not None
    assert (price.input, price.cached_input, price.output) == (0.15, 0.075, 0.6)
    assert price.source.startswith("genai-prices")
    assert price.date >= "2026-01-01"


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(use="openai/no-such-model"),
        ModelSpec(use="openai/gpt-4o-mini", base_url="http://127.0.0.1:1/v1"),
        ModelSpec(use="vllm/gpt-4o-mini"),
    ],
)
def test_what_is_not_listed_stays_unknown(spec: ModelSpec) -> None:
    assert with_list_price(spec).price is None


def test_a_price_of_ones_own_counts() -> None:
    own = Price(input=1.0, output=2.0, date=DATE)
    assert with_list_price(ModelSpec(use="openai/gpt-4o-mini", price=own)).price == own
