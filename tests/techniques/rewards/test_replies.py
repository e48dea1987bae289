"""Rewards that read a score off a model's replies: judge, logprob, generative, tests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archon.models.base import Request, TokenLogprob
from archon.reward import Reward
from archon.state import Candidate, Failure
from archon.testing import ScriptedModel
from archon.testing_rewards import score
from techniques.rewards import Generative, Judge, Logprob, PassedTests
from techniques.rewards.generative import parse_last_verdict
from techniques.rewards.judge import parse_rating
from techniques.rewards.logprob import yes_probability
from tests.techniques.snapshot import check_snapshot

FOUR = Candidate("It is 4.", "0.generate/m#0")


def _score(reward: Reward, script: object, *candidates: Candidate) -> list[float | Failure]:
    return score(reward, ScriptedModel(script), candidates or [FOUR])[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Right.\n\nRating: [7]", 7),
        ("Rating: [[10]]", 10),
        ("Rating: 3", 3),
        ("**Rating:** 8/10", 8),
        ("Rating: [8/10]", 8),
        ("The rating is 6.", 6),
        ("Rating (1-10): 4", 4),
        ("Score: 7.5", 7.5),
        ("I would say 9 out of 10.", 9),
        ("5", 5),
        (" **2**. ", 2),
        ("Rating: [3]\nOn reflection:\nRating: [4]", 4),
        ("2 + 2 is 4. Rating: [1]", 1),
        ("[1] is the first step. Rating: [9]", 9),
        ("[1] is the first step. Rating: 9", 9),
        ("A score of 4 came to mind; I rate it [7].", 7),
        ("Rating: 11", None),
        ("-5", None),
        ("Rating: 0", None),
        ("Rating: -3", None),
        ("Rating: 100", None),
        ("Rate from 1 to 10", None),
        ("a rating from 1 to 10", None),
        ("It is 4.", None),
        ("", None),
    ],
)
def test_ratings(reply: str, rating: float | None) -> None:
    assert parse_rating(reply) == rating


PIECES = st.sampled_from(["rating", "Rating:", "[", "]", "7", "10", "1", "11", "/10", "0", "-", ".", " ", "\n", "to"])


@given(st.text() | st.lists(PIECES).map("".join))
def test_a_rating_is_from_1_to_10(reply: str) -> None:
    rating = parse_rating(reply)
    assert rating is None or 1 <= rating <= 10


def test_ratings_are_scaled() -> None:
    for rating, scaled in [(1, 0.0), (10, 1.0), (5.5, 0.5)]:
        assert _score(Judge(model="m"), f"Rating: [{rating}]") == [scaled]


def test_every_candidate_is_rated_by_itself_and_one_may_be_missing() -> None:
    def judge(request: Request, index: int) -> str:
        return "Rating: [10]" if "is 4" in request.messages[-1].content else "I cannot tell."

    first, second = _score(Judge(model="m"), judge, FOUR, Candidate("It is 5.", "0.generate/m#1"))
    assert first == 1.0
    assert isinstance(second, Failure)
    assert "judge found no score in 'I cannot tell.'" in second.reason


def _first(**tokens: float) -> TokenLogprob:
    """A first token whose alternatives have these probabilities; underscores stand for spaces."""
    top = tuple((token.replace("_", " "), math.log(p)) for token, p in tokens.items())
    return TokenLogprob(*top[0], top)


@pytest.mark.parametrize(
    ("first", "probability"),
    [
        (_first(Yes=0.6, No=0.2), 0.75),
        (_first(Yes=0.3, _yes=0.2, YES=0.1, No=0.1, _no=0.1), 0.75),
        (_first(Hm=0.5, No=0.3, Yes=0.1), 0.25),
        # No is not listed: at most 0.05 as the least of those listed, and no more than what they leave.
        (_first(Yes=0.6, Hm=0.05), 0.6 / 0.65),
        (_first(Yes=0.97, Hm=0.02), 0.97 / 0.98),
        (_first(No=0.6, Hm=0.05), 0.05 / 0.65),
        (_first(Yes=1.0), 1.0),
        (_first(No=1.0), 0.0),
        (_first(Maybe=0.9, Yesterday=0.1), None),
    ],
)
def test_yes_is_set_against_no(first: TokenLogprob, probability: float | None) -> None:
    assert yes_probability(first) == pytest.approx(probability)


TOKENS = st.sampled_from(["Yes", " yes", "YES", "No", " no", "Maybe", "", " "])
ANY_LOGPROB = st.floats(max_value=0.0, min_value=-1e4) | st.sampled_from([math.nan, -math.inf, 0.5])


@given(TOKENS, ANY_LOGPROB, st.lists(st.tuples(TOKENS, ANY_LOGPROB), max_size=6).map(tuple))
def test_p_yes_is_a_probability_or_missing(token: str, logprob: float, top: tuple[tuple[str, float], ...]) -> None:
    probability = yes_probability(TokenLogprob(token, logprob, top))
    assert probability is None or 0 <= probability <= 1


def test_more_yes_never_lowers_the_score() -> None:
    scores = [yes_probability(_first(Yes=p, No=1 - p)) for p in (0.01, 0.2, 0.5, 0.8, 0.99)]
    assert scores == sorted(scores, key=lambda given: given or 0.0)


def test_logprobs_are_asked_for_one_token_and_their_absence_is_recorded() -> None:
    model = ScriptedModel("Yes")
    (missing,), _ = score(Logprob(model="m", top_logprobs=7), model, [FOUR])
    assert isinstance(missing, Failure)
    sampling = model.requests[0].sampling
    assert (sampling.max_tokens, sampling.top_logprobs, sampling.temperature) == (1, 7, 0.0)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Hm.\nVerdict: [Correct]", True),
        ("Verdict: [Incorrect].", False),
        ("**Verdict:** Correct", True),
        ("The step is incorrect at first sight.\nVerdict: correct", True),
        ("Verdict: [Incorrect]\nNo, wait.\nVerdict: [Correct]", True),
        ("Verdict: not correct", False),
        ("It looks correct.\n[Incorrect]\n\n", False),
        ("Either [Correct] or [Incorrect]", None),
        ("The answer is correct.\nDone.", None),
        ("", None),
    ],
)
def test_the_last_verdict_counts(reply: str, verdict: bool | None) -> None:
    assert parse_last_verdict(reply) is verdict


def test_the_mean_of_the_verdicts_there_are() -> None:
    replies = ["Verdict: [Correct]", "Verdict: [Incorrect]", "Verdict: [Correct]", "Who knows?"]
    assert _score(Generative(model="m", k=4), replies) == [pytest.approx(2 / 3)]
    assert isinstance(_score(Generative(model="m", k=2), "Who knows?")[0], Failure)


def test_the_share_of_tests_passed() -> None:
    def passed(*lines: str) -> list[float | Failure]:
        tests = ("It says 4.", "It is short.", "It is kind.")
        return score(PassedTests(model="m"), ScriptedModel("\n".join(lines)), [FOUR], unit_tests=tests)[0]

    assert passed("[1] PASS", "[2] FAIL", "[3] PASS") == [pytest.approx(2 / 3)]
    assert passed("[1] PASS", "[2] FAIL") == [0.5]
    assert isinstance(passed("none")[0], Failure)


def test_without_unit_tests_there_is_no_share() -> None:
    model = ScriptedModel("[1] PASS")
    (missing,), _ = score(PassedTests(model="m"), model, [FOUR])
    assert isinstance(missing, Failure)
    assert not model.requests


def test_an_unfinished_response_is_said_to_be_one() -> None:
    for unfinished in (False, True):
        model = ScriptedModel("Rating: [5]")
        score(Judge(model="m", unfinished=unfinished), model, [FOUR])
        assert ("not finished" in model.requests[0].messages[-1].content) == unfinished


@pytest.mark.parametrize("cls", [Judge, Logprob, Generative])
def test_own_prompts_must_show_everything(cls: type[Reward]) -> None:
    with pytest.raises(ValidationError, match="the prompt must contain"):
        cls.model_validate({"model": "m", "prompt": "Rate {candidate}"})


def test_texts_are_shown_literally() -> None:
    model = ScriptedModel("Rating: [5]")
    score(Judge(model="m", rubric="R", prompt="{question}|{candidate}|{rubric}"), model, [Candidate("{rubric} {x}")])
    assert model.requests[0].messages[-1].content == "What is 2 + 2?|{rubric} {x}|R"


@pytest.mark.parametrize("reward", [Judge(model="m"), Logprob(model="m", unfinished=True), Generative(model="m", k=1)])
def test_prompts(reward: Reward) -> None:
    model = ScriptedModel("Rating: [5] Verdict: [Correct]")
    score(reward, model, [FOUR])
    check_snapshot(f"reward_{reward.kind}", model.requests[0].messages)
