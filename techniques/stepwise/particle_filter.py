"""Let a population of partial answers grow step by step, and multiply those that the reward favours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from archon.knobs import ChoiceKnob, FloatKnob, IntKnob
from archon.stepwise import Partial
from archon.technique import Context, Plan
from techniques.stepwise.aggregate import best_first
from techniques.stepwise.plan import plan_of_rounds
from techniques.stepwise.posterior import LogPotential, Path, Posterior, log_sum, propagate
from techniques.stepwise.resampling import SCHEMES, Scheme, ess
from techniques.stepwise.search import Search


class ParticleFilter(Posterior, kind="particle_filter"):
    """Let a population of partial answers grow step by step, and multiply those that the reward favours.

    ``n`` particles start empty. In every round each takes one step and is weighted by the potential of what it is
    now. Before the next round they are resampled in proportion to their weights if their effective sample size is below
    ``threshold`` x n; with 1, in every round. One that has come to its end stays in the population and is not weighted
    again. When all have, they stand for the target: its expectations are the weighted means over them. The
    ``particles`` event of the trace tells ``log_evidence``, the logarithm of an unbiased estimate of its normalising
    constant. With ``select: best`` all final particles are left, best first; with ``sample`` they are resampled a last
    time.

    A particle whose step fails or has no score is recorded and dropped: the others that took a step stand for it, and
    the next resampling restores their number. If some texts never get a score, the target is roughly that of those
    that do. Cost: at
    most n x max_steps steps, and the reward's; fewer requests, since equal beginnings are asked for together.

    Source: Puri et al. 2025 (arXiv:2502.01618): ``potential: odds``, ``scheme: multinomial``, ``threshold: 1``; other
    than the published implementations, finished particles are not weighted again. Schemes as in Douc et al. 2005
    (Comparison of resampling schemes for particle filtering).
    """

    calls: ClassVar[str] = "at most n × max_steps, plus the reward's"

    n: Annotated[int, Field(ge=1), IntKnob(2, 128, log=True)] = 8
    scheme: Annotated[Scheme, ChoiceKnob(("multinomial", "systematic", "stratified", "residual"))] = "systematic"
    threshold: Annotated[float, Field(ge=0, le=1), FloatKnob(0.0, 1.0)] = 0.5

    def plan(self, candidates: int) -> Plan | None:
        """A step of each particle per round."""
        return plan_of_rounds(self, (1, self.n), (self.n, 1), self.n)

    async def search(self, search: Search, context: Context) -> Sequence[Partial]:
        """The final particles."""
        population = await particle_filter(
            search, self.n, self.log_potential, scheme=self.scheme, threshold=self.threshold
        )
        if not population.paths:
            return []
        context.record("particles", {"log_evidence": population.log_evidence, "ess": list(population.ess)})
        if self.select == "best":
            return best_first((path[-1] for path in population.paths), search.aggregate)
        pairs = zip(population.paths, population.weights, strict=True)
        finished = [weight if path[-1].complete else 0.0 for path, weight in pairs]
        drawn = SCHEMES[self.scheme](finished if any(finished) else population.weights, self.n, search.rng)
        search.rng.shuffle(drawn)
        return [population.paths[place][-1] for place in drawn]


@dataclass(frozen=True, slots=True)
class Population:
    """Weighted particles.

    Attributes:
        paths: The particles.
        weights: Their weights, which add up to 1.
        log_evidence: The logarithm of an unbiased estimate of the target's normalising constant.
        ess: Their effective sample size after every round's weighting.
    """

    paths: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()
    log_evidence: float = 0.0
    ess: tuple[float, ...] = ()


async def particle_filter(
    search: Search,
    n: int,
    potential: LogPotential,
    *,
    scheme: Scheme = "systematic",
    threshold: float = 1.0,
    reference: Path = (),
) -> Population:
    """Sequential Monte Carlo over steps.

    Args:
        search: What to search with.
        n: Particles.
        potential: The logarithm of what a particle is weighted by after every step.
        scheme: How to resample.
        threshold: Resample when the effective sample size is below this share of ``n``; 1 is every round.
        reference: A whole answer that is the first particle whatever happens: in every round it is its own beginning of
            that length, weighted by the potential of that beginning, and others may descend from it. That is
            conditional SMC if the scheme is multinomial; the conditional forms of the others are not implemented.

    Returns:
        The particles when all have come to their ends; an empty population if all were lost.

    Raises:
        Exhausted: There is no more to spend.
    """
    held = 1 if reference else 0
    paths: list[Path] = [(search.root,)] * n
    logs = [-math.log(n)] * n
    sizes: list[float] = []
    log_evidence = 0.0
    while any(path[-1].open for path in paths):
        if sizes and (threshold >= 1 or sizes[-1] < threshold * n):
            drawn = SCHEMES[scheme]([math.exp(log) for log in logs], n - held, search.rng)
            kept = {*range(held), *drawn}
            for said, chosen in (("resampled", True), ("pruned", False)):
                search.mark([path[-1] for place, path in enumerate(paths) if (place in kept) is chosen], said)
            paths = [*paths[:held], *(paths[place] for place in drawn)]
            logs = [-math.log(n)] * n
        ends = [path[-1] for path in paths]
        moved = await propagate(search, ends[held:])
        if reference:
            moved.insert(0, reference[len(paths[0])] if ends[0].open else ends[0])
        grown: list[Path] = []
        before: list[float] = []
        after: list[float] = []
        for path, log, now in zip(paths, _shared(ends, moved, logs), moved, strict=True):
            if now is None:
                continue
            stayed = not path[-1].open
            grown.append(path if stayed else (*path, now))
            before.append(log)
            after.append(log if stayed else log + potential(now))
        if not grown:
            return Population()
        total = log_sum(after)
        log_evidence += total - log_sum(before)
        paths, logs = grown, [log - total for log in after]
        sizes.append(ess([math.exp(log) for log in logs]))
    return Population(tuple(paths), tuple(math.exp(log) for log in logs), log_evidence, tuple(sizes))


def _shared(ends: Sequence[Partial], moved: Sequence[Partial | None], logs: Sequence[float]) -> list[float]:
    """Log-weights with which particles that took a step stand for those that failed to take one.

    Those with the same beginning come first, then all that moved. Finished particles cannot fail; if they inherited,
    they would weigh the more the less reliable the model is.
    """
    if None not in moved:
        return list(logs)
    asked = Counter(end.steps for end in ends if end.open)
    got = Counter(end.steps for end, now in zip(ends, moved, strict=True) if end.open and now is not None)
    if not got:
        return list(logs)
    shared = [
        log + math.log(asked[end.steps] / got[end.steps]) if end.open and got[end.steps] else log
        for end, log in zip(ends, logs, strict=True)
    ]
    whole = log_sum([log for end, log in zip(ends, logs, strict=True) if end.open])
    left = log_sum([log for end, now, log in zip(ends, moved, shared, strict=True) if end.open and now is not None])
    return [log + whole - left if end.open else log for end, log in zip(ends, shared, strict=True)]
