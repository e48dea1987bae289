"""What holds for every reward: what counts as a score, and how rewards are written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.architecture import Architecture
from archon.engine import Engine
from archon.errors import ConfigError
from archon.models.base import Capabilities
from archon.reward import Reward, parse_reward, reward, rewards
from archon.source import dump_architecture, parse_architecture
from archon.state import Candidate, Failure, State, Task
from archon.technique import Context
from archon.testing import ScriptedModel, isolated_registry
from archon.testing_rewards import score
from techniques.rewards import Ensemble, Judge, Logprob, Pairwise, Python, Rollout
from tests.techniques.rewards.functions import MODULE
from tests.techniques.rewards.test_conformance import both

SILENT = ScriptedModel("never asked")


def stated(*scores: str) -> list[float | Failure]:
    candidates = [Candidate(f"text |{given}") for given in scores]
    return score(Python(function=f"{MODULE}:stated"), SILENT, candidates)[0]


def test_scores_within_the_range_pass() -> None:
    assert stated("0", "1", "0.25") == [0.0, 1.0, 0.25]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("nan", "gave nan"),
        ("inf", "gave inf, which is not a number from 0 to 1"),
        ("-inf", "gave -inf"),
        ("1.0001", "gave 1.0001, which is not a number from 0 to 1"),
        ("-0.5", "gave -0.5"),
        ("huge", "gave inf"),
        ("none", "gave a NoneType instead of a number"),
        ("text", "gave a str instead of a number"),
        ("true", "gave a bool instead of a number"),
    ],
)
def test_anything_else_is_a_failure_at_its_place(given: str, reason: str) -> None:
    first, second, third = stated("0.5", given, "0.5")
    assert (first, third) == (0.5, 0.5)
    assert isinstance(second, Failure)
    assert second.kind == "parse"
    assert reason in second.reason


def test_too_few_scores_are_none() -> None:
    scores, _ = score(Python(function=f"{MODULE}:too_few"), SILENT, [Candidate("a"), Candidate("b")])
    assert [given.reason for given in scores if isinstance(given, Failure)] == [
        "python gave 1 scores for 2 candidates"
    ] * 2


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (f"{MODULE}:no_list", "has to return a list of numbers"),
        (f"{MODULE}:missing", "cannot be imported"),
        ("no_such_module_of_mine:f", "cannot be imported: No module named"),
    ],
)
def test_a_function_that_cannot_be_used_is_an_error(function: str, sentence: str) -> None:
    _, rehearsal = score(Python(function=function), SILENT, [Candidate("a")])
    assert isinstance(rehearsal.result.error, ConfigError)
    assert sentence in str(rehearsal.result.error)


def test_what_a_function_raises_fails_the_question() -> None:
    _, rehearsal = score(Python(function=f"{MODULE}:broken"), SILENT, [Candidate("a")])
    assert isinstance(rehearsal.result.error, LookupError)


@pytest.mark.parametrize("function", ["", "f", "a b:c", "module:", ":f", "os.system('x'):f"])
def test_a_function_is_named_as_module_and_name(function: str) -> None:
    with pytest.raises(ValidationError):
        Python(function=function)


@pytest.mark.parametrize(
    ("needy", "capabilities", "needs"),
    [
        (Logprob(model="m"), Capabilities(logprobs=False), "log-probabilities"),
        (Rollout(model="m"), Capabilities(prefix="unsupported"), "continue assistant messages"),
    ],
)
def test_what_an_endpoint_cannot_do_is_an_error_and_costs_nothing(
    needy: Reward, capabilities: Capabilities, needs: str
) -> None:
    model = ScriptedModel("Yes", capabilities=capabilities)
    _, rehearsal = score(needy, model, [Candidate("a")])
    assert isinstance(rehearsal.result.error, ConfigError)
    assert needs in str(rehearsal.result.error)
    assert not model.requests


def test_two_rewards_of_one_kind_are_refused() -> None:
    class Mine(Reward, kind="mine"):
        async def measure(self, state: State, context: Context) -> list[float | Failure]:
            return []

    assert reward("mine") is Mine
    assert Mine().plan(3) is None
    with pytest.raises(ConfigError, match="Two rewards are called 'mine'"):

        class Other(Reward, kind="mine"):
            async def measure(self, state: State, context: Context) -> list[float | Failure]:
                return []


def test_what_a_block_defines_is_gone_after_it_and_may_be_defined_again() -> None:
    before = rewards()
    for _ in range(2):
        with isolated_registry():

            class Passing(Reward, kind="passing"):
                async def measure(self, state: State, context: Context) -> list[float | Failure]:
                    return []

            assert reward("passing") is Passing
            assert rewards() == {**before, "passing": Passing}
        assert rewards() == before


def test_which_kinds_score_beginnings() -> None:
    beginnings = Judge(model="m", unfinished=True)
    assert beginnings.scores_beginnings
    assert Rollout(model="m").scores_beginnings
    assert Ensemble(rewards=(beginnings, Rollout(model="m"))).scores_beginnings
    assert not Ensemble(rewards=(beginnings, Pairwise(model="m"))).scores_beginnings


DOCUMENT = """\
name: rewarded
models:
  solver: openai/x
  judge: openai/y
