"""A template and its settings: what is asked, how many there are, what becomes of them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.architecture import Architecture
from archon.errors import ConfigError
from archon.source import dump_architecture, load_architecture, parse_architecture
from search.canonical import digest
from search.parameters import Value
from search.space import InvalidArchitectureError, Space

SEARCHES = Path(__file__).resolve().parents[2] / "configs" / "searches"
MODELS = """\
name: toy
models:
  small: {use: openai/gpt-4o-mini}
  large: {use: openai/gpt-4o}
  judge: {use: {choice: [openai/gpt-4o-mini, openai/gpt-4o]}, temperature: 0}
layers:
"""
RICH = (
    MODELS
    + """\
  - generate: {model: {choice: [small, [small, large]]}, n: {int: [1, 5], step: 2}, temperature: {float: [0, 0.4], step: 0.2}}
  - any_order:
      - optional: {critique: {model: judge}}
      - optional: {rank: {model: judge, keep: {int: [1, 2]}}}
  - repeated: {fuse: {model: {choice: [small, judge]}}}
    least: 0
    most: 2
  - alternatives:
      - vote
      - score: {reward: {choice: [{logprob: {model: judge}}, {generative: {model: large, k: {choice: [1, 2]}}}]}, keep: 1}
answer: math
"""  # noqa: E501 - one layer a line
)

TOY = Space.parse(RICH)


def space(layers: str) -> Space:
    return Space.parse(MODELS + layers, name="toy.yaml")


class Fixed:
    """Suggests the lowest, or the highest, of everything and remembers what it was asked."""

    def __init__(self, *, high: bool) -> None:
        self.high = high
        self.asked: dict[str, Any] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._note(name, (low, high, step, log), high if self.high else low))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._note(name, (low, high, step, log), high if self.high else low))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._note(name, tuple(choices), choices[-1 if self.high else 0])

    def _note(self, name: str, domain: Any, value: Any) -> Any:
        assert name not in self.asked
        self.asked[name] = domain
        return value


def test_a_setting_becomes_an_architecture() -> None:
    toy = TOY
    low = toy.build(toy.suggest(Fixed(high=False)))
    assert [[c.kind for c in layer] for layer in low.layers] == [["generate"], ["vote"]]
    assert list(low.models) == ["small"], "models that no layer uses are left out"
    high = toy.build(toy.suggest(Fixed(high=True)))
    assert [[c.kind for c in layer] for layer in high.layers] == [
        ["generate"],
        ["rank"],
        ["critique"],
        ["fuse"],
        ["fuse"],
        ["score"],
    ]
    assert high.name == f"toy-{digest(high)[:12]}"
    assert parse_architecture(dump_architecture(high)) == high


def test_only_what_matters_is_asked() -> None:
    toy, trial = TOY, Fixed(high=False)
    params = toy.suggest(trial)
    assert params.keys() == trial.asked.keys()
    assert "layers.1.1.rank.keep" not in params, "rank is not there"
    assert "models.judge.use" not in params, "nothing uses the judge"
    assert "models.judge.use" in toy.suggest(Fixed(high=True))


def test_the_size_is_that_of_the_enumeration() -> None:
    toy = TOY
    everything = list(toy.enumerate())
    assert len(everything) == toy.size
    assert len({tuple(params.items()) for params in everything}) == toy.size
    assert set().union(*everything) == {parameter.name for parameter in toy.parameters}


def test_what_an_even_draw_stands_for_averages_to_the_size() -> None:
    toy, rng = TOY, Random(1)
    stands_for = [toy.evenly(rng)[1] for _ in range(2000)]
    error = math.sqrt(sum((w - toy.size) ** 2 for w in stands_for)) / len(stands_for)
    assert abs(sum(stands_for) / len(stands_for) - toy.size) < 4 * error


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_every_random_setting_builds_the_same_architecture_twice(seed: int) -> None:
    toy = TOY
    params = toy.random(Random(seed))
    built = toy.build(params)
    assert toy.build(toy.complete(params)) == built
    assert toy.complete(params) == params
    assert Architecture.model_validate(built.to_data()) == built


def test_a_name_always_stands_for_one_domain_with_a_real_sampler() -> None:
    toy = TOY
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    for _ in range(40):
        trial = study.ask()
        params = toy.suggest(trial)
        assert trial.params.keys() == params.keys()
        study.tell(trial, toy.build(params).layers[0][0].plan(0).samples)  # type: ignore[union-attr]
    by_name: dict[str, set[str]] = {}
    for done in study.trials:
        for name, distribution in done.distributions.items():
            by_name.setdefault(name, set()).add(repr(distribution))
    assert all(len(domains) == 1 for domains in by_name.values())


def test_a_known_architecture_can_be_put_first_in_line() -> None:
    toy = TOY
    params = toy.complete({"layers.3.alternatives": "score", "layers.0.generate.temperature": 0.4})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(params)
    assert toy.suggest(study.ask()) == params


def test_a_knob_takes_what_the_technique_declares() -> None:
    toy = space("  - generate: {model: small, n: {knob: true}, temperature: {knob: true, step: 0.5}}\n")
    domains = {p.name: str(p.domain) for p in toy.parameters if p.name.startswith("layers")}
    assert domains == {
        "layers.0.generate.n": "1 to 64 (log)",
        "layers.0.generate.temperature": "0 to 1.5 in steps of 0.5",
    }


def test_a_range_without_steps_has_no_end() -> None:
    toy = space("  - generate: {model: small, temperature: {float: [0, 1]}}\n")
    assert math.isinf(toy.size)
    with pytest.raises(ConfigError, match=r"temperature has no steps"):
        next(toy.enumerate())
    built = toy.build(toy.random(Random(0)))
    assert 0 <= built.layers[0][0].temperature <= 1  # type: ignore[attr-defined]


def test_components_side_by_side_may_be_open_too() -> None:
    toy = space("  - [{generate: {model: small}}, {optional: {generate: {model: large}}}]\n")
    assert [[len(layer) for layer in toy.build(params).layers] for params in toy.enumerate()] == [[1], [2]]


def test_an_order_is_asked_for_only_among_what_is_there() -> None:
    toy = space(
        "  - generate: {model: small, n: 4}\n"
        "  - any_order: [{optional: {critique: {model: large}}}, {rank: {model: large}}, {verify: {model: large}}]\n"
    )
    assert toy.size == 2 + 6
    stacks = {tuple(layer[0].kind for layer in toy.build(params).layers) for params in toy.enumerate()}
    assert len(stacks) == 8


def test_architectures_that_behave_alike_have_one_digest() -> None:
    toy = space("  - generate: {model: small, n: 2}\n  - rank: {model: large, keep: {choice: [1, 2, 5]}}\n")
    one, two, five = (toy.build(params) for params in toy.enumerate())
    assert digest(two) == digest(five) != digest(one), "no more than two candidates can be kept"
    renamed = parse_architecture(dump_architecture(two).replace("large", "arbiter").replace("toy-", "other-"))
    assert digest(renamed) == digest(two)
    other = parse_architecture(dump_architecture(two).replace("openai/gpt-4o-mini", "openai/gpt-4.1"))
    assert digest(other) != digest(two)


def test_values_are_written_in_one_way() -> None:
    toy = space("  - generate: {model: small, temperature: {float: [0, 0.3], step: 0.1}}\n")
    assert [params["layers.0.generate.temperature"] for params in toy.enumerate()] == [0.0, 0.1, 0.2, 0.3]

    class Rounding(Fixed):
        def suggest_float(self, name: str, low: float, high: float, *, step: Any = None, log: bool = False) -> float:
            return low + 3 * (step or 0.0)

    assert toy.suggest(Rounding(high=True)) == {"layers.0.generate.temperature": 0.3}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"the setting has no value of layers.0.generate.model"),
        ({"layers.0.generate.m": 1}, r"unknown parameter 'layers.0.generate.m'; did you mean 'layers.0.generate.n'"),
        ({"layers.0.generate.n": 2}, r"layers.0.generate.n cannot be 2; it is one of: 1 to 5 in steps of 2"),
        ({"layers.1.0.optional": 1}, r"layers.1.0.optional cannot be 1; it is one of: False, True"),
    ],
)
def test_a_setting_of_another_space_is_refused(params: dict[str, Value], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TOY.build(params)


def test_parts_that_make_no_architecture_are_refused_when_they_are_put_together() -> None:
    toy = space("  - optional: {generate: {model: small}}\n  - vote\n")
    with pytest.raises(InvalidArchitectureError, match=r"layers.0: vote works on candidates"):
        toy.build({"layers.0.optional": False})
    assert toy.build({"layers.0.optional": True})


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            "  - generat: {model: small}\n",
            r"toy.yaml:7: layers.0.generat: unknown technique 'generat'; did you mean 'g",
        ),
        ("  - optinal: {vote: {}}\n", r"toy.yaml:7: layers.0.optinal: unknown technique 'optinal'; did you mean 'opti"),
        (
            "  - generate: {model: smal}\n",
            r"toy.yaml:7: layers.0.generate.model: unknown model 'smal'; did you mean",
        ),
        (
            "  - generate:\n      model: small\n      nn: {int: [1, 2]}\n",
            r"toy.yaml:9: layers.0.generate.nn: unknown setting 'nn'; did you mean 'n'",
        ),
        (
            "  - generate:\n      model: small\n      temperature: {float: [0, 3], step: 1}\n",
            r"toy.yaml:9: layers.0.generate.temperature: input should be less than or equal to 2 \(given: 3.0\)",
        ),
        ("  - generate: {n: {int: [1, 2]}}\n", r"toy.yaml:7: 'layers.0.generate.model' is missing"),
        ("  - generate: {model: small, n: {int: 5}}\n", r"write a range as {int: \[lowest, highest\]}"),
        ("  - generate: {model: small, n: {int: [1, 6], step: 2}}\n", r"steps of 2 from 1 do not end at 6"),
        ("  - generate: {model: small, n: {int: [0, 6], log: true}}\n", r"begins above 0"),
        (
            "  - generate: {model: small, n: {int: [1, 6], stp: 2}}\n",
            r"unknown key beside int 'stp'; did you mean 'step'",
        ),
        ("  - generate: {model: small, n: {choice: []}}\n", r"a choice needs at least one value"),
        ("  - generate: {model: small, n: {choice: [1, 2, 1]}}\n", r"the choice names 1 twice"),
        (
            "  - generate: {model: small, system: {knob: true}}\n",
            r"no knob; those with one are n, temperature",
        ),
        ("  - repeated: {fuse: {model: small}}\n", r"say how often"),
        ("  - any_order: vote\n", r"this must be a list of layers"),
        ("  - {vote: {}, rank: {model: small}}\n", r"a layer is one technique with its settings; this has vote, rank"),
        ("  - score: {reward: {juge: {model: small}}}\n", r"unknown reward 'juge'; did you mean 'judge'"),
    ],
)
def test_a_mistake_is_named_with_its_line(layers: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(layers)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", r"a search space is a mapping"),
        ("name: a b\nlayers: [vote]\n", r"space:1: name: use letters"),
        ("name: a\n", r"'layers' is missing"),
        ("name: a\nlayers: [vote]\nrule: {}\n", r"space:3: unknown key 'rule'; did you mean 'rules'"),
        (
            "name: a\nlayers: [vote]\nrules: {cals: {}}\n",
            r"space:3: rules.cals: unknown rule 'cals'; did you mean",
        ),
        (
            "name: a\nlayers: [vote]\nrules: {calls: {most: 0}}\n",
            r"space:3: rules.calls: most: input should be",
        ),
        ("name: a\nlayers: [vote]\nrules: {calls: {least: 2}}\n", r"unknown setting 'least'. Known: most"),
        ("name: a\nlayers: [vote]\nanswer: maths\n", r"space:3: .*maths"),
    ],
)
def test_a_document_that_is_no_space_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Space.parse(text)


@pytest.mark.parametrize("path", sorted(SEARCHES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_setting_of_a_built_architecture_is_found_again(path: Path) -> None:
    loaded = Space.load(path)
    for seed in range(8):
        built = loaded.build(loaded.random(Random(seed)))
        params = loaded.params_of(built)
        assert params is not None
        assert loaded.build(params) == built


def test_an_architecture_that_somebody_wrote_is_found_in_a_space() -> None:
    written = load_architecture(SEARCHES.parent / "architectures" / "gsm8k" / "best-of-8-logprob.yaml")
    params = Space.load(SEARCHES / "arithmetic.yaml").params_of(written)
    assert params is None, "its temperature is the model's, not the layer's"
    text = dump_architecture(written).replace("n: 8", "n: 8\n    temperature: 0.7").replace("solver", "only")
    params = Space.load(SEARCHES / "arithmetic.yaml").params_of(parse_architecture(text))
    assert params is not None
    assert params["layers.0.generate.n"] == 8
    assert params["layers.1.alternatives"] == "score"
    assert params["layers.2.optional"] is False


@pytest.mark.parametrize("path", sorted(SEARCHES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_templates_that_come_along_build(path: Path) -> None:
    loaded = Space.load(path)
    for seed in range(20):
        loaded.build(loaded.random(Random(seed)))
