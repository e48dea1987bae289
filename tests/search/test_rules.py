"""What the rules turn down, how many architectures they leave, and what that costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon.cli.app import run
from archon.source import load_architecture, parse_architecture
from search.census import NoValidArchitectureError, census
from search.rules import RULES, default_rules, turned_down
from search.space import Space
from tests.search.test_space import SEARCHES, space

MODELS = (
    "models: {a: {use: openai/gpt-4o-mini, max_tokens: 500}, near: {use: local/qwen2.5-coder-0.5b, max_tokens: 500}}\n"
)
DRAW = "{generate: {model: a, n: 4}}"


def verdict(*layers: str) -> tuple[str, str] | None:
    text = f"name: x\n{MODELS}layers:\n" + "".join(f"  - {layer}\n" for layer in layers)
    return turned_down(parse_architecture(text), default_rules())


@pytest.mark.parametrize(
    "layers",
    [
        ("{generate: {model: a}}",),
        (DRAW, "vote"),
        (DRAW, "{critique: {model: a}}", "{rank: {model: a}}", "{fuse: {model: a}}"),
        (DRAW, "{critique: {model: a}}", "{verify: {model: a}}", "{fuse: {model: a}}"),
        (DRAW, "{verify: {model: a}}"),
        (f"[{DRAW}, {{generate: {{model: near}}}}]", "vote"),
        (DRAW, "[{fuse: {model: a}}, {fuse: {model: near}}]", "vote"),
        ("{unit_tests: {model: a}}", DRAW, "{test: {model: a}}"),
        ("{unit_tests: {model: a, show: true}}", DRAW, "vote"),
        (DRAW, "{fuse: {model: a}}", "{self_refine: {model: a}}"),
    ],
)
def test_a_sound_architecture_passes(layers: tuple[str, ...]) -> None:
    assert verdict(*layers) is None


@pytest.mark.parametrize(
    ("rule", "layers"),
    [
        ("generators_first", (DRAW, "{generate: {model: a}}")),
        ("generators_first", (DRAW, "{fuse: {model: a}}", "[{generate: {model: a}}, {fuse: {model: a}}]")),
        ("critique_before_use", (DRAW, "{critique: {model: a}}", "vote")),
        ("critique_before_use", (DRAW, "{fuse: {model: a, n: 2}}", "{critique: {model: a}}")),
        ("critique_before_use", (DRAW, "{critique: {model: a}}", "{self_refine: {model: a}}", "{rank: {model: a}}")),
        ("one_judge_per_layer", (DRAW, "[{verify: {model: a}}, {verify: {model: near}}]", "vote")),
        ("one_judge_per_layer", ("{unit_tests: {model: a}}", DRAW, "[{test: {model: a}}, {verify: {model: a}}]")),
        ("tests_before_their_test", ("{unit_tests: {model: a}}", DRAW, "vote")),
        ("several_to_choose_from", ("{generate: {model: a}}", "vote")),
        ("several_to_choose_from", (DRAW, "{fuse: {model: a}}", "{rank: {model: a}}")),
        ("choice_at_the_end", (DRAW,)),
        ("choice_at_the_end", (DRAW, "{self_refine: {model: a}}")),
        ("calls", ("{generate: {model: a, n: 65}}", "vote")),
        ("fuse_fits_context", ("{generate: {model: a, n: 24}}", "{fuse: {model: near}}")),
    ],
)
def test_each_rule_turns_down_what_it_is_for(rule: str, layers: tuple[str, ...]) -> None:
    found = verdict(*layers)
    assert found is not None
    assert found[0] == rule
    assert found[1].endswith(".")


def test_every_rule_says_what_it_asks_for() -> None:
    assert all(rule.doc.endswith(".") for rule in default_rules())
    assert [rule.name for rule in default_rules()] == list(RULES)


def rules(text: str) -> dict[str, Any]:
    toy = space(f"  - generate: {{model: small, n: {{choice: [1, 100]}}}}\nrules: {text}\n")
    return {rule.name: rule for rule in toy.rules}


def test_a_template_changes_rules() -> None:
    changed = rules("{fuse_fits_context: off, calls: {most: 7}, one_judge_per_layer: on}")
    assert changed["calls"].most == 7
    assert changed.keys() == RULES.keys() - {"fuse_fits_context"}


def test_a_census_counts_a_small_space_and_says_who_turned_down_what() -> None:
    toy = space(
        "  - generate: {model: small, n: {choice: [1, 4, 100]}}\n"
        "  - optional: vote\n"
        "  - optional: {critique: {model: large}}\n"
    )
    counted = census(toy)
    assert counted.exact
    assert (counted.size, counted.valid, counted.distinct) == (12, 2, 2)
    # Alone with n = 1, and n = 4 with a vote, are left.
    assert counted.pruned == pytest.approx(
        {"critique_before_use": 6 / 12, "several_to_choose_from": 1 / 12, "choice_at_the_end": 2 / 12, "calls": 1 / 12}
    )
    assert counted.interval == pytest.approx((counted.share, counted.share))


def test_a_sample_agrees_with_the_count() -> None:
    loaded = Space.load(SEARCHES / "arithmetic.yaml")
    exact, sampled = census(loaded), census(loaded, most=0, sample=100, seed=2)
    assert exact.distinct >= 24
    assert not sampled.exact
    assert sampled.interval[0] < exact.share < sampled.interval[1]


def test_the_template_for_an_hour_begins_with_each_model_by_itself() -> None:
    loaded = Space.load(SEARCHES / "mawps.yaml")
    assert census(loaded).distinct == 44
    for name in ("single-0.5b", "single-1.5b"):
        written = load_architecture(SEARCHES.parent / "architectures" / "mawps" / f"{name}.yaml")
        assert loaded.params_of(written) is not None


def test_the_large_template_has_nine_thousand_valid_architectures() -> None:
    # Counted in full, they are 12,644.
    sampled = census(Space.load(SEARCHES / "stack.yaml"), sample=200, seed=0)
    assert sampled.interval[0] * sampled.size > 9_000


def test_a_space_without_a_valid_architecture_is_one_sentence() -> None:
    toy = space("  - generate: {model: small, n: {int: [65, 70]}}\n  - optional: {critique: {model: large}}\n")
    with pytest.raises(NoValidArchitectureError) as caught:
        census(toy)
    text = str(caught.value)
    assert text.startswith("toy.yaml: none of the 12 settings is an architecture to try: ")
    assert "critique_before_use turned down 6 (the first because nothing reads what critique says" in text
    assert "choice_at_the_end turned down 6 (the first because 65 candidates" in text
    assert "\n" not in text


def test_the_dry_run_says_what_a_study_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(
        "name: toy\nmodels: {m: {use: openai/gpt-4o-mini, max_tokens: 100}}\nlayers:\n"
        "  - generate: {model: m, n: {choice: [1, 3]}}\n  - optional: vote\n"
    )
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "How many are 2 and 3?"}\n' * 5)
    assert run(["search", str(path), "--dry-run", "--input", str(questions), "--trials", "7", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["size"], said["valid"], said["distinct"], said["exact"]) == (4, 2, 2, True)
    assert said["pruned"].keys() == {"several_to_choose_from", "choice_at_the_end"}
    assert said["per_question"]["mean"]["samples"] == 2
    assert said["per_evaluation"]["problems"] == 5
    assert said["per_study"]["samples"] == 2 * 5 * 7
    assert said["per_study"]["dollars"] == pytest.approx(35 * said["per_question"]["mean"]["dollars"])
    assert said["per_study"]["dollars"] > 0
    assert run(["search", str(path), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "turned down by several_to_choose_from" in shown
    assert "a study (100 evaluations)" in shown


def test_without_a_dry_run_there_is_no_search_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(SEARCHES / "arithmetic.yaml")]) == 2
    assert "--dry-run" in capsys.readouterr().err
