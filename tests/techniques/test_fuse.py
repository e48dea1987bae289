from __future__ import annotations

import pytest
from pydantic import ValidationError

from archon.errors import ModelError, PermanentError
from archon.models.base import Request
from archon.state import Candidate, Task
from archon.testing import ScriptedModel, rehearse
from techniques import Fuse
from techniques.fuse import LENGTH
from tests.techniques.snapshot import check_snapshot

BARE = (Candidate("four", "a"), Candidate("{question} {remarks}", "b"))
REMARKED = (Candidate("four", "a", critiques=("well done", "terse"), score=1.0, verdict=True), Candidate("five", "b"))


def _prompt(technique: Fuse, candidates: tuple[Candidate, ...]) -> str:
    model = ScriptedModel("x")
    rehearse(technique, model, candidates=candidates)
    return model.requests[0].messages[-1].content


@pytest.mark.parametrize("n", [1, 3])
def test_costs_n_completions_and_the_fusions_start_clean(n: int) -> None:
    rehearsal = rehearse(Fuse(model="m", n=n), ScriptedModel(["x", "y", "z"]), candidates=REMARKED)
    assert len(set(rehearsal.model.draws())) == n
    assert rehearsal.state.candidates == tuple(Candidate("xyz"[i], f"1.fuse/m#{i}") for i in range(n))


def test_the_fuser_sees_every_candidate_with_its_remarks() -> None:
    prompt = _prompt(Fuse(model="m"), REMARKED)
    assert "[1]\nfour\n\nRemarks on [1]:\nwell done\nterse\n\n[2]\nfive" in prompt
    assert "or the remarks on them" in prompt


def test_without_remarks_none_are_mentioned() -> None:
    assert "remarks on" not in _prompt(Fuse(model="m"), BARE)


@pytest.mark.parametrize("candidates", [BARE, REMARKED], ids=["bare", "remarked"])
@pytest.mark.parametrize("prompt", [None, "{question}{candidates}"])
def test_length_control_adds_its_sentence(candidates: tuple[Candidate, ...], prompt: str | None) -> None:
    without = _prompt(Fuse(model="m", prompt=prompt), candidates)
    assert _prompt(Fuse(model="m", prompt=prompt, length_control=True), candidates) == without + LENGTH


def test_a_failed_draw_is_recorded_and_the_rest_survive() -> None:
    def script(request: Request, index: int) -> str | ModelError:
        return PermanentError("no luck", reason="forbidden") if index == 0 else f"fusion {index}"

    state = rehearse(Fuse(model="m", n=3), ScriptedModel(script), candidates=BARE).state
    assert [candidate.origin for candidate in state.candidates] == ["1.fuse/m#1", "1.fuse/m#2"]
    assert [(failure.layer, failure.kind, failure.reason) for failure in state.failures] == [
        ("1.fuse", "call", "no luck")
    ]


def test_all_failing_is_the_model_s_error() -> None:
    error = PermanentError("broken", reason="forbidden")
    result = rehearse(Fuse(model="m", n=2), ScriptedModel(lambda request, index: error), candidates=BARE).result
    assert result.error is error
    assert result.text is None


@pytest.mark.parametrize("prompt", ["", "Fuse {candidates}", "Fuse {question}"])
def test_own_prompts_must_show_everything(prompt: str) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        Fuse(model="m", prompt=prompt)


def test_text_inside_candidates_is_shown_literally() -> None:
    assert "[2]\n{question} {remarks}\n" in _prompt(Fuse(model="m"), BARE)


@pytest.mark.parametrize(
    ("name", "technique", "candidates"),
    [
        ("fuse", Fuse(model="m"), BARE),
        ("fuse-remarks", Fuse(model="m"), REMARKED),
        ("fuse-length", Fuse(model="m", length_control=True), BARE),
    ],
)
def test_prompt(name: str, technique: Fuse, candidates: tuple[Candidate, ...]) -> None:
    model = ScriptedModel("x")
    rehearse(technique, model, candidates=candidates, task=Task.of("What is 2 + 2?"))
    check_snapshot(name, model.requests[0].messages)
