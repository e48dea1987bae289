"""Formulas for property tests, and arguments whose conclusions are known to follow or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from techniques.logic.provers import Verdict
from techniques.logic.syntax import (
    Application,
    Connection,
    Connective,
    Equality,
    Formula,
    Negation,
    Predicate,
    Quantification,
    Quantifier,
    Term,
    Variable,
)

CONNECTIVES: tuple[Connective, ...] = ("∧", "∨", "⊕", "→", "↔")
QUANTIFIERS: tuple[Quantifier, ...] = ("∀", "∃")


@st.composite
def terms(draw: st.DrawFn, bound: tuple[str, ...] = (), depth: int = 2) -> Term:
    """Terms over the variables in ``bound``; symbols have one arity each."""
    flip = st.booleans()
    if draw(flip) and bound:
        return Variable(draw(st.sampled_from(bound)))
    if depth and draw(flip):
        return Application("f", (draw(terms(bound, depth - 1)), draw(terms(bound, depth - 1))))
    return Application(draw(st.sampled_from(["anna", "b", "zoé", "v_1", "2024", "fall"])))


@st.composite
def formulas(draw: st.DrawFn, bound: tuple[str, ...] = (), depth: int = 3, propositions: Sequence[str] = ()) -> Formula:
    """Closed formulas; the same variable may be bound again inside. With ``propositions``, of nothing but these."""

    def inner(*variables: str) -> st.SearchStrategy[Formula]:
        return formulas((*bound, *variables), depth - 1, propositions)

    atoms: tuple[str, ...] = ("proposition",)
    compounds: tuple[str, ...] = ("negation", "connection", "connection")
    if not propositions:
        atoms, compounds = (*atoms, "predicate", "equality"), (*compounds, "quantification")
    shape = draw(st.sampled_from((*atoms, *compounds) if depth else atoms))
    if shape == "proposition":
        return Predicate(draw(st.sampled_from(propositions or ("Rains", "Snows"))))
    if shape == "predicate":
        return Predicate("P", (draw(terms(bound)),))
    if shape == "equality":
        return Equality(draw(terms(bound)), draw(terms(bound)))
    if shape == "negation":
        return Negation(draw(inner()))
    if shape == "quantification":
        variable = draw(st.sampled_from(["x", "y2", "someone"]))
        return Quantification(draw(st.sampled_from(QUANTIFIERS)), variable, draw(inner(variable)))
    connective = draw(st.sampled_from(CONNECTIVES))
    most = 4 if connective in "∧∨" else 2
    return Connection(connective, tuple(draw(st.lists(inner(), min_size=2, max_size=most))))


@dataclass(frozen=True)
class Argument:
    """An argument, what is known of it, and its formulas, written by hand."""

    question: str
    label: Verdict
    premises: tuple[str, ...]
    conclusion: str

    @property
    def reply(self) -> str:
        """The translation as a model would write it."""
        return "\n".join([*(f"FOL: {premise}" for premise in self.premises), f"Conclusion:\nFOL: {self.conclusion}"])


ARGUMENTS = (
    Argument(
        "All whales are mammals. All mammals breathe air. Do all whales breathe air?",
        "true",
        ("∀x (Whale(x) → Mammal(x))", "∀x (Mammal(x) → BreathesAir(x))"),
        "∀x (Whale(x) → BreathesAir(x))",
    ),
    Argument(
        "No reptile has feathers. All snakes are reptiles. Kaa is a snake. Does Kaa have feathers?",
        "false",
        ("∀x (Reptile(x) → ¬HasFeathers(x))", "∀x (Snake(x) → Reptile(x))", "Snake(kaa)"),
        "HasFeathers(kaa)",
    ),
    Argument(
        "All cats are animals. Some animals swim. Do some cats swim?",
        "unknown",
        ("∀x (Cat(x) → Animal(x))", "∃x (Animal(x) ∧ Swims(x))"),
        "∃x (Cat(x) ∧ Swims(x))",
    ),
    Argument(
        "Some painters are left-handed. Every left-handed person is clever. Are some painters clever?",
        "true",
        ("exists x (Painter(x) & LeftHanded(x))", "all x (LeftHanded(x) -> Clever(x))"),
        "exists x (Painter(x) & Clever(x))",
    ),
    Argument(
        "If the lamp glows, there is power. There is no power. Does the lamp glow?",
        "false",
        ("Glows(lamp) -> Power", "-Power"),
        "Glows(lamp)",
    ),
    Argument(
        "If it rains, the street is wet. The street is wet. Does it rain?",
        "unknown",
        ("Rains -> Wet(street)", "Wet(street)"),
        "Rains",
    ),
    Argument(
        "Either Ada or Ben baked the cake, but not both. Ben did. Did Ada bake it?",
        "false",
        ("Baked(ada, cake) xor Baked(ben, cake)", "Baked(ben, cake)"),
        "Baked(ada, cake)",
    ),
    Argument(
        "Somebody is admired by everybody. Does everybody admire somebody?",
        "true",
        ("∃y ∀x Admires(x, y)",),
        "∀x ∃y Admires(x, y)",
    ),
    Argument(
        "Everybody admires somebody. Is somebody admired by everybody?",
        "unknown",
        ("∀x ∃y Admires(x, y)",),
        "∃y ∀x Admires(x, y)",
    ),
    Argument(
        "The mayor is Tom. Tom is older than whoever is not Tom. Is the mayor older than Ulf, who is not Tom?",
        "true",
        ("mayor = tom", "∀x (x ≠ tom → Older(tom, x))", "ulf ≠ tom"),
        "Older(mayor, ulf)",
    ),
    Argument(
        "All unicorns have a horn. Does a unicorn exist that has a horn?",
        "unknown",
        ("∀x (Unicorn(x) → HasHorn(x))",),
        "∃x (Unicorn(x) ∧ HasHorn(x))",
    ),
    Argument(
        "Whoever is a member pays if and only if he is an adult. Kim is a member and not an adult. Do all members pay?",
        "false",
        ("∀x (Member(x) → (Pays(x) ↔ Adult(x)))", "Member(kim) ∧ ¬Adult(kim)"),
        "∀x (Member(x) → Pays(x))",
    ),
)
