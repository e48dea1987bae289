from __future__ import annotations

import pytest

from archon.errors import ConfigError, ParseError, PermanentError
from archon.state import Candidate
from archon.testing import Rehearsal, ScriptedModel, rehearse
from techniques import Formalize
from techniques.formalize import parse_translation
from tests.techniques.formulas import ARGUMENTS, Argument
from tests.techniques.snapshot import check_snapshot

pytest.importorskip("z3")
PROVED, REFUTED, OPEN = (ARGUMENTS[index].reply for index in (0, 1, 2))


def _run(*replies: str, answer: str = "text", **settings: object) -> Rehearsal:
    technique = Formalize.model_validate({"model": "m", "n": len(replies), **settings})
    return rehearse(technique, ScriptedModel(replies), answer=answer)


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.question[:30])
def test_a_right_translation_gives_the_right_answer(argument: Argument) -> None:
    (candidate,) = _run(argument.reply).state.candidates
    assert (candidate.text, candidate.score) == (argument.label.capitalize(), 1.0)


def test_most_votes_win_and_what_cannot_be_read_has_none() -> None:
    state = _run(OPEN, "no idea", REFUTED, "FOL: P(\nConclusion:\nFOL: P(a)", REFUTED).state
    (candidate,) = state.candidates
    assert (candidate.text, candidate.score) == ("False", 2 / 3)
    assert [failure.reason[:14] for failure in state.failures] == ["translation 2:", "translation 4:"]


def test_the_earlier_of_equal_ones_decides() -> None:
    assert _run(OPEN, PROVED).state.candidates[0].text == "Unknown"


def test_labels_are_said_so_that_the_format_finds_them() -> None:
    result = _run(REFUTED, answer="choice", labels=["A", "B", "C"]).result
    assert result.answer == "B"
    assert "The premises imply the opposite of the conclusion." in (result.text or "")
    assert _run(OPEN, labels=[True, False, False]).result.answer == "False"


def test_labels_that_the_format_cannot_find_are_refused_before_anything_is_asked() -> None:
    rehearsal = _run(PROVED, answer="choice")
    assert isinstance(rehearsal.result.error, ConfigError)
    assert not rehearsal.model.requests


def test_contradictory_premises_count_as_proved_and_are_recorded() -> None:
    state = _run("FOL: P & -P\nConclusion:\nFOL: Q").state
    assert state.candidates[0].text == "True"
    assert "contradict each other" in state.failures[0].reason


def test_it_fails_if_every_draw_does() -> None:
    error = PermanentError("broken", reason="forbidden")
    rehearsal = rehearse(Formalize(model="m", n=2), ScriptedModel(lambda request, index: error))
    assert rehearsal.result.error is not None


def test_without_a_translation_the_answer_is_unknown_and_that_is_recorded() -> None:
    state = _run("It is so.", "FOL: P(", answer="choice", labels=["A", "B", "C"]).state
    (candidate,) = state.candidates
    assert candidate.score == 0.0
    assert "No translation could be read" in candidate.text
    assert candidate.text.endswith("The answer is C.")
    assert [failure.kind for failure in state.failures] == ["parse"] * 3
    assert "the label for that, 'C'" in state.failures[-1].reason


def test_without_a_translation_earlier_candidates_stay() -> None:
    earlier = [Candidate("True", "0.generate/m#0")]
    state = rehearse(Formalize(model="m", n=1), ScriptedModel("It is so."), candidates=earlier).state
    assert state.candidates == tuple(earlier)
    assert len(state.failures) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "FOL: P\nFOL: Q",
        "Conclusion:\nFOL: Q",
        "FOL: P\nConclusion:",
        "FOL: P\nConclusion:\nFOL: Q\nConclusion:\nFOL: R",
    ],
)
def test_a_translation_has_premises_and_one_conclusion(reply: str) -> None:
    with pytest.raises(ParseError):
        parse_translation(reply)


def test_prompt() -> None:
    check_snapshot("formalize", _run(PROVED).model.requests[0].messages)
