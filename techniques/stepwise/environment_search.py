"""The best move in a game or puzzle whose rules are a program of the user's own."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.errors import BudgetExhausted, ConfigError, ModelError
from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.state import Candidate, Failure, State
from archon.technique import Context, ModelRef
from techniques.prompts import conversation, render, requires
from techniques.rewards.judge import parse_rating
from techniques.steps import Answering
from techniques.stepwise.environment import Environment, Evaluation, search_moves
from techniques.stepwise.tree_search import Formula, Selection

PROMPT = """\
{question}

The position now:
{position}

The legal moves of the player to move:
{moves}

How good is this position for the player to move, from 1 (lost) to 10 (won), and which move is the best? End your \
reply with two lines like these:

Best: [1]
Rating: [5]"""

BEST = re.compile(r"\bbest\b[^\w\n]{0,12}\[\s*(\d{1,6})\s*\]", re.IGNORECASE)


class EnvironmentSearch(Answering, kind="environment_search"):
    """The best move in a game or puzzle whose rules are a program, by Monte Carlo tree search over legal moves.

    `environment` names, as ``module:function``, a function that takes the question and returns a position, an
    :class:`techniques.stepwise.environment.Environment` of one or two players. Positions are valued by `playouts` games
    with random moves or, if there is a `model`, by its rating of the position; the move that it calls the best gets
    half of the prior and an equal share of the rest, which matters with ``formula: puct``. Where its reply cannot be
    had or read, which is recorded, random games stand in. Where two play, what is good for one is bad for the other
    (negamax). The candidates are the moves that were tried, most visited first, with their values as scores. Cost: none
    without a model; else at most iterations + 1 completions, one after the other.

    Source: Kocsis and Szepesvári 2006 (Bandit based Monte-Carlo Planning), UCT; Silver et al. 2017 (AlphaGo Zero),
    PUCT. Asking a language model for priors and values is this framework's reading of them.

    Example:
        - environment_search: {environment: "my_game:start", iterations: 400}
    """

    calls: ClassVar[str] = "at most iterations + 1 with a model"

    environment: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    iterations: Annotated[int, Field(ge=1), IntKnob(8, 4096, log=True)] = 256
    playouts: Annotated[int, Field(ge=1), IntKnob(1, 16, log=True)] = 1
    formula: Annotated[Formula, ChoiceKnob(("uct", "puct"))] = "uct"
    exploration: Annotated[float, Field(ge=0, allow_inf_nan=False), FloatKnob(0.1, 3.0, log=True)] = 1.0
    model: ModelRef | None = None
    prompt: Annotated[str | None, requires("question", "position", "moves")] = None

    async def __call__(self, state: State, context: Context) -> State:
        """Replace the candidates by moves, best first.

        Raises:
            ConfigError: There is no such function, or it gives no position in which there is a move.
        """
        try:
            position: Environment = pkgutil.resolve_name(self.environment)(state.task.question)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{context.layer}: {self.environment} cannot be imported: {error}.") from error
        if position.outcome() is not None:
            raise ConfigError(f"{context.layer}: {self.environment} gave a position in which the game is over.")
        adviser = None if self.model is None else Adviser(self, self.model, state, context.fork("adviser"))
        moves, failures = await search_moves(
            position,
            iterations=self.iterations,
            rng=context.rng,
            playouts=self.playouts,
            evaluator=adviser,
            selection=Selection(self.formula, self.exploration),
        )
        found = [
            Candidate(str(move.move), f"{context.layer}#{number}", score=move.value)
            for number, move in enumerate(moves)
        ]
        return state.with_candidates(found).with_failures(failures)


class Adviser:
    """Asks a language model about positions; an :class:`techniques.stepwise.environment.Evaluator`.

    Args:
        technique: The prompt and how to draw.
        model: Whom to ask.
        state: The task.
        context: Where to draw.
    """

    def __init__(self, technique: EnvironmentSearch, model: str, state: State, context: Context) -> None:
        self._technique = technique
        self._model = model
        self._state = state
        self._context = context
        self._broke: Failure | None = None

    async def evaluate(self, position: Environment) -> Evaluation | Failure:
        """The model's rating and its best move; after the end of the budget, that failure once and again."""
        if self._broke is not None:
            return self._broke
        moves = position.moves()
        prompt = render(
            self._technique.prompt or PROMPT,
            question=self._state.task.question,
            position=str(position),
            moves="\n".join(f"[{number}] {move}" for number, move in enumerate(moves, start=1)),
        )
        messages = conversation(self._state.task, prompt)
        (outcome,) = await self._context.attempt(self._model, messages, **self._technique.overrides)
        if isinstance(outcome, ModelError):
            failure = Failure.of(self._context.layer, outcome)
            self._broke = failure if isinstance(outcome, BudgetExhausted) else None
            return failure
        rating = parse_rating(outcome.text)
        if rating is None:
            return Failure(self._context.layer, "parse", f"no rating of the position in {outcome.text[-60:]!r}")
        return Evaluation((rating - 1) / 9, parse_priors(outcome.text, len(moves)))


def parse_priors(reply: str, moves: int) -> Sequence[float] | None:
    """Half for the move that is called the best last, the other half in equal shares; ``None`` if none is."""
    named = [int(number) for number in BEST.findall(reply)]
    if not named or not 1 <= named[-1] <= moves:
        return None
    return [(0.5 if number == named[-1] else 0.0) + 0.5 / moves for number in range(1, moves + 1)]