layers:
  - best_of_n:
      model: solver
      n: 3
      reward:
        ensemble:
          rewards:
            - logprob: {model: judge}
            - judge: {model: solver, unfinished: true}
          weights: [2, 1]
  - score: {reward: {python: {function: "a:b"}}}
"""


def test_a_bare_kind_is_its_default_settings_and_a_reward_is_itself() -> None:
    assert parse_reward({"logprob": {"model": "m"}}) == Logprob(model="m")
    judge = Judge(model="m")
    assert parse_reward(judge) is judge
    with pytest.raises(ValidationError):
        parse_reward("judge")


def test_yaml_reads_back_and_names_the_models_inside() -> None:
    architecture = parse_architecture(DOCUMENT)
    assert parse_architecture(dump_architecture(architecture)) == architecture
    assert Architecture.model_validate(architecture.to_data()) == architecture
    (_, best_of_n), _ = architecture.components()
    assert dict(best_of_n.model_refs()) == {
        "model": "solver",
        "reward.ensemble.rewards.0.logprob.model": "judge",
        "reward.ensemble.rewards.1.judge.model": "solver",
    }
    assert architecture.specs().keys() == {"solver", "judge"}


def test_a_servers_key_stays_a_reference_and_is_never_repeated() -> None:
    document = DOCUMENT.replace(
        'python: {function: "a:b"}', "http: {url: 'http://127.0.0.1', api_key: '${REWARD_KEY}'}"
    )
    architecture = parse_architecture(document)
    assert "${REWARD_KEY}" in dump_architecture(architecture)
    assert parse_architecture(dump_architecture(architecture)) == architecture
    with pytest.raises(ConfigError, match="never write the key itself") as refused:
        parse_architecture(document.replace("${REWARD_KEY}", "sesame"))
    assert "sesame" not in str(refused.value)


async def test_components_never_share_a_draw_whatever_their_rewards_ask() -> None:
    judge = {"judge": {"model": "m"}}
    twice = {"ensemble": {"rewards": [judge, judge]}}
    layers = [
        [
            {"best_of_n": {"model": "m", "n": 2, "reward": judge}},
            {"best_of_n": {"model": "s", "n": 2, "reward": judge}},
        ],
        [{"score": {"reward": judge}}, {"score": {"reward": twice}}],
        {"score": {"reward": judge}},
        {"self_consistency": {"model": "m", "n": 2, "reward": judge}},
    ]
    architecture = Architecture.model_validate(
        {"name": "a", "models": {"m": "openai/m", "s": "openai/s"}, "layers": layers}
    )
    m, s = ScriptedModel(both, name="m"), ScriptedModel(both, name="s")
    async with Engine(architecture, models={"m": m, "s": s}) as engine:
        result = await engine.run(Task.of("Q?"))
    assert result.error is None
    for model in (m, s):
        assert len(set(model.draws())) == len(model.draws())
    # 2 draws and 2 ratings, 2 ratings; 2, 4; 4; 2 draws and 2 ratings.
    assert (len(m.draws()), len(s.draws())) == (4 + 2 + 2 + 4 + 4 + 4, 2)
