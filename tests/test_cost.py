"""Money: worked numbers, sums that do not depend on order, prices that stay unknown."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.cost import Charge, Ledger, Price, Totals, Usage, totals_from_data, totals_to_data
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
        layer=st.just("0.generate"),
        technique=st.just("generate"),
        model=st.just("m"),
        usage=st.builds(Usage, *[st.integers(0, 1000)] * 4),
        dollars=st.none() | st.integers(0, 1000).map(lambda n: n / 1024),
        seconds=st.floats(0, 10),
        error=st.none() | st.just("timeout"),
        samples=st.integers(0, 8),
    ),
    max_size=20,
)


@given(CHARGES, st.randoms())
def test_totals_are_the_sum_of_their_parts_in_any_order(charges: list[Charge], dice: random.Random) -> None:
    ledger = Ledger()
    for charge in charges:
        ledger.add(charge, run=ord(charge.question))
    shuffled = list(charges)
    dice.shuffle(shuffled)
    assert Totals.of(shuffled) == ledger.total
    assert ledger.of_run(ord("a")) + ledger.of_run(ord("b")) == ledger.total
    assert totals_from_data(totals_to_data(ledger.total)) == ledger.total or ledger.total.unpriced


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
