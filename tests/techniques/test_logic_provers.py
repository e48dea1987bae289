from __future__ import annotations

import asyncio
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings

from archon.errors import ConfigError
from techniques.logic import provers
from techniques.logic.parsing import parse_formula
from techniques.logic.prover9 import Prover9, as_input
from techniques.logic.provers import Proofs, Prover, decide, find_prover
from techniques.logic.syntax import Connection, Formula, Negation, Predicate
from tests.techniques.formulas import ARGUMENTS, Argument, formulas

ENDLESS = (
    "all x exists y Above(y, x)",
    "all x -Above(x, x)",
    "all x y z (Above(x, y) & Above(y, z) -> Above(x, z))",
)
"""True in infinite domains only, so that neither a contradiction nor a finite model is found."""

PROPOSITIONS = ("Rains", "Snows", "Hails")


def prover_of(name: str, seconds: float = 5.0) -> Prover:
    """The prover of that name; the test is skipped where it is not installed."""
    if name == "z3":
        pytest.importorskip("z3")
        return find_prover("z3", seconds)
    program = shutil.which("prover9")
    if program is None:
        pytest.skip("prover9 is not installed")
    return find_prover("prover9", seconds)


def read(*texts: str) -> list[Formula]:
    return list(map(parse_formula, texts))


both = pytest.mark.parametrize("name", ["z3", "prover9"])


@both
@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.question[:30])
async def test_what_follows_is_known(name: str, argument: Argument) -> None:
    proofs = await decide(read(*argument.premises), parse_formula(argument.conclusion), prover_of(name))
    assert proofs.verdict == argument.label
    assert not proofs.doubtful


@both
async def test_contradictory_premises_prove_both_and_say_so(name: str) -> None:
    proofs = await decide(read("P & Q", "-P"), parse_formula("R"), prover_of(name))
    assert proofs == Proofs(True, True)
    assert proofs.verdict == "true"
    assert proofs.doubtful
    assert "contradict each other" in proofs.finding


@both
async def test_names_mean_what_they_are_used_for_and_nothing_else(name: str) -> None:
    # For Prover9, names that begin with u to z would be variables, and these words have a meaning of their own.
    prover = prover_of(name)
    assert await prover.contradictory(read("P(zoe)", "-P(vera)")) is False
    assert await prover.contradictory(read("exists y (P(y) & -P(formulas))", "all x P(x)")) is True
    assert await prover.contradictory(read("∀x (P(x) ∧ ∃x ¬P(x))")) is True
    assert await prover.contradictory(read("end_of_list = assign", "P(end_of_list)", "-P(assign)")) is True


@both
async def test_different_names_may_name_the_same_thing(name: str) -> None:
    proofs = await decide(read("P(a)"), parse_formula("a != b"), prover_of(name))
    assert proofs == Proofs(False, False)


def _holds(formula: Formula, world: Mapping[str, bool]) -> bool:
    """The truth of a formula without variables, by the tables of the connectives."""
    if isinstance(formula, Predicate):
        return world[formula.name]
    if isinstance(formula, Negation):
        return not _holds(formula.operand, world)
    assert isinstance(formula, Connection)
    parts = [_holds(operand, world) for operand in formula.operands]
    tables = {
        "∧": all(parts),
        "∨": any(parts),
        "⊕": parts[0] != parts[1],
        "→": not parts[0] or parts[1],
        "↔": parts[0] == parts[1],
    }
    return tables[formula.connective]


@both
def test_propositions_agree_with_truth_tables(name: str) -> None:
    prover = prover_of(name)

    @settings(max_examples=40, deadline=None)
    @given(formulas(propositions=PROPOSITIONS))
    def check(formula: Formula) -> None:
        worlds = [dict(zip(PROPOSITIONS, truth, strict=True)) for truth in product([True, False], repeat=3)]
        contradictory = not any(_holds(formula, world) for world in worlds)
        assert asyncio.run(prover.contradictory([formula])) is contradictory

    check()


