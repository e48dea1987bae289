"""Search over the legal moves of games, against brute force."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon.concurrency import run_sync
from archon.errors import ConfigError
from archon.models.base import Request
from archon.state import Task
from archon.testing import ScriptedModel, TechniqueConformance, rehearse
from techniques.stepwise.environment import Game, Place, Playouts, search_moves
from techniques.stepwise.environment_search import EnvironmentSearch, parse_priors
from techniques.stepwise.tree_search import Node, Selection, simulate
from tests.techniques.stepwise.games import MODULE, Staircase, TicTacToe, minimax


def best_move(position: TicTacToe, iterations: int) -> int:
    moves, failures = run_sync(search_moves(position, iterations=iterations, rng=random.Random(0)))
    assert not failures
    assert isinstance(moves[0].move, int)
    return moves[0].move


@given(choices=st.lists(st.integers(0, 8), max_size=8))
@settings(max_examples=40, deadline=None)
def test_its_move_is_as_good_as_that_of_perfect_play(choices: list[int]) -> None:
    position = TicTacToe()
    for choice in choices:
        following = position.play(position.moves()[choice % len(position.moves())])
        if following.outcome() is not None:
            break
        position = following
    move = best_move(position, 1500)
    assert 1 - minimax(position.play(move)) == minimax(position)


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_it_never_loses_whatever_the_opponent_does(first: bool) -> None:
    answers: dict[TicTacToe, int] = {}

    def meet(position: TicTacToe, ours: bool) -> None:
        outcome = position.outcome()
        if outcome is not None:
            assert outcome == 0.5 or not ours, position
        elif ours:
            if position not in answers:
                answers[position] = best_move(position, 1500)
                meet(position.play(answers[position]), False)
        else:
            for move in position.moves():
                meet(position.play(move), True)

    meet(TicTacToe(), first)
    assert len(answers) > 50


def test_values_are_negated_from_move_to_move() -> None:
    # x is to move and wins with square 2; every other move lets o win or goes on.
    position = TicTacToe("xx.oo....")
    game = Game(2, Playouts(random.Random(0)), Playouts(random.Random(0)))
    root = Node(Place(position))

    async def run() -> None:
        for _ in range(300):
            await simulate(root, game, Selection())

    run_sync(run())
    assert root.visits == 300 == sum(child.visits for child in root.children)
    by_move = {child.state.move: child for child in root.children}
    assert by_move[2].value("mean") == 1.0
    assert max(by_move, key=lambda move: by_move[move].visits) == 2
    for child in root.children:
        leaf = child.visits - sum(grandchild.visits for grandchild in child.children)
        if child.children:
            assert leaf == 1
            below = sum(grandchild.visits - grandchild.total for grandchild in child.children)
            assert 0 <= child.total - below <= 1, "the value it had as a leaf"


def test_a_puzzle_has_no_opponent() -> None:
    moves, _ = run_sync(search_moves(Staircase(), iterations=60, rng=random.Random(0)))
    assert moves[0].move == "r"
    best, _ = run_sync(
        search_moves(Staircase(), iterations=200, rng=random.Random(0), selection=Selection("uct", 1.0, "max"))
    )
    assert (best[0].move, best[0].value) == ("r", 1.0)


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="the game is over"):
        run_sync(search_moves(TicTacToe("xxxoo...."), iterations=1, rng=random.Random(0)))
    with pytest.raises(ValueError, match="opponent"):
        run_sync(search_moves(TicTacToe(), iterations=1, rng=random.Random(0), selection=Selection("uct", 1.0, "max")))


def adviser(request: Request, index: int) -> str:
    """Likes the corners, and positions with many of them free."""
    prompt = request.messages[-1].content
    return f"Best: [{1 + prompt.count('x')}]\nRating: [{1 + prompt.count('.') % 10}]"


class TestEnvironmentSearch(TechniqueConformance):
    technique = EnvironmentSearch(environment=f"{MODULE}:board", iterations=30, formula="puct", model="m")
    script = staticmethod(adviser)
    candidates = ()


class TestEnvironmentSearchWithoutAModel(TechniqueConformance):
    technique = EnvironmentSearch(environment=f"{MODULE}:board", iterations=30, playouts=2)
    candidates = ()


def test_the_model_is_shown_the_position_and_its_move_is_tried_first() -> None:
    model = ScriptedModel("Best: [2]\nRating: [5]")
    technique = EnvironmentSearch(environment=f"{MODULE}:board", iterations=1, formula="puct", model="m")
    rehearsal = rehearse(technique, model, task=Task.of("x to move on xx.oo.... please", id="q"))
    # The legal moves are 2, 5, 6, 7 and 8.
    assert [candidate.text for candidate in rehearsal.state.candidates] == ["5"]
    first, second = model.requests
    assert "xx.\noo.\n..." in first.messages[-1].content
    assert "[2] 5" in first.messages[-1].content
    assert "xx.\noox\n..." in second.messages[-1].content


def test_random_games_stand_in_for_replies_that_cannot_be_read() -> None:
    technique = EnvironmentSearch(environment=f"{MODULE}:board", iterations=200, model="m")
    task = Task.of("x to move on xx.oo.... please", id="q")
    rehearsal = rehearse(technique, ScriptedModel("who knows"), task=task)
    assert rehearsal.state.candidates[0].text == "2"
    assert {failure.kind for failure in rehearsal.state.failures} == {"parse"}


def test_after_the_end_of_the_budget_nothing_more_is_asked() -> None:
    technique = EnvironmentSearch(environment=f"{MODULE}:board", iterations=50, model="m")
    model = ScriptedModel(adviser)
    rehearsal = rehearse(technique, model, budget={"calls": 5})
    assert len(model.requests) == 5
    assert rehearsal.result.candidates


def test_a_function_that_is_not_there_is_an_error() -> None:
    technique = EnvironmentSearch(environment="nowhere:board")
    assert isinstance(rehearse(technique, ScriptedModel("")).result.error, ConfigError)


def test_the_best_move_is_the_last_that_is_named_and_legal() -> None:
    assert parse_priors("Best: [1]. No, best: [2]", 4) == [0.125, 0.625, 0.125, 0.125]
    assert parse_priors("Best: [5]", 4) is None
    assert parse_priors("[2]", 4) is None
