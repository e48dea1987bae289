"""How steps are written: continued, asked for, or taken from whole answers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.concurrency import gather
from archon.errors import ConfigError, ModelError
from archon.models.base import Capabilities, Completion, Request
from archon.state import Candidate, Message, State
from archon.stepwise import Partial
from archon.technique import Context, ModelRef, Technique
from archon.testing import Rehearsal, ScriptedModel, TechniqueConformance, rehearse
from techniques.rewards.judge import Judge
from techniques.stepwise.plan import EXPECTED_STEPS
from techniques.stepwise.proposal import END, Form, Steps, reply_to, split, writing
from techniques.stepwise.step_best_of_n import StepBestOfN
from tests.techniques.snapshot import check_snapshot
from tests.techniques.stepwise.test_step_best_of_n import stepping

CANNOT = Capabilities()
CONTINUES = Capabilities(prefix="continues")


def completed(text: str, finish: str = "stop", stop: str | None = None) -> Completion:
    return Completion(text, finish_reason=finish, stop_reason=stop)


class Extending(Technique):
    """Writes steps as a test says."""

    needs_candidates: ClassVar[bool] = False
    model: ModelRef = "m"
    steps: Steps = "auto"
    form: Any
    plot: Any

    async def __call__(self, state: State, context: Context) -> State:
        written = writing(self.steps, context, "m", state.task.messages, self.form, context.capabilities("m"))
        assert written is not None
        await self.plot(written)
        return state.with_candidates([Candidate("done", "test")])


Extending.kind = "extending"


def play(
    plot: Callable[[Any], Any],
    script: Any,
    *,
    steps: Steps = "auto",
    capabilities: Capabilities = CONTINUES,
    latency: Any = 0.0,
    **form: Any,
) -> Rehearsal:
    """Let a test drive a proposal on a scripted model."""
    model = ScriptedModel(script, capabilities=capabilities, latency=latency)
    shape = Form(**{"delimiter": "\n\n", "most_steps": 9, **form})
    rehearsal = rehearse(Extending(steps=steps, form=shape, plot=plot), {"m": model})
    assert rehearsal.result.error is None, rehearsal.result.error
    return Rehearsal(rehearsal.state, rehearsal.result, model)


def extended(partial: Partial, completion: Completion | str, **settings: Any) -> Partial:
    """The one next step that comes of one completion."""
    seen: list[Partial] = []

    async def plot(written: Any) -> None:
        seen.extend(await written.extend(partial, 1))

    play(plot, lambda request, index: completion, **settings)
    return seen[0]


ONE = Partial(("one\n\n",))


@pytest.mark.parametrize(
    ("partial", "completion", "step", "end"),
    [
        (ONE, completed("two"), "two\n\n", ""),
        (ONE, completed(""), "", "stop"),
        (ONE, completed(" \n"), " \n", "stop"),
        (ONE, completed("tw", "length"), "tw", ""),
        (ONE, completed("two", stop=""), "two", "stop"),
        (ONE, completed("two", stop="\n\n"), "two\n\n", ""),
        (ONE, completed("", stop="\n\n"), "\n\n", ""),
        (Partial(), completed(""), "\n\n", ""),
        (Partial(("\n\n",)), completed(""), "", "stop"),
        (ONE, completed("Answer: 2"), "Answer: 2", "stop"),
        (ONE, completed("Answer: 2", "length"), "Answer: 2", ""),
        (ONE, completed("one\n\ntwo"), "two\n\n", ""),
        (Partial(("on",)), completed("on"), "on\n\n", ""),
        (Partial(("x\n\n",) * 8), completed("two"), "two", "stop"),
        (Partial(("x\n\n",) * 8), completed("two", "length"), "two", "length"),
    ],
)
def test_where_a_continued_step_ends_and_whether_the_answer_does(
    partial: Partial, completion: Completion, step: str, end: str
) -> None:
    child = extended(partial, completion, ends=re.compile("Answer: "))
    assert (child.steps[-1], child.end) == (step, end)
    assert child.steps[:-1] == partial.steps


@pytest.mark.parametrize(
    ("partial", "completion", "step", "end"),
    [
        (Partial(), completed("one"), "one\n\n", ""),
        (ONE, completed("two"), "two\n\n", ""),
        (ONE, completed("two", stop=""), "two\n\n", ""),
        (ONE, completed(f"two {END}"), "two", "stop"),
        (ONE, completed(f"two\n{END} thanks", "length"), "two", "stop"),
        (ONE, completed(END), "", "stop"),
        (ONE, completed(""), "", "stop"),
        (ONE, completed("tw", "length"), "tw", ""),
        (ONE, completed("\none\n\ntwo\n"), "two\n\n", ""),
        (ONE, completed("one"), "", "stop"),
        (Partial(("on",)), completed("one more"), "one more\n\n", ""),
        (Partial(("x\n\n",) * 8), completed("two"), "two", "stop"),
        (Partial(("x\n\n",) * 8), completed("two", "length"), "two", "length"),
    ],
)
def test_where_a_step_that_was_asked_for_ends_and_whether_the_answer_does(
    partial: Partial, completion: Completion, step: str, end: str
) -> None:
    child = extended(partial, completion, capabilities=CANNOT)
    assert (child.steps[-1], child.end) == (step, end)


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("capabilities", [CANNOT, CONTINUES])
def test_a_whole_answer_is_taken_apart_and_paid_for_once(capabilities: Capabilities, finish: str) -> None:
    async def plot(written: Any) -> None:
        (partial,) = await written.extend(Partial(), 1)
        assert (partial.steps, partial.end) == (("one\n\n",), "")
        spent = [partial.tokens]
        while partial.open and len(partial.steps) < 3:
            (partial,) = await written.extend(partial, 1)
            spent.append(partial.tokens)
        assert partial.steps == ("one\n\n", "two\n\n", "three")
        assert partial.complete is (finish == "stop")
        assert spent == [3, 0, 0] if finish == "stop" else [None, 0, 0]

    text = "one\n\ntwo\n\nthree"
    script = text if finish == "stop" else lambda request, index: completed(text, finish)
    model = play(plot, script, steps="split", capabilities=capabilities).model
    assert len(model.draws()) == 1
    assert model.requests[0].sampling.stop == ()


@pytest.mark.parametrize("capabilities", [CANNOT, CONTINUES])
def test_the_rest_of_an_answer_is_used_once(capabilities: Capabilities) -> None:
    """Whoever wants a second next step of the same beginning pays for a new rest."""

    def script(request: Request, index: int) -> str:
        begun = "one" in request.messages[-1].content
        return f"two {index + 1}\n\nthree" if begun else "one\n\ntwo 0\n\nthree"

    async def plot(written: Any) -> None:
        (one,) = await written.extend(Partial(), 1)
        family = await written.extend(one, 3)
        assert [child.steps[-1] for child in family] == ["two 0\n\n", "two 1\n\n", "two 2\n\n"]
        assert [child.tokens for child in family] == [0, 3, 3]
        again = await written.extend(one, 1)
        assert again[0].steps[-1] == "two 3\n\n"
        assert [(await written.extend(child, 1))[0].end for child in (*family, *again)] == ["stop"] * 4

    model = play(plot, script, steps="split", capabilities=capabilities).model
    assert len(model.draws()) == 4
    last = model.requests[-1].messages[-1]
    assert (last.role == "assistant") is (capabilities is CONTINUES)


def test_what_is_left_of_equal_beginnings_does_not_depend_on_timing() -> None:
    def script(request: Request, index: int) -> str:
        return f"one\n\ntwo {index}"

    orders = []
    for shuffle in range(3):
        noise = random.Random(shuffle)
        seen: list[str] = []

        async def plot(written: Any, seen: list[str] = seen) -> None:
            ones = [one for ones in await gather(written.extend(Partial(), 1) for _ in range(5)) for one in ones]
            for one in ones:
                seen.append((await written.extend(one, 1))[0].text)

        play(plot, script, steps="split", latency=lambda request, noise=noise: noise.uniform(0, 0.01))
        orders.append(seen)
    assert orders[0] == orders[1] == orders[2] == [f"one\n\ntwo {i}" for i in range(5)]


def test_an_answer_ends_where_it_is_said_to_however_much_was_drawn() -> None:
    child = extended(ONE, "Answer: 2\n\nBut wait", steps="split", ends=re.compile("Answer: "))
    assert (child.steps[-1], child.end) == ("Answer: 2\n\n", "stop")


def test_the_last_step_is_all_that_is_left() -> None:
    child = extended(ONE, "two\n\nthree", steps="split", most_steps=2)
    assert (child.steps[-1], child.end) == ("two\n\nthree", "stop")


@given(st.text(st.sampled_from("ab \n"), max_size=30), st.sampled_from(["\n", "\n\n", "ab"]))
def test_steps_joined_are_the_text(text: str, delimiter: str) -> None:
    steps = split(text, delimiter)
    assert "".join(steps) == text
    assert steps
    assert all(step.strip() for step in steps) or len(steps) == 1


@given(st.text(st.sampled_from("ab \n"), max_size=9), st.text(st.sampled_from("ab \n[END]"), max_size=12))
def test_nothing_is_read_into_a_reply(begun: str, reply: str) -> None:
    text, done = reply_to(Partial((begun,)), reply)
    assert text in reply
    assert done is (END in reply)


def test_failed_draws_stay_at_their_places() -> None:
    async def plot(written: Any) -> None:
        outcomes = await written.extend(Partial(), 3)
        assert [isinstance(outcome, ModelError) for outcome in outcomes] == [False, True, False]

    def script(request: Request, index: int) -> str | ModelError:
        return ModelError("no", reason="x") if index == 1 else "one"

    for steps in ("continue", "ask", "split"):
        play(plot, script, steps=steps)


@pytest.mark.parametrize(
    ("steps", "capabilities", "role"),
    [
        ("auto", CONTINUES, "assistant"),
        ("auto", CANNOT, "user"),
        ("ask", CONTINUES, "user"),
        ("continue", CONTINUES, "assistant"),
    ],
)
def test_steps_are_written_as_the_endpoint_bears(steps: Steps, capabilities: Capabilities, role: str) -> None:
    model = ScriptedModel(stepping, capabilities=capabilities)
    technique = StepBestOfN(model="m", n=1, max_steps=2, steps=steps, reward=Judge(model="j"))
    rehearsal = rehearse(technique, {"m": model, "j": ScriptedModel("Rating: [5]")})
    assert rehearsal.result.error is None
    assert model.requests[-1].messages[-1].role == role


def test_what_cannot_be_continued_is_an_error_that_says_what_to_do() -> None:
    technique = StepBestOfN(model="m", steps="continue", reward=Judge(model="m"))
    error = rehearse(technique, ScriptedModel("x", capabilities=CANNOT)).result.error
    assert isinstance(error, ConfigError)
    assert "archon models probe" in str(error)
    assert "steps: ask" in str(error)


@pytest.mark.parametrize("last", [False, True])
def test_the_prompt_shows_what_there_is(last: bool) -> None:
    async def plot(written: Any) -> None:
        await written.extend(Partial(("One cat.\n\n", "Two cats.\n\n")), 1)

    model = play(plot, "x", capabilities=CANNOT, most_steps=3 if last else 9).model
    check_snapshot(f"step-{'rest' if last else 'next'}", model.requests[0].messages)
    assert model.requests[0].sampling.stop == (() if last else ("\n\n",))


def test_a_prompt_of_ones_own_has_to_show_everything() -> None:
    with pytest.raises(ValueError, match="instruction"):
        StepBestOfN(model="m", reward=Judge(model="m"), step_prompt="{question} {partial}")
    own = StepBestOfN(
        model="m",
        steps="ask",
        n=1,
        max_steps=2,
        reward=Judge(model="j"),
        step_prompt="{instruction} {partial} {question}",
    )
    model = ScriptedModel("one")
    rehearse(own, {"m": model, "j": ScriptedModel("Rating: [5]")})
    assert model.requests[-1].messages[-1].content.endswith("one What is 2 + 2?")


def asking(request: Request, index: int) -> str | Completion:
    """Writes three steps when asked for them one by one, and says when that is all."""
    prompt = request.messages[-1].content
    if "Rate the" in prompt:
        return stepping(Request((Message("user", prompt),)), index)
    done = len(re.findall(r"step \d", prompt))
    return END if done >= 3 else f"step {index}"


def asked_as_expected(request: Request, index: int) -> str | Completion:
    """The same in as many steps as a plan expects, none like another and the last with the word that it is the last."""
    prompt = request.messages[-1].content
    if "Rate the" in prompt:
        return asking(request, index)
    done = len(re.findall(r"step \d", prompt))
    return f"step {2 * done + index}" + (f" {END}" if done == EXPECTED_STEPS - 1 else "")


class TestAsking(TechniqueConformance):
    technique = StepBestOfN(model="m", n=2, max_steps=5, steps="ask", reward=Judge(model="m"))
    script = staticmethod(asking)
    planned = staticmethod(asked_as_expected)
    candidates = ()


class TestSplitting(TechniqueConformance):
    technique = StepBestOfN(model="m", n=2, max_steps=5, steps="split", reward=Judge(model="m"))
    script = staticmethod(
        lambda request, index: (
            stepping(request, index)
            if "rate" in request.messages[-1].content.lower()
            else f"step {index}\n\nstep {index}\n\nstep"
        )
    )
    candidates = ()
