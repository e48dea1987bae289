from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from archon.knobs import ChoiceKnob, FloatKnob, IntKnob, Knob, knob_from_data, knob_to_data, knobs_of
from archon.technique import techniques
from techniques import Generate, Rank, Vote

FINITE = st.floats(allow_nan=False, allow_infinity=False)
KNOBS = st.one_of(
    st.builds(IntKnob, st.integers(), st.integers(), st.booleans()),
    st.builds(FloatKnob, FINITE, FINITE, st.booleans()),
    st.builds(
        ChoiceKnob,
        st.lists(st.none() | st.booleans() | st.integers() | FINITE | st.text(), max_size=4).map(tuple),
    ),
)
DECLARED = [(cls, name, knob) for cls in techniques().values() for name, knob in knobs_of(cls).items()]


def _values(knob: Knob) -> list[Any]:
    return list(knob.choices) if isinstance(knob, ChoiceKnob) else [knob.low, knob.high]


@given(KNOBS)
def test_a_knob_survives_the_way_through_json(knob: Knob) -> None:
    assert knob_from_data(json.loads(json.dumps(knob_to_data(knob)))) == knob


@pytest.mark.parametrize("kind", ["slider", ""])
def test_an_unknown_kind_of_knob_is_refused(kind: str) -> None:
    with pytest.raises(KeyError):
        knob_from_data({"kind": kind, "low": 1, "high": 2})


@pytest.mark.parametrize(("cls", "field", "knob"), DECLARED, ids=[f"{cls.kind}.{field}" for cls, field, _ in DECLARED])
def test_the_ends_of_a_knob_are_valid_settings(cls: type[BaseModel], field: str, knob: Knob) -> None:
    info = cls.model_fields[field]
    # The field's own annotation and constraints, as pydantic applies them.
    adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
    for value in _values(knob):
        assert adapter.validate_python(value, strict=True) == value


@pytest.mark.parametrize(("cls", "field", "knob"), DECLARED, ids=[f"{cls.kind}.{field}" for cls, field, _ in DECLARED])
def test_a_range_is_a_range(cls: type[BaseModel], field: str, knob: Knob) -> None:
    if isinstance(knob, ChoiceKnob):
        assert len(set(knob.choices)) == len(knob.choices) > 1
        return
    assert knob.low < knob.high
    assert knob.low > 0 or not knob.log


def test_knobs_are_found_on_the_fields_that_declare_them() -> None:
    assert knobs_of(Rank) == {
        "temperature": FloatKnob(0.0, 1.5),
        "keep": IntKnob(1, 10),
        "passes": IntKnob(1, 5),
    }
    assert knobs_of(Generate)["n"] == IntKnob(1, 64, log=True)
    assert knobs_of(Vote) == {}
