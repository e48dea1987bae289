from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Verify
from techniques.verify import VERDICT, parse_verdict
from tests.techniques.snapshot import check_snapshot

WORDS = st.lists(
    st.sampled_from(["correct", "incorrect", "not", "isn't", "[", "]", "Correct", "correctly", "the", "\n"])
)


def _candidates(*texts: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(text, f"0.generate/m#{index}") for index, text in enumerate(texts))


def _judge(request: Request, index: int) -> str | ModelError:
    """Passes good responses, rejects bad ones, mumbles about odd ones and breaks down over broken ones."""
    asked = request.messages[-3 if request.messages[-1].content == VERDICT else -1].content
    if request.messages[-1].content != VERDICT:
        return f"thoughts on {asked.partition('Response:')[2].split()[0]}"
    if "broken" in asked:
        return PermanentError("broken", reason="forbidden")
    return "[Correct]" if "good" in asked else "[Incorrect]" if "bad" in asked else "Hmm."


def test_keeps_those_that_pass_in_their_order_with_reasoning() -> None:
    candidates = _candidates("good1", "bad1", "good2")
    rehearsal = rehearse(Verify(model="m"), ScriptedModel(_judge), candidates=candidates)
    assert len(set(rehearsal.model.draws())) == len(rehearsal.model.draws()) == 6
    assert rehearsal.state.candidates == (
        Candidate("good1", candidates[0].origin, ("thoughts on good1",), verdict=True),
        Candidate("good2", candidates[2].origin, ("thoughts on good2",), verdict=True),
    )


def test_the_verdict_is_asked_on_the_reasoning() -> None:
    model = ScriptedModel(_judge)
    rehearse(Verify(model="m"), model, candidates=_candidates("good"))
    reasoning, verdict = model.requests
    assert verdict.messages[: len(reasoning.messages)] == reasoning.messages
    assert [m.content for m in verdict.messages[len(reasoning.messages) :]] == ["thoughts on good", VERDICT]


@pytest.mark.parametrize(
    ("texts", "first_k", "checked", "kept"),
    [
        (["good1", "good2", "good3"], 1, 1, ["good1"]),
        (["bad1", "good1", "good2"], 1, 2, ["good1"]),
        (["bad1", "good1", "good2", "good3"], 2, 4, ["good1", "good2"]),
        (["good1", "good2", "bad1", "bad2"], 2, 2, ["good1", "good2"]),
        (["bad1", "bad2", "good1"], 5, 3, ["good1"]),
        (["bad1", "bad2"], 1, 2, ["bad1", "bad2"]),
    ],
)
def test_first_k_stops_as_soon_as_that_many_passed(
    texts: list[str], first_k: int, checked: int, kept: list[str]
) -> None:
    rehearsal = rehearse(Verify(model="m", first_k=first_k), ScriptedModel(_judge), candidates=_candidates(*texts))
    assert len(rehearsal.model.draws()) == 2 * checked
    assert [candidate.text for candidate in rehearsal.state.candidates] == kept


def test_first_k_gives_the_same_verdicts_as_checking_all() -> None:
    candidates = _candidates("bad", "good1", "good2")
    alone, first = ScriptedModel(_judge), ScriptedModel(_judge)
    rehearse(Verify(model="m"), alone, candidates=candidates)
    rehearse(Verify(model="m", first_k=1), first, candidates=candidates)
    assert set(first.draws()) < set(alone.draws())


def test_none_passing_keeps_all_with_their_verdicts() -> None:
    state = rehearse(Verify(model="m"), ScriptedModel(_judge), candidates=_candidates("bad", "odd", "broken")).state
    assert [(c.text, c.verdict) for c in state.candidates] == [("bad", False), ("odd", None), ("broken", None)]
    assert [(failure.layer, failure.kind) for failure in state.failures] == [
        ("1.verify", "parse"),
        ("1.verify", "call"),
    ]


def test_what_could_not_be_checked_does_not_pass() -> None:
    state = rehearse(Verify(model="m"), ScriptedModel(_judge), candidates=_candidates("broken", "good", "odd")).state
    assert [candidate.text for candidate in state.candidates] == ["good"]
    assert [failure.kind for failure in state.failures] == ["call", "parse"]


@given(st.text() | WORDS.map(" ".join))
def test_parsing_gives_true_false_or_none(reply: str) -> None:
    assert parse_verdict(reply) in (True, False, None)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("[Correct]", True),
        ("**correct**.", True),
        ("The response is correct.", True),
        ("[Incorrect]", False),
        ("INCORRECT", False),
        ("not correct", False),
        ("It isn't correct.", False),
        ("not entirely correct", False),
        ("[Correct] or [Incorrect]", None),
        ("incorrectly put", None),
        ("", None),
        ("yes", None),
    ],
)
def test_parsing(reply: str, verdict: bool | None) -> None:
    assert parse_verdict(reply) is verdict


@pytest.mark.parametrize("prompt", ["", "Check {candidate}", "Check {question}", "{question} {candidates}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Verify(model="m", prompt=prompt)


def test_own_prompts_are_used_and_candidates_are_shown_literally() -> None:
    model = ScriptedModel("[Correct]")
    rehearse(
        Verify(model="m", prompt="{question}|{candidate}"),
        model,
        candidates=_candidates("{question} {x} \\g<0>"),
        task=Task.of("Q {candidate}?"),
    )
    assert model.requests[0].messages[-1].content == "Q {candidate}?|{question} {x} \\g<0>"


def test_prompt() -> None:
    model = ScriptedModel(["[Correct]"])
    rehearse(Verify(model="m"), model, candidates=_candidates("four"))
    check_snapshot("verify", model.requests[1].messages)
