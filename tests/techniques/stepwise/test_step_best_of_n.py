"""Greedy step search against a tree of which everything is known, and on a scripted model."""

from __future__ import annotations

from archon.concurrency import run_sync
from archon.models.base import Completion, Request
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards.judge import Judge
from techniques.stepwise.plan import EXPECTED_STEPS
from techniques.stepwise.search import Search
from techniques.stepwise.step_best_of_n import StepBestOfN, step_best_of_n


def test_it_follows_the_best_step_at_every_depth() -> None:
    tree = ToyTree(depth=5, branching=3, seed=1)
    search = Search(Everything(tree), tree)
    (answer,) = run_sync(step_best_of_n(search, 3))
    text = ""
    for _ in range(5):
        text = max((text + step for step in "012"), key=tree.reward.__getitem__)
    assert answer.text == text
    assert answer.complete
    assert search.spent.calls == 15


def stepping(request: Request, index: int) -> str | Completion:
    """Writes three steps, then nothing; rates a text the higher the more even numbers it holds."""
    prompt = request.messages[-1]
    if "rate" in prompt.content.lower() and prompt.role == "user":
        return f"Rating: [{1 + sum(prompt.content.count(str(even)) for even in (0, 2, 4)) % 10}]"
    done = prompt.content.count("step") if prompt.role == "assistant" else 0
    return "" if done == 3 else f"step {index}"


def as_expected(request: Request, index: int) -> str | Completion:
    """As :func:`stepping`, in as many steps as a plan expects, of which the last is said to be the last."""
    done = request.messages[-1].content.count("step") if request.messages[-1].role == "assistant" else -1
    return Completion(f"step {index}", stop_reason="") if done == EXPECTED_STEPS - 1 else stepping(request, index)


class TestStepBestOfN(TechniqueConformance):
    technique = StepBestOfN(model="m", n=2, max_steps=5, reward=Judge(model="m"))
    script = staticmethod(stepping)
    planned = staticmethod(as_expected)
    candidates = ()


def test_steps_are_joined_by_the_delimiter_and_the_best_is_kept() -> None:
    technique = StepBestOfN(model="m", n=3, reward=Judge(model="j"), delimiter="\n", max_tokens=9)
    judged: list[str] = []

    def judge(request: Request, index: int) -> str:
        text = request.messages[-1].content
        judged.append(text)
        return f"Rating: [{1 + text.count('step 2')}]"

    model = ScriptedModel(stepping)
    rehearsal = rehearse(technique, {"m": model, "j": ScriptedModel(judge)})
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "step 2\nstep 2\nstep 2"
    assert not rehearsal.state.failures
    assert {request.sampling.stop for request in model.requests} == {("\n",)}
    assert {request.sampling.max_tokens for request in model.requests} == {9}
