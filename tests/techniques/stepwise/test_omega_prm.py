"""Labels of steps: what is chosen, what is found, and what is written down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.architecture import Architecture
from archon.concurrency import run_sync
from archon.engine import Engine
from archon.models.base import Completion, Request
from archon.state import Failure, Task
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import ToyTree
from archon.trace import Event
from techniques.rewards import Python, Reference
from techniques.stepwise.omega_prm import Collection, Examined, OmegaPRM
from techniques.stepwise.search import Limit, Search
from tests.techniques.stepwise.test_step_best_of_n import stepping
from tests.techniques.stepwise.verifiers import MODULE

EVEN = Python(function=f"{MODULE}:even_start")


class Slips:
    """Answers of so many steps with a slip in one of them, at random or nowhere; an answer without one is right."""

    longest = 1

    def __init__(self, steps: int, seed: int = 0) -> None:
        self.tree = ToyTree(steps, 2, seed=seed, draws=seed)
        self.tree.probabilities = {text: [0.7, 0.3] for text in self.tree.probabilities}

    async def extend(self, partial: Partial, n: int) -> list[Partial]:
        return await self.tree.extend(partial, n)

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        return [float("1" not in partial.text) for partial in partials]


def collected(world: Slips, searches: int, k: int = 8) -> tuple[Collection, Search, list[Mapping[str, Any]]]:
    told: list[Mapping[str, Any]] = []
    search = Search(world, world)
    collection = Collection(search, k=k, right=0.5, record=lambda kind, data: told.append(data))
    run_sync(collection.grow(searches, alpha=0.5, beta=0.9, length=500, exploration=0.125))
    return collection, search, told


@given(seed=st.integers(0, 40), steps=st.integers(1, 6), searches=st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_labels_are_what_rollouts_say(seed: int, steps: int, searches: int) -> None:
    collection, search, told = collected(Slips(steps, seed), searches)
    for label in told:
        text = label["prefix"] + label["step"]
        assert label["label"] == (label["mc"] > 0)
        if "1" in text:
            assert label["mc"] == 0, "no answer that begins with a slip is right"
    places = [(label["prefix"], label["step"]) for label in told]
    assert len(set(places)) == len(places), "no step is labelled twice"
    for state in collection.examined.values():
        assert 0 <= state.mc <= 1
        assert all("1" in rollout.text for rollout in state.wrong)
    examined = len(collection.examined)
    assert examined <= 1 + searches * max(1, math.ceil(math.log2(max(2, steps))))
    assert search.spent.calls <= examined * 8 * steps


def test_the_first_error_of_a_rollout_is_found() -> None:
    # With 64 rollouts, every beginning without a slip has one that is right.
    world = Slips(6, seed=3)
    collection, _, told = collected(world, 0, k=64)
    root = collection.examined[()]
    for rollout in list(root.wrong):
        assert run_sync(collection.locate(root, rollout)) == 1 + rollout.text.index("1")
    wrong = {label["prefix"] + label["step"] for label in told if not label["label"]}
    assert all(text.count("1") >= 1 for text in wrong)
    assert {rollout.text[: 1 + rollout.text.index("1")] for rollout in root.wrong} <= wrong


def test_the_priority_by_hand() -> None:
    world = Slips(4)
    search = Search(world, world)
    collection = Collection(search, k=2, right=0.5, record=lambda kind, data: None)

    async def prepare() -> Partial:
        partial = search.root
        while partial.open:
            ((partial,),) = await search.extend([(partial, 1)])
        return partial

    rollout = run_sync(prepare())
    root = Examined(search.root, 0.75, [rollout], chosen=1)
    other = Examined(rollout, 0.5, [], chosen=3)
    collection.examined = {(): root, ("x",): other}
    # Four steps of a token each: 0.5^0.25 · 0.9^(4/10) + 0.125 · √4 / 2.
    given_ = collection.priority(root, rollout, 0.5, 0.9, 10, 0.125)
    assert given_ == pytest.approx(0.5**0.25 * 0.9**0.4 + 0.125)


def test_it_ends_when_nothing_is_left_to_choose() -> None:
    world = Slips(2)
    world.tree.probabilities = {text: [1.0, 0.0] for text in world.tree.probabilities}
    collection, search, told = collected(world, 100)
    assert list(collection.examined) == [()]
    assert told == []
    assert search.spent.calls == 16


class TestOmegaPRM(TechniqueConformance):
    technique = OmegaPRM(model="m", searches=2, k=3, max_steps=4, reward=EVEN)
    script = staticmethod(stepping)
    candidates = ()


def test_a_reference_answer_is_verifier_enough() -> None:
    def script(request: Request, index: int) -> str | Completion:
        prompt = request.messages[-1]
        if prompt.role == "user":
            return "Two and two"
        if prompt.content == "Two and two\n":
            return "makes 4" if request.wire_seed() % 2 else "makes 5"
        return ""

    technique = OmegaPRM(model="m", k=6, delimiter="\n", max_steps=3, reward=Reference(answer="4"))
    rehearsal = rehearse(technique, ScriptedModel(script), answer="math")
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "Two and two\nmakes 4"
    assert candidate.score == 1.0
    assert not rehearsal.state.failures


def test_a_limit_ends_it_with_one_answer() -> None:
    technique = OmegaPRM(model="m", k=8, max_steps=4, limit=Limit(calls=44), reward=EVEN)
    state = rehearse(technique, ScriptedModel(stepping)).state
    assert len(state.candidates) == 1
    assert [failure.kind for failure in state.failures] == ["budget"]


async def test_labels_go_to_the_trace() -> None:
    technique = OmegaPRM(model="m", searches=1, k=8, delimiter="\n", max_steps=4, reward=EVEN)
    architecture = Architecture.model_validate(
        {"name": "x", "models": {"m": {"use": "openai/m"}}, "layers": [technique]}
    )
    events: list[Event] = []
    async with Engine(architecture, models={"m": ScriptedModel(stepping)}, observe=events.append) as engine:
        result = await engine.run(Task.of("What is 2 + 2?", id="q"))
    assert result.error is None
    labels = {event.data["prefix"] + event.data["step"]: event for event in events if event.kind == "label"}
    # All rollouts of an odd first step are wrong, as is what follows it.
    assert {text.count("\n"): event.data["label"] for text, event in labels.items()} == {1: False, 2: False}
    assert {(event.question, event.data["mc"]) for event in labels.values()} == {("q", 0.0)}
