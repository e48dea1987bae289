from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.state import Candidate, State
from archon.testing import ScriptedModel, rehearse
from techniques import Vote


def _vote(*texts: str | Candidate, answer: str = "math", seed: int = 0) -> State:
    candidates = [text if isinstance(text, Candidate) else Candidate(text) for text in texts]
    rehearsal = rehearse(Vote(), ScriptedModel("never asked"), candidates=candidates, answer=answer, seed=seed)
    assert rehearsal.result.error is None
    assert rehearsal.model.requests == []
    return rehearsal.state


def test_most_win_and_the_score_is_their_share() -> None:
    (winner,) = _vote("is 3", "is 4", "is 4", "no idea").candidates
    assert winner.text == "is 4"
    assert winner.score == pytest.approx(2 / 3)


def test_equivalent_answers_vote_together() -> None:
    (winner,) = _vote("The answer is 0.5", "The answer is 1/2", "The answer is 3", "The answer is 4").candidates
    assert winner.text in ("The answer is 0.5", "The answer is 1/2")
    assert winner.score == 0.5


def test_the_group_is_represented_by_its_highest_score_then_its_shortest_text() -> None:
    scored = [Candidate("It is 4", score=0.1), Candidate("The result is 4", score=0.9), Candidate("4")]
    assert _vote(*scored).candidates[0].text == "The result is 4"
    assert _vote("The result is 4", "4", "It is 4").candidates[0].text == "4"


def test_remarks_and_origin_stay_with_the_winner() -> None:
    (winner,) = _vote(Candidate("is 4", "0.generate/m#0", critiques=("good",), verdict=True)).candidates
    assert winner == Candidate("is 4", "0.generate/m#0", ("good",), 1.0, True)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_order_of_the_candidates_does_not_matter(data: st.DataObject) -> None:
    texts = st.sampled_from(["is 1", "is 1.0", "is 2", "It is 2/1", "is 3", "nothing"])
    scores = st.sampled_from([None, 0.5, 1.0])
    candidates = data.draw(st.lists(st.builds(Candidate, text=texts, score=scores), min_size=1, max_size=6))
    if not any(character.isdigit() for candidate in candidates for character in candidate.text):
        return
    shuffled = data.draw(st.permutations(candidates))
    seed = data.draw(st.integers(0, 5))
    assert _vote(*candidates, seed=seed).candidates == _vote(*shuffled, seed=seed).candidates


def test_ties_depend_on_the_seed_alone() -> None:
    winners = [_vote("is 1", "is 2", seed=seed).candidates[0].text for seed in range(40)]
    assert winners == [_vote("is 2", "is 1", seed=seed).candidates[0].text for seed in range(40)]
    assert 8 < winners.count("is 1") < 32


def test_without_any_answer_the_first_candidate_stays_and_that_is_recorded() -> None:
    state = _vote(Candidate("who knows", score=0.2), Candidate("not me"))
    assert state.candidates == (Candidate("who knows", score=0.2),)
    assert [(failure.layer, failure.kind) for failure in state.failures] == [("1.vote", "parse")]


def test_the_answer_format_of_the_architecture_decides() -> None:
    texts = ("Yes.", "yes", "No 4", "no 3 4", "so 4")
    assert _vote(*texts, answer="text").candidates[0].text == "yes"
    assert _vote(*texts, answer="math").candidates[0].score == 1.0
