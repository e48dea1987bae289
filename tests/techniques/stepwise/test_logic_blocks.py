"""Logic blocks on scripted models: what is chosen, shown and recorded, and what is left when things go wrong."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate
from pydantic import ValidationError

from archon.architecture import Architecture
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.errors import PermanentError
from archon.models.base import Request
from archon.schema import architecture_schema
from archon.state import Candidate, Message, Task
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.trace import Event
from techniques import LogicBlocks
from techniques.rewards.judge import Judge
from techniques.stepwise.blocks import ASPECTS, BLOCKS, Block, Situation, allowed, parse_scores
from techniques.stepwise.navigator import Fixed, Heuristic
from tests.techniques.budgeted import run_with
from tests.techniques.snapshot import check_snapshot

ENOUGH = "\n".join(f"{name}: 3" for name in ASPECTS)
PARTLY = "\n".join(f"{name}: 2" for name in ASPECTS)
MARKS: dict[str, str] = {
    "Do not go on with": "evaluate",
    "only that one": "reason",
    "smaller tasks": "decompose",
    "criticised": "debate",
    "write this step anew": "refine",
    "Finish now": "terminate",
    "Rate the response": "judge",
}


def asked(request: Request) -> str:
    """What a request is for."""
    said = request.messages[-1].content
    return next(purpose for mark, purpose in MARKS.items() if mark in said)


def scripted(scores: str = PARTLY, **replies: Any) -> ScriptedModel:
    """A model that says what it was asked for, numbered; errors and other replies by purpose."""
    numbers = itertools.count(1)

    def script(request: Request, index: int) -> Any:
        purpose = asked(request)
        if purpose in replies:
            return replies[purpose]
        if purpose == "evaluate":
            return scores
        return "Rating: [4]" if purpose == "judge" else f"{purpose} {next(numbers)}"

    return ScriptedModel(script)


def steady(request: Request, index: int) -> str:
    """Depends on nothing but the request, scores by what the reasoning already holds."""
    purpose = asked(request)
    said = request.messages[-1].content
    if purpose == "evaluate":
        return ENOUGH if "step" in said.split("Reasoning so far:")[1].split("Do not")[0] else PARTLY
    return "Rating: [7]" if purpose == "judge" else f"a step of {request.wire_seed()}: is {index}"


class TestLogicBlocks(TechniqueConformance):
    technique = LogicBlocks(model="m")
    script = staticmethod(steady)
    candidates = ()


class TestLogicBlocksCollecting(TechniqueConformance):
    technique = LogicBlocks(model="m", navigator=Fixed(), reward=Judge(model="j"), explore=0.5, max_steps=5)
    script = staticmethod(steady)
    candidates = ()


def purposes(model: ScriptedModel) -> list[str]:
    return [asked(request) for request in model.requests]


def test_blocks_are_chosen_in_turn_and_refining_replaces_the_last_step() -> None:
    model = scripted()
    navigator = Fixed(blocks=("refine", "decompose", "refine", "debate"))
    rehearsal = rehearse(LogicBlocks(model="m", navigator=navigator), model)
    assert purposes(model) == ["reason", "decompose", "refine", "debate", "terminate"]
    assert rehearsal.state.candidates == (Candidate("terminate 5", "1.logic_blocks/m#0"),)
    last = model.requests[-1].messages[-1].content
    assert "reason 1\n\nrefine 3\n\ndebate 4\n\n" in last
    assert "decompose 2" not in last
    refining = model.requests[2].messages[-1].content
    assert "before the last step:\nreason 1\n\nLast step:\ndecompose 2\n" in refining


def test_scores_are_asked_for_before_every_choice_and_only_then() -> None:
    model = scripted()
    rehearse(LogicBlocks(model="m", max_steps=3), model)
    assert purposes(model) == ["evaluate", "reason", "evaluate", "reason", "terminate"]
    model = scripted()
    rehearse(LogicBlocks(model="m", max_steps=3, reward=Judge(model="m")), model)
    assert purposes(model) == [
        *("evaluate", "reason", "judge"),
        *("evaluate", "reason", "judge"),
        *("evaluate", "terminate", "judge"),
    ]


@given(st.integers(0, 5), st.integers(0, 9), st.integers(2, 9))
def test_what_is_allowed(steps: int, done: int, most: int) -> None:
    possible = allowed(min(steps, done), done, most)
    assert possible == tuple(block for block in BLOCKS if block in possible) and possible
    assert "terminate" not in possible or done > 0
    assert "refine" not in possible or min(steps, done) > 0
    assert (possible == ("terminate",)) == (done >= most - 1)
    assert done >= most - 1 or "reason" in possible


SCORES = st.tuples(*[st.integers(1, 3)] * len(ASPECTS))
DONE = st.lists(st.sampled_from(BLOCKS[:-1]), max_size=6).map(tuple)


@given(SCORES, DONE, st.integers(2, 8), st.sampled_from([Heuristic(), Fixed(), Fixed(blocks=("terminate", "refine"))]))
def test_navigators_choose_what_is_allowed(scores: Any, done: Any, most: int, navigator: Any) -> None:
    possible = allowed(len(done), min(len(done), most - 1), most)
    assert navigator.choose(Situation(scores, done, possible)) in possible


@pytest.mark.parametrize(
    ("changes", "done", "block"),
    [
        ({}, (), "reason"),
        ({"simplicity": 1}, (), "decompose"),
        ({"simplicity": 1}, ("decompose",), "reason"),
        ({"agreement": 1}, ("reason",), "debate"),
        ({"calculation": 1}, ("reason",), "refine"),
        ({"calculation": 1}, (), "reason"),
        ({"calculation": 1, "closeness": 3}, ("reason",), "refine"),
        ({"modeling": 1, "closeness": 3}, ("reason", "refine"), "terminate"),
        ({"closeness": 3}, (), "reason"),
        ({"closeness": 3, "coverage": 1}, ("reason",), "reason"),
    ],
)
def test_the_rule(changes: dict[str, int], done: tuple[Block, ...], block: Block) -> None:
    scores = tuple(changes.get(name, 2) for name in ASPECTS)
    assert Heuristic().choose(Situation(scores, done, allowed(len(done), len(done), 9))) == block


@given(st.text() | st.lists(st.sampled_from([*ASPECTS, ": ", "1", "3", "4", "\n", "(1-3)", "["])).map("".join))
def test_parsing_scores_never_raises_and_the_last_line_counts(text: str) -> None:
    scores = parse_scores(text)
    assert scores is None or (len(scores) == len(ASPECTS) and set(scores) <= {1, 2, 3})
    assert parse_scores(f"{text}\n{ENOUGH}") == (3,) * len(ASPECTS)


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("{}: 1", 1),
        ("- **{}**: [3]", 3),
        ("{} (1-3): 2", 2),
        ("{} = 2/3", 2),
        ("{}: 3.", 3),
        ("{}: 2 (in part)", 2),
        ("{}: 4", None),
        ("{}: 12", None),
        ("{}: 2.5", None),
        ("{}: -1", None),
        ("{}: 1-3", None),
        ("{} is good", None),
        ("{}:\n2", None),
    ],
)
def test_parsing_scores(line: str, score: int | None) -> None:
    name = random.Random(line).choice(list(ASPECTS))
    others = "\n".join(f"{other}: 2" for other in ASPECTS if other != name)
    scores = parse_scores(f"{others}\n{line.format(name.capitalize())}")
    expected = None if score is None else tuple(score if other == name else 2 for other in ASPECTS)
    assert scores == expected


def test_scores_that_cannot_be_had_are_recorded_and_the_last_ones_stay() -> None:
    replies = iter([ENOUGH.replace("closeness: 3", "closeness: 2").replace("agreement: 3", "agreement: 1"), "none"])
    model = ScriptedModel(
        lambda request, index: next(replies) if asked(request) == "evaluate" else f"{asked(request)} done"
    )
    state = rehearse(LogicBlocks(model="m", max_steps=3), model).state
    assert purposes(model) == ["evaluate", "debate", "evaluate", "reason", "terminate"]
    assert [failure.kind for failure in state.failures] == ["parse"]
    assert state.candidates[0].text == "terminate done"
    unscored = scripted(evaluate=PermanentError("broken", reason="forbidden"))
    state = rehearse(LogicBlocks(model="m", max_steps=3), unscored).state
    assert [failure.kind for failure in state.failures] == ["call", "call"]
    assert state.candidates[0].text == "terminate 3"


def test_after_a_failed_block_the_answer_is_written_from_what_there_is() -> None:
    broken = PermanentError("broken", reason="forbidden")
    navigator = Fixed(blocks=("reason", "debate", "reason", "reason"))
    model = scripted(debate=broken)
    state = rehearse(LogicBlocks(model="m", navigator=navigator), model).state
    assert purposes(model) == ["reason", "debate", "terminate"]
    assert state.candidates[0].text == "terminate 2"
    assert [(failure.kind, failure.reason) for failure in state.failures] == [("call", "broken")]
    state = rehearse(LogicBlocks(model="m", navigator=navigator), scripted(terminate=broken)).state
    assert state.candidates[0].text == "reason 1\n\ndebate 2\n\nreason 3\n\nreason 4"
    result = rehearse(LogicBlocks(model="m", navigator=navigator), scripted(reason=broken)).result
    assert result.error is broken


def test_an_empty_step_is_recorded_and_passed_over() -> None:
    model = scripted(decompose="  ")
    state = rehearse(LogicBlocks(model="m", navigator=Fixed()), model).state
    assert purposes(model) == ["decompose", "reason", "refine", "terminate"]
    assert [failure.reason for failure in state.failures] == ["the reply to decompose is empty"]
    silent = rehearse(LogicBlocks(model="m", navigator=Fixed()), scripted(terminate="")).state
    assert silent.candidates[0].text == "decompose 1\n\nrefine 3"


@pytest.mark.parametrize("calls", range(1, 8))
def test_a_budget_leaves_the_reasoning_so_far(calls: int) -> None:
    result = run_with(calls, LogicBlocks(model="m", max_steps=4), scripted())
    expected = [None, None, "reason 1", "reason 1", "reason 1\n\nreason 2", "reason 1\n\nreason 2"]
    texts = [*expected, "reason 1\n\nreason 2\n\nreason 3", "terminate 4"]
    assert result.text == texts[calls]
    assert result.status == ("failed" if calls == 1 else "budget" if calls < 7 else "done")
    assert result.totals.calls <= calls


def events_of(component: LogicBlocks, model: ScriptedModel) -> list[Event]:
    """The blocks in the trace of one question."""
    events: list[Event] = []
    architecture = Architecture(name="traced", models={"m": {"use": "openai/scripted"}}, layers=[component])

    async def run() -> None:
        async with Engine(architecture, models={"m": model}, observe=events.append) as engine:
            await engine.run(Task.of("What is 2 + 2?", id="q"))

    run_sync(run())
    return [event for event in events if event.kind == "block"]


def test_every_block_is_an_event_that_can_be_learnt_from_by_itself() -> None:
    component = LogicBlocks(model="m", navigator=Fixed(blocks=("reason",)), reward=Judge(model="m"))
    first, last = events_of(component, scripted())
    assert first.layer == "0.logic_blocks"
    assert {**first.data, "run": 0} == {
        "run": 0,
        "step": 0,
        "scores": (2,) * 7,
        "allowed": ("reason", "decompose", "debate"),
        "block": "reason",
        "reward": pytest.approx(3 / 9),
        "next": {"scores": (2,) * 7, "allowed": BLOCKS},
    }
    assert (last.data["block"], last.data["next"], last.data["reward"]) == ("terminate", None, pytest.approx(3 / 9))
    unscored = events_of(LogicBlocks(model="m", navigator=Fixed(blocks=("reason",))), scripted())
    assert [(event.data["scores"], event.data["reward"]) for event in unscored] == [(None, None)] * 2


def test_beginnings_are_judged_as_such_and_the_answer_with_the_reasoning_before_it() -> None:
    model = scripted()
    component = LogicBlocks(model="m", navigator=Fixed(blocks=("reason",)), reward=Judge(model="m"))
    state = rehearse(component, model).state
    first, last = (request.messages[-1].content for request in model.requests if asked(request) == "judge")
    assert "Response:\nreason 1\n" in first
    assert "(The response is not" in first
    assert "(The response is not" not in last
    assert "Response:\nreason 1\n\nterminate 2\n" in last
    assert state.candidates[0].score == pytest.approx(3 / 9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000))
def test_exploring_draws_among_what_is_allowed_and_by_the_seed(seed: int) -> None:
    def run() -> list[str]:
        model = scripted()
        component = LogicBlocks(model="m", navigator=Fixed(blocks=("reason",)), explore=1.0, max_steps=5)
        rehearse(component, model, seed=seed)
        return purposes(model)

    drawn = run()
    assert drawn == run()
    assert drawn[-1] == "terminate"
    assert "terminate" not in drawn[:-1]
    assert drawn[0] not in ("refine", "terminate")


def test_own_prompts_are_used_and_show_what_they_must() -> None:
    model = ScriptedModel("well")
    component = LogicBlocks(
        model="m",
        max_steps=2,
        reason_prompt="Step on: {question} / {reasoning}",
        terminate_prompt="End: {question} / {reasoning}",
        evaluate_prompt="Mark: {question} / {reasoning} / {aspects}",
    )
    rehearse(component, model, task=Task.of("Q"))
    marked, *others = [request.messages[-1].content for request in model.requests]
    assert marked.startswith("Mark: Q / (nothing yet) / - modeling: ")
    assert others == ["Step on: Q / (nothing yet)", "End: Q / well"]
    with pytest.raises(ValidationError, match="last"):
        LogicBlocks(model="m", refine_prompt="{question} {reasoning}")


def test_settings_that_make_no_sense_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [
        {"max_steps": 1},
        {"explore": 1.5},
        {"navigator": "no_such"},
        {"navigator": {"fixed": {"blocks": []}}},
        {"navigator": {"fixed": {"blocks": ["leap"]}}},
        {"reward": {"pairwise": {"model": "m"}}},
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            LogicBlocks.model_validate({"model": "m", **wrong})


def test_the_readme_gives_the_same_formula() -> None:
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| `logic_blocks` \|.*\| (.+) \|$", readme, re.MULTILINE)
    assert row is not None
    assert row[1] == LogicBlocks.calls


def test_the_schema_knows_navigators() -> None:
    schema = architecture_schema()
    for navigator in ("heuristic", {"fixed": {"blocks": ["reason"]}}):
        layer = {"logic_blocks": {"model": "m", "navigator": navigator}}
        validate({"name": "n", "models": {"m": {"use": "openai/m"}}, "layers": [layer]}, schema)


@pytest.mark.parametrize("block", [*BLOCKS, "evaluate"])
def test_prompts(block: str) -> None:
    model = scripted()
    blocks: tuple[Block, ...] = ("reason", "decompose", "debate", "refine")
    rehearse(LogicBlocks(model="m", navigator=Fixed(blocks=blocks), reward=Judge(model="m")), model)
    messages: tuple[Message, ...] = next(r.messages for r in reversed(model.requests) if asked(r) == block)
    check_snapshot(f"logic_blocks_{block}", messages)
