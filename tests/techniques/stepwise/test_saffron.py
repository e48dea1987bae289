"""One verdict for all next steps of a beginning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.models.base import Capabilities, Completion, Request, TokenLogprob
from archon.stepwise import Partial
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from archon.testing_stepwise import Everything, ToyTree
from techniques.rewards import Judge
from techniques.stepwise.saffron import Saffron, saffron, step_values
from techniques.stepwise.search import Search
from tests.techniques.stepwise.test_step_best_of_n import stepping


def token(**probabilities: float) -> TokenLogprob:
    top = tuple((name, math.log(p)) for name, p in probabilities.items())
    return TokenLogprob(*top[0], top)


def test_the_values_of_steps_by_hand() -> None:
    first = TokenLogprob(
        "A", math.log(0.5), (("A", math.log(0.5)), (" a", math.log(0.1)), ("B", math.log(0.2)), ("Z", math.log(0.2)))
    )
    assert step_values(first, 3) == pytest.approx([0.75, 0.5, 0.0])


def test_what_is_not_listed_has_no_more_than_is_left() -> None:
    # Z can have at most the 0.2 of the least likely token, and at most the 0.1 that is left.
    assert step_values(token(A=0.7, B=0.2), 2) == pytest.approx([0.7 / 0.8, 0.2 / 0.3])
    assert step_values(token(A=1.0), 2) == [1.0, 0.0]
    assert step_values(token(Hm=0.9), 2) is None


@given(masses=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=9))
def test_values_lie_between_0_and_1_and_are_ordered_as_the_probabilities(masses: list[float]) -> None:
    probabilities = [mass / sum(masses) for mass in masses]
    letters = dict(zip("ABCDEFGHIJ", probabilities[:-1], strict=False)) | {"Z": probabilities[-1]}
    values = step_values(token(**letters), len(masses) - 1)
    assert values is not None
    assert all(0 <= value <= 1 for value in values)
    order = sorted(range(len(values)), key=values.__getitem__)
    assert all(probabilities[a] <= probabilities[b] + 1e-12 for a, b in pairwise(order))


def test_with_the_whole_width_it_finds_the_best_answer() -> None:
    tree = ToyTree(depth=3, branching=2, seed=4)
    best = max((answer for answer, _ in tree.answers()), key=lambda answer: answer.score or 0.0)
    found = run_sync(saffron(Search(Everything(tree), tree), width=4, branching=2))
    assert found[0].text == best.text
    assert len(found) == 8


def test_what_was_not_seen_is_not_followed_unless_there_is_nothing_else() -> None:
    tree = ToyTree(depth=2, branching=3)

    class Unseen:
        async def score(self, partials: Sequence[Partial]) -> list[float]:
            return [0.0 if partial.text in unseen else 0.5 for partial in partials]

    unseen = {"0", "1"}
    found = run_sync(saffron(Search(Everything(tree), Unseen()), width=3, branching=3))
    assert {answer.text[0] for answer in found} == {"2"}
    unseen = {"0", "1", "2"}
    found = run_sync(saffron(Search(Everything(tree), Unseen()), width=3, branching=3))
    assert {answer.text[0] for answer in found} == {"0", "1", "2"}


def verdict(request: Request, index: int) -> str | Completion:
    """Likes the second of the steps it is shown."""
    prompt = request.messages[-1].content
    if request.sampling.top_logprobs is None:
        return stepping(request, index)
    letter = "B" if "[B]" in prompt else "A"
    first = token(**{letter: 0.8, "Z": 0.1})
    return Completion(letter, logprobs=(first,))


class TestSaffron(TechniqueConformance):
    technique = Saffron(model="m", verifier="m", width=2, branching=2, max_steps=4, reward=Judge(model="m"))
    script = staticmethod(verdict)
    candidates = ()


def test_one_verdict_per_beginning_shows_all_its_steps() -> None:
    technique = Saffron(
        model="m", verifier="v", width=1, branching=3, reward=Judge(model="j"), delimiter="\n", max_steps=6
    )
    models = {"m": ScriptedModel(stepping), "v": ScriptedModel(verdict), "j": ScriptedModel("Rating: [7]")}
    rehearsal = rehearse(technique, models)
    (candidate,) = rehearsal.state.candidates
    assert candidate.text == "step 1\nstep 1\nstep 1"
    assert candidate.score == pytest.approx(6 / 9)
    first, second, third = (request.messages[-1].content for request in models["v"].requests)
    assert "(nothing yet)" in first
    assert "[A] step 0\n\n[B] step 1\n\n[C] step 2" in first
    assert "Beginning of the response:\nstep 1\n\nWays" in second
    assert "Beginning of the response:\nstep 1\nstep 1\n\nWays" in third
    assert len(models["j"].draws()) == 1


def test_a_verdict_without_letters_is_a_failure() -> None:
    technique = Saffron(model="m", verifier="v", width=1, branching=2, max_steps=6, reward=Judge(model="j"))
    models = {"m": ScriptedModel(stepping), "v": ScriptedModel("who knows"), "j": ScriptedModel("Rating: [7]")}
    rehearsal = rehearse(technique, models)
    assert {failure.kind for failure in rehearsal.state.failures} == {"parse"}


def test_an_endpoint_without_log_probabilities_is_refused() -> None:
    technique = Saffron(model="m", verifier="v", reward=Judge(model="m"))
    blind = ScriptedModel("A", capabilities=Capabilities(logprobs=False, prefix="continues"))
    result = rehearse(technique, {"m": ScriptedModel(stepping), "v": blind}).result
    assert isinstance(result.error, ConfigError)
    assert "log-probabilities" in str(result.error)
