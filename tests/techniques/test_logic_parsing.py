from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon.errors import ParseError
from techniques.logic.parsing import DEEPEST, LONGEST, SPELLINGS, WRITTEN, parse_formula
from techniques.logic.syntax import (
    Application,
    Connection,
    Equality,
    Formula,
    Negation,
    Predicate,
    Quantification,
    Variable,
    check_symbols,
)
from tests.techniques.formulas import formulas

P, Q, R = Predicate("P"), Predicate("Q"), Predicate("R")
DOG = Predicate("Dog", (Variable("x"),))


@given(formulas())
def test_what_is_printed_is_read_as_the_same_formula(formula: Formula) -> None:
    assert parse_formula(str(formula)) == formula


@given(formulas(), st.data())
def test_every_spelling_is_read_as_the_same_formula(formula: Formula, data: st.DataObject) -> None:
    printed = str(formula)
    for sign in "∧∨⊕→↔¬∀∃≠":
        spelling = data.draw(st.sampled_from(WRITTEN[SPELLINGS[sign]].split()))
        printed = printed.replace(sign, f" {data.draw(st.sampled_from([spelling, spelling.upper()]))} ")
    assert parse_formula(printed) == formula


@given(st.text(max_size=60) | st.text(alphabet="PQxya()¬∧→∀∃=., ", max_size=40))
def test_any_text_is_a_formula_or_a_parse_error(text: str) -> None:
    try:
        formula = parse_formula(text)
    except ParseError as error:
        assert str(error)
    else:
        assert parse_formula(str(formula)) == formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P & Q | R", Connection("∨", (Connection("∧", (P, Q)), R))),
        ("P | Q xor R", Connection("⊕", (Connection("∨", (P, Q)), R))),
        ("P -> Q -> R", Connection("→", (P, Connection("→", (Q, R))))),
        ("P -> Q <-> R", Connection("↔", (Connection("→", (P, Q)), R))),
        ("-P & Q", Connection("∧", (Negation(P), Q))),
        ("P & Q & R", Connection("∧", (P, Q, R))),
        ("(P & Q) & R", Connection("∧", (Connection("∧", (P, Q)), R))),
        ("all x Dog(x) & P", Connection("∧", (Quantification("∀", "x", DOG), P))),
        ("all x. Dog(x) & P", Quantification("∀", "x", Connection("∧", (DOG, P)))),
        ("forall x: Dog(x) & P.", Quantification("∀", "x", Connection("∧", (DOG, P)))),
        ("exists x, y. Dog(x)", Quantification("∃", "x", Quantification("∃", "y", DOG))),
        ("∃x y (Dog(x))", Quantification("∃", "x", Quantification("∃", "y", DOG))),
        ("Not(P)", Negation(P)),
        ("f(a) != b", Negation(Equality(Application("f", (Application("a"),)), Application("b")))),
    ],
)
def test_connectives_bind_as_documented(text: str, expected: Formula) -> None:
    assert parse_formula(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a formula at the end"),
        ("P &", "expected a formula at the end"),
        ("(P", "expected '\\)' at the end"),
        ("Dog()", "expected a term at '\\)' \\(character 5\\)"),
        ("Dog(rex) Cat(tom)", "something stands after the formula at 'Cat' \\(character 10\\)"),
        ("P. Q", "something stands after the full stop at 'Q'"),
        ("all (P)", "expected a variable at '\\('"),
        ("Dog(x)", "no quantifier binds the variable 'x'"),
        ("all x Dog(x) -> Cat(x)", "no quantifier binds the variable 'x' at 'x' \\(character 21\\)"),
        ("all x x", "the variable 'x' stands where a formula is expected"),
        ("all x P(x(a))", "the variable 'x' is used as a function"),
        ("P <-> Q <-> R", "several ↔ in a row need parentheses"),
        ("Age(tom) > 3", "'>' is no sign of first-order logic"),
        ("__import__('os')", '"\'" is no sign of first-order logic'),
        ("(" * (DEEPEST + 1) + "P", f"more than {DEEPEST} levels"),
        ("¬" * 5000 + "P", f"more than {DEEPEST} levels"),
        ("P -> " * 1000 + "P", f"more than {DEEPEST} levels"),
        ("P(" + "f(" * 1000, f"more than {DEEPEST} levels"),
        ("P & " * LONGEST, "is too long"),
    ],
)
def test_what_cannot_be_read_is_explained(text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        parse_formula(text)


def test_many_of_a_kind_are_not_deep() -> None:
    assert parse_formula(" & ".join(["P"] * 2000)) == Connection("∧", (P,) * 2000)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (("Bird(a)", "Bird(a, b)"), "'Bird' is used as a predicate of 1 argument and as a predicate of 2 arguments"),
        (("P(f(a))", "P(f)"), "'f' is used as a function of 1 argument and as a constant"),
        (("Likes(anna, tea)", "all x tea(x)"), "'tea' is used as a constant and as a predicate of 1 argument"),
        (("Rains & P(rex)", "exists x (x = Rains)"), "'Rains' is used as a proposition and as a constant"),
    ],
)
def test_names_with_two_meanings_are_reported(texts: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        check_symbols(map(parse_formula, texts))


@given(st.lists(formulas(), max_size=3))
def test_names_with_one_meaning_are_not(several: list[Formula]) -> None:
    check_symbols(several)
