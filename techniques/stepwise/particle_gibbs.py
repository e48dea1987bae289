"""Run a particle filter again and again, each time around an answer that the one before drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import IntKnob
from archon.stepwise import Partial
from archon.technique import Context
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.particle_filter import Population, particle_filter
from techniques.stepwise.posterior import LogPotential, Path, Posterior, completed
from techniques.stepwise.search import Search


class ParticleGibbs(Posterior, kind="particle_gibbs"):
    """Run a particle filter again and again, each time around an answer that the one before drew.

    The first iteration is a particle filter; one of its final particles is drawn by weight and is the reference. In
    every later iteration the reference is one of the ``n`` particles: in each round it is its own beginning of that
    length with that beginning's potential, and once it has come to its end it is treated like any other finished
    particle. A new reference is then drawn by weight from all of them. For two or more particles, that is a Markov
    chain whose references come to be draws from the target, however few particles there are. Resampling is multinomial
    in every round.

    With ``select: best`` every answer that was a final particle of any iteration is left, best first; with ``sample``
    the references are, the latest first. Particles that fail are dropped as in ``particle_filter``. Cost: at most
    (n x iterations - iterations + 1) x max_steps steps, and the reward's; no beginning is scored twice.

    Source: Andrieu, Doucet and Holenstein 2010 (Particle Markov chain Monte Carlo methods); for language models Puri et
    al. 2025 (arXiv:2502.01618). Other than the published implementations, the reference is weighted by its own
    beginnings and nothing is resampled after the last step.
    """

    calls: ClassVar[str] = "at most ((n − 1) × iterations + 1) × max_steps, plus the reward's"

    n: Annotated[int, Field(ge=2), IntKnob(2, 64, log=True)] = 4
    iterations: Annotated[int, Field(ge=1), IntKnob(1, 16, log=True)] = 4

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """The final particles of all iterations, or their references."""
        sweeps = await particle_gibbs(search, self.n, self.iterations, self.log_potential)
        for sweep in sweeps:
            population = sweep.population
            context.record("particles", {"reference": sweep.reference[-1].node, "ess": list(population.ess)})
        if self.select == "sample":
            return [path[-1] for path in completed([sweep.reference for sweep in reversed(sweeps)])]
        found = {path[-1].node: path[-1] for sweep in sweeps for path in sweep.population.paths}
        return best_first(found.values(), search.aggregate)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One iteration.

    Attributes:
        population: Its final particles.
        reference: The one that was drawn from them.
    """

    population: Population
    reference: Path


async def particle_gibbs(
    search: Search, n: int, iterations: int, potential: LogPotential, reference: Path = ()
) -> list[Sweep]:
    """Iterate conditional sequential Monte Carlo.

    Args:
        search: What to search with.
        n: Particles, the reference among them.
        iterations: How often.
        potential: The logarithm of what a particle is weighted by after every step.
        reference: A whole answer to start from; without one, the first iteration is unconditional.

    Returns:
        The iterations; fewer than asked for only if all particles of the first were lost.

    Raises:
        Exhausted: There is no more to spend.
    """
    sweeps: list[Sweep] = []
    for _ in range(iterations):
        population = await particle_filter(search, n, potential, scheme="multinomial", reference=reference)
        if not population.paths:
            break
        (reference,) = search.rng.choices(population.paths, population.weights)
        search.mark([reference[-1]], "reference")
        sweeps.append(Sweep(population, reference))
    return sweeps
