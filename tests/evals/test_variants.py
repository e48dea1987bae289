"""Architectures made of others: how they are called and what they keep."""

from __future__ import annotations

import pytest

from archon.architecture import Architecture
from archon.errors import ConfigError
from evals.variants import cast, with_models

PRICE = {"input": 1, "output": 2, "date": "2026-01-31"}


def architecture(name: str, *roles: str) -> Architecture:
    spec = {"use": "openai/big", "base_url": "http://127.0.0.1:1/v1", "temperature": 0.5, "price": PRICE}
    layers = [{"generate": {"model": roles[0]}}, *({"fuse": {"model": role}} for role in roles[1:])]
    return Architecture.model_validate({"name": name, "models": dict.fromkeys(roles, spec), "layers": layers})


def test_choices_for_one_role_are_tried_in_turn_and_roles_are_combined() -> None:
    single, stack = architecture("single", "solver"), architecture("stack", "solver", "judge")
    made = cast([single, stack], ["solver=gemini/a", "solver=gemini/b", "judge=gemini/c", "judge=gemini/a"])
    assert [a.name for a in made] == [
        "single+a",
        "single+b",
        "stack+a+c",
        "stack+a",
        "stack+b+c",
        "stack+b+a",
    ]
    assert made[2].models["solver"].use == "gemini/a" and made[2].models["judge"].use == "gemini/c"


def test_a_model_alone_takes_every_role() -> None:
    (made,) = cast([architecture("stack", "solver", "judge")], ["local/qwen2.5-coder-0.5b"])
    assert made.name == "stack+qwen2.5-coder-0.5b"
    assert {spec.use for spec in made.models.values()} == {"local/qwen2.5-coder-0.5b"}


def test_an_architecture_without_the_role_stays_as_it_is() -> None:
    made = cast([architecture("a", "solver"), architecture("b", "other")], ["solver=gemini/x", "solver=gemini/y"])
    assert [a.name for a in made] == ["a+x", "a+y", "b"]


def test_what_is_one_models_own_does_not_go_with_it() -> None:
    same = with_models(architecture("a", "m"), {"m": "openai/small"}).models["m"]
    assert (same.price, same.base_url, same.temperature) == (None, "http://127.0.0.1:1/v1", 0.5)
    other = with_models(architecture("a", "m"), {"m": "gemini/small"}).models["m"]
    assert (other.price, other.base_url, other.temperature) == (None, None, 0.5)
    unchanged = with_models(architecture("a", "m"), {"m": "openai/big"}).models["m"]
    assert unchanged.price is not None


def test_names_are_fit_for_files() -> None:
    (made,) = cast([architecture("a", "m")], ["m=openai/org/model:free"])
    assert made.name == "a+model-free"


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"--with slover=gemini/x: .*solver"):
        cast([architecture("a", "solver")], ["slover=gemini/x"])
    with pytest.raises(ConfigError, match="--with nonsense: "):
        cast([architecture("a", "solver")], ["nonsense"])
