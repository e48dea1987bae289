"""Markov chains of whole answers at several temperatures, which rewrite their ends and trade places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.stepwise import Partial
from archon.technique import Context
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.posterior import LogPotential, Path, Posterior, completed, propagate
from techniques.stepwise.search import Search


class ParallelTempering(Posterior, kind="parallel_tempering"):
    """Markov chains of whole answers at several temperatures, which rewrite their ends and trade places.

    L(x) is the sum of the logarithms of an answer's potentials, and chain k aims at p(x) exp(beta_k L(x)). The betas of
    the ``chains`` go in equal steps from 1, the target, to 0, the model itself, which finds other answers with ease; a
    single chain has 1. Each starts with an answer drawn from the model. In every round

    - each chain keeps the first c of its answer's T steps, c uniform on 0 ... T - 1, lets the model write a new end and
      accepts the new answer x' of T' steps with probability min(1, exp(beta (L(x') - L(x))) T / T');
    - neighbours, starting with the first or the second chain in turn, trade answers with probability
      min(1, exp((beta_k - beta_(k+1)) (L_(k+1) - L_k))).

    The first ratio is Metropolis and Hastings' for a given cut: the model's probabilities of the two ends are those
    that the target has too and cancel, and what is left is that of choosing the cut, 1 / T on the way there and
    1 / T' on the way back; c < T' since the new end has at least one step.

    With ``select: best`` the answers that the first chain had after the rounds are left, best first and each once; with
    ``sample`` all of them, the latest first. A chain whose start fails starts with another's answer; an end that fails
    is recorded and not accepted. Cost: at most chains x (rounds + 1) x max_steps steps, and the reward's.

    Source: swaps as in Geyer 1991 (Markov chain Monte Carlo maximum likelihood); new ends from a uniform cut as in
    Faria et al. 2024 (QUEST, arXiv:2406.00049; its details unverified). Tempering over a language model's steps is
    ours.
    """

    calls: ClassVar[str] = "at most chains × (rounds + 1) × max_steps, plus the reward's"

    chains: Annotated[int, Field(ge=1), IntKnob(1, 16)] = 4
    rounds: Annotated[int, Field(ge=1), IntKnob(1, 64, log=True)] = 8

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """The answers of the first chain."""
        history = await parallel_tempering(search, ladder(self.chains), self.rounds, self.log_potential)
        if self.select == "sample":
            return [path[-1] for path in completed([states[0] for states in reversed(history)])]
        return best_first({states[0][-1].node: states[0][-1] for states in history}.values(), search.aggregate)


def ladder(chains: int) -> tuple[float, ...]:
    """Inverse temperatures from 1 to 0."""
    return tuple(1.0 - chain / max(1, chains - 1) for chain in range(chains))


def swap_probability(beta: float, other: float, value: float, other_value: float) -> float:
    """How likely two chains trade answers.

    Args:
        beta: The inverse temperature of one.
        other: That of the other.
        value: L of the first one's answer.
        other_value: L of the other's.
    """
    return math.exp(min(0.0, (beta - other) * (other_value - value)))


def rewrite_probability(beta: float, value: float, new_value: float, steps: int, new_steps: int) -> float:
    """How likely a chain accepts an answer with a new end from a uniform cut.

    Args:
        beta: Its inverse temperature.
        value: L of its answer.
        new_value: L of the new one.
        steps: How many steps its answer has.
        new_steps: How many the new one has.
    """
    return math.exp(min(0.0, beta * (new_value - value) + math.log(steps / new_steps)))


async def parallel_tempering(
    search: Search, betas: Sequence[float], rounds: int, potential: LogPotential, *, starts: Sequence[Path] = ()
) -> list[list[Path]]:
    """Run one chain per inverse temperature.

    Args:
        search: What to search with.
        betas: The inverse temperatures.
        rounds: How often each chain moves and the neighbours may trade.
        potential: The logarithm of the potential of a beginning.
        starts: Whole answers to start from, one per chain; drawn if not given.

    Returns:
        The answers of the chains after every round; nothing if no chain could start.

    Raises:
        Exhausted: There is no more to spend.
    """

    def value(path: Path) -> float:
        return math.fsum(potential(partial) for partial in path[1:])

    found = starts or [path for path in await _finish(search, [(search.root,)] * len(betas)) if path is not None]
    if not found:
        return []
    # Where a Markov chain starts does not matter to what it comes to.
    states = [found[chain % len(found)] for chain in range(len(betas))]
    values = [value(path) for path in states]
    history: list[list[Path]] = []
    for round_ in range(rounds):
        cuts = [search.rng.randrange(len(path) - 1) for path in states]
        written = await _finish(search, [path[: cut + 1] for path, cut in zip(states, cuts, strict=True)])
        for chain, (beta, new) in enumerate(zip(betas, written, strict=True)):
            if new is None:
                continue
            new_value, old = value(new), states[chain]
            accept = rewrite_probability(beta, values[chain], new_value, len(old) - 1, len(new) - 1)
            accepted = search.rng.random() < accept
            search.mark([new[-1]], "accepted" if accepted else "rejected")
            if accepted:
                states[chain], values[chain] = new, new_value
        for k in range(round_ % 2, len(betas) - 1, 2):
            swap = swap_probability(betas[k], betas[k + 1], values[k], values[k + 1])
            if search.rng.random() < swap:
                states[k], states[k + 1] = states[k + 1], states[k]
                values[k], values[k + 1] = values[k + 1], values[k]
        history.append(list(states))
    return history


async def _finish(search: Search, paths: Sequence[Path]) -> list[Path | None]:
    """Let the proposal write all of them to their ends, side by side; ``None`` where a step failed."""
    finished: list[Path | None] = list(paths)
    while going := [(place, path) for place, path in enumerate(finished) if path is not None and path[-1].open]:
        moved = await propagate(search, [path[-1] for _, path in going])
        for (place, path), now in zip(going, moved, strict=True):
            finished[place] = None if now is None else (*path, now)
    return finished
