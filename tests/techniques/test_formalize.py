from __future__ import annotations

import pytest

from archon.errors import ConfigError, PermanentError
from archon.testing import Rehearsal, ScriptedModel, rehearse
from techniques import Formalize
from tests.techniques.formulas import ARGUMENTS, Argument

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
    state = _run(OPEN, "no idea", REFUTED, "Premise: P(\nConclusion: P(a)", REFUTED).state
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
    state = _run("Premise: P & -P\nConclusion: Q").state
    assert state.candidates[0].text == "True"
    assert "contradict each other" in state.failures[0].reason


def test_it_fails_if_every_draw_does() -> None:
    error = PermanentError("broken", reason="forbidden")
    rehearsal = rehearse(Formalize(model="m", n=2), ScriptedModel(lambda request, index: error))
    assert rehearsal.result.error is not None