async def test_z3_ends_in_time_and_the_loop_goes_on_meanwhile() -> None:
    prover = prover_of("z3", seconds=0.3)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    proofs = await decide(read(*ENDLESS), parse_formula("Q"), prover)
    ticking.cancel()
    assert proofs == Proofs(None, None)
    assert proofs.verdict == "unknown"
    assert proofs.doubtful
    assert ticks >= 5


async def test_z3_stops_when_it_is_cancelled() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(prover_of("z3", seconds=60).contradictory(read(*ENDLESS)), 0.3)
    # The loop's threads are waited for here.
    await asyncio.get_running_loop().shutdown_default_executor()
    assert time.monotonic() - began < 20


def test_prover9_gets_numbered_names_and_every_connective() -> None:
    text = as_input(
        read("∀x (P(x, zoe) ⊕ ∃x (f(x) ≠ zoe ∧ Rains ∨ ¬P(x, x)))", "P(all_, all_) ↔ (Rains → P(zoe, zoe))"), 7
    )
    assert text.splitlines() == [
        "assign(max_seconds, 7).",
        "assign(max_megs, 500).",
        "formulas(assumptions).",
        "(all x1 -(p0(x1, f1) <-> (exists x2 ((-((f2(x2) = f1)) & p3) | -(p0(x2, x2)))))).",
        "(p0(f4, f4) <-> (p3 -> p0(f1, f1))).",
        "end_of_list.",
    ]


def _stand_in(folder: Path, script: str) -> Prover9:
    """A program that behaves as Prover9's manual says in one respect."""
    program = folder / "prover9"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Prover9(str(program), 0.1)


@pytest.mark.parametrize(("code", "expected"), [(0, True), (2, False), (3, None), (4, None), (102, None)])
async def test_the_exit_code_of_prover9_decides(tmp_path: Path, code: int, expected: bool | None) -> None:
    prover = _stand_in(tmp_path, f"cat > {tmp_path}/input; exit {code}")
    assert await prover.contradictory(read("P")) is expected
    assert (tmp_path / "input").read_text() == as_input(read("P"), 1)


async def test_a_fatal_error_of_prover9_is_not_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prover: z3"):
        await _stand_in(tmp_path, "exit 1").contradictory(read("P"))


async def test_a_prover9_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("techniques.logic.prover9.PATIENCE", 0.3)
    began = time.monotonic()
    assert await _stand_in(tmp_path, "exec sleep 60").contradictory(read("P")) is None
    assert time.monotonic() - began < 30


def _installed(monkeypatch: pytest.MonkeyPatch, *, z3: bool, prover9: bool) -> None:
    monkeypatch.setattr(provers, "z3_installed", lambda: z3)
    monkeypatch.setattr(provers, "prover9_path", lambda: "/opt/prover9" if prover9 else None)


@pytest.mark.parametrize(
    ("name", "z3", "prover9", "expected"),
    [
        ("auto", True, True, "Z3Prover"),
        ("auto", False, True, "Prover9"),
        ("z3", True, False, "Z3Prover"),
        ("prover9", True, True, "Prover9"),
    ],
)
def test_the_first_prover_there_is_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: provers.ProverName, z3: bool, prover9: bool, expected: str
) -> None:
    pytest.importorskip("z3")
    _installed(monkeypatch, z3=z3, prover9=prover9)
    assert type(find_prover(name, 1)).__name__ == expected


@pytest.mark.parametrize(
    ("name", "remedies"),
    [
        ("auto", ["archon-inference[logic]", "`prover9`"]),
        ("z3", ["archon-inference[logic]"]),
        ("prover9", ["`prover9`"]),
    ],
)
def test_a_missing_prover_is_an_error_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, name: provers.ProverName, remedies: Sequence[str]
) -> None:
    _installed(monkeypatch, z3=name == "prover9", prover9=name == "z3")
    with pytest.raises(ConfigError) as caught:
        find_prover(name, 1)
    assert all(remedy in str(caught.value) for remedy in remedies)
