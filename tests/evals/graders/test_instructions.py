"""Every verifiable instruction, with texts that follow it and texts that do not."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from archon.errors import ConfigError
from evals.graders.verifiable import INSTRUCTIONS, count_sentences, follows, follows_loosely, language_of, relaxed
from tests.evals.graders.grading import grade, problem

GERMAN = "Der Hund schläft heute den ganzen Tag vor dem Haus, weil es draußen so warm ist."
ENGLISH = "the dog sleeps in front of the house all day because it is so warm outside."
LEAST, LESS = "at least", "less than"

CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["sun", "red moon"]},
        ["The Sun and the red moon.", "SUNSHINE, RED MOON"],
        ["The sun.", "sun, moon, red"],
    ),
    (
        "keywords:frequency",
        {"keyword": "yes", "frequency": 2, "relation": LEAST},
        ["Yes, yes.", "yesyes"],
        ["Yes.", "No."],
    ),
    ("keywords:frequency", {"keyword": "yes", "frequency": 2, "relation": LESS}, ["Yes.", "No."], ["Yes, yes."]),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["art", "a.b"]},
        ["A party.", "acb"],
        ["Art!", "What is ART?", "see a.b here"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "Q", "let_frequency": 2, "let_relation": LEAST},
        ["Quick quiz"],
        ["Quick", "none"],
    ),
    ("keywords:letter_frequency", {"letter": "!", "let_frequency": 1, "let_relation": LESS}, ["Calm."], ["Wow!"]),
    ("language:response_language", {"language": "de"}, [GERMAN], [ENGLISH]),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": LEAST},
        ["One. Two! Three?", "It is one. It is two. It is three"],
        ["One. Two.", "Dr. Smith has 3.5 kg, i.e. a lot. Yes."],
    ),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": LESS}, ["Just one."], ["One. Two."]),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["One.\n***\nTwo.", "***\nOne.\n***\nTwo.\n***"],
        ["One.\n\nTwo.", "One.\n***\n***\nTwo.", "One ***\nTwo ***\nThree"],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 4, "relation": LEAST},
        ["one two three four", "It's three-fold"],
        ["one two three"],
    ),
    ("length_constraints:number_words", {"num_words": 4, "relation": LESS}, ["one two three"], ["one two three four"]),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["First.\n\nThen, second.", 'First.\n\n"then" second.'],
        ["First.\n\nSecond then.", "Then.\n\nFirst.", "First.\n\nThen.\n\nThird.", "First.\nThen"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["Dear [name], meet me in [city]."],
        ["Dear [name].", "(name) (city)"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\nP.S. Write!", "p. s. x"],
        ["Bye.", "PS: x"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["Bye.\nP.P.S. Write!"], ["Bye.\nP.S. Write!"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* one\n* two", "List:\n  - one\n  - two"],
        ["* one", "* one\n* two\n* three", "1. one\n2. two", "**one**\n**two**"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe."],
        ["Yes.", "my answer is no"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*one* and *two*", "**one** and **two**"],
        ["*one* and two", "* * and **", "*broken\nhere*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        ["SECTION 1\nOne.\nSECTION 2\nTwo."],
        ["SECTION 1\nOne.", "Section 1\nOne.\nSection 2\nTwo."],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', '```json\n{"a": [1]}\n```', "```\n3\n```"],
        ["{a: 1}", 'Here: {"a": 1}', "[" * 3000],
    ),
    ("detectable_format:title", {}, ["<<A Song>>\nLa.", "La <<B>> la"], ["A Song", "<< >>", "<<A\nSong>>", "<Song>"]),
    (
        "combination:two_responses",
        {},
        ["One.\n******\nTwo.", "******One.******Two.******"],
        ["One.", "Same.******Same.", "One.******Two.******Three.", "One.************Two.", "One.\n***\nTwo."],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Why is the sky blue?"},
        ["why is the sky blue? Because."],
        ["Because.", "You ask: Why is the sky blue?"],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "That is all."},
        ["Yes. that is all.\n", '"Yes. That is all."'],
        ["That is all. Bye.", "That is all"],
    ),
    ("startend:quotation", {}, ['"All of it."', ' "a" and "b" '], ['"Some" of it.', '"', "'All of it.'"]),
    ("change_case:english_capital", {}, [ENGLISH.upper()], ["The DOG SLEEPS.", "1 2 3"]),
    ("change_case:english_lowercase", {}, [ENGLISH], ["The dog.", GERMAN.lower(), "1 2 3"]),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": LEAST},
        ["A BIG dog", "WELL-DONE, OK."],
        ["a BIG Dog", "WELL-DONE"],
    ),
    ("change_case:capital_word_frequency", {"capital_frequency": 1, "capital_relation": LESS}, ["a big Dog"], ["OK"]),
    ("punctuation:no_comma", {}, ["No comma at all."], ["Well, one."]),
]


@pytest.mark.parametrize(("name", "given", "good", "bad"), CASES, ids=[name for name, *_ in CASES])
def test_every_instruction(name: str, given: dict[str, Any], good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not follows(name, text, given)] == []
    assert [text for text in bad if follows(name, text, given)] == []
    assert not follows(name, " \n", given), "an empty text follows nothing"


def test_all_twenty_five_are_there_and_tested() -> None:
    assert len(INSTRUCTIONS) == 25
    assert {name for name, *_ in CASES} == set(INSTRUCTIONS)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("No end", 1),
        ("One. Two. Three.", 3),
        ("Really?! Yes... No.", 3),
        ('He said "Stop." Then he left.', 2),
        ("Mr. and Mrs. Smith met J. R. Jones at 5 p.m. on Monday.", 1),
        ("It costs 3.50 dollars, e.g. at archon.example.org. Fine.", 2),
        ("1. First item.\n2. Second item.", 2),
        ("We met in the U.S.", 1),
        ("他来了。我走了。", 1),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count


def test_loosely_a_frame_of_first_and_last_line_or_of_asterisks_does_not_count() -> None:
    text = 'Sure:\n"*All of it.*"\nI hope it helps!'
    assert not follows("startend:quotation", text, {})
    assert follows_loosely("startend:quotation", text, {})
    assert not follows_loosely("startend:quotation", "No.", {})
    assert set(relaxed("a*\nb\nc")) == {"a*\nb\nc", "b\nc", "a*\nb", "b", "a\nb\nc", "a\nb"}
    assert not follows_loosely("punctuation:no_comma", "one, two", {}), "nothing is left of one line without itself"


def test_the_detail_has_what_four_accuracies_need() -> None:
    asked = problem(
        instruction_id_list=["punctuation:no_comma", "startend:quotation"],
        kwargs=[{"num_words": None, "relation": None}, {}],
    )
    given = grade("instructions", asked, "Here\n“all”\n")
    assert (given.score, given.reason) == (0, "Not followed: startend:quotation.")
    assert given.detail == {
        "prompt_strict": False,
        "prompt_loose": False,
        "instructions": [
            {"id": "punctuation:no_comma", "strict": True, "loose": True},
            {"id": "startend:quotation", "strict": False, "loose": False},
        ],
    }
    loose = grade("instructions", asked, 'Here you are\n"all"')
    assert (loose.score, loose.detail["prompt_loose"]) == (0, True)
    assert grade("instructions", asked, '"all"').score == 1


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "'instruction_id_list'"),
        ({"instruction_id_list": ["punctuation:no_comma"]}, "'kwargs'"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "one set of arguments for each"),
        ({"instruction_id_list": ["punctuation:no_commas"], "kwargs": [{}]}, "did you mean 'punctuation:no_comma'"),
        (
            {"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3}]},
            "needs relation in 'kwargs'",
        ),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        grade("instructions", problem(**fields), "text")


def test_languages_need_a_package_and_are_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    short = "pas de problem"
    assert len({language_of(short) for _ in range(10)}) == 1
    assert language_of("12345") is None
    monkeypatch.setitem(sys.modules, "langdetect", None)
    with pytest.raises(ConfigError, match="needs langdetect: pip install"):
        language_of(short)
