"""Evaluates architectures on the problems of a benchmark, with real models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from archon.architecture import Architecture
from archon.budget import Budget
from archon.errors import BudgetExhausted
from archon.models.base import Model
from archon.models.pool import ModelPool
from archon.models.providers import LOCAL
from archon.prices import with_list_prices
from archon.store import Store
from archon.technique import Programs, Technique
from evals.contest import Contender, ProblemSet
from evals.records import Record
from evals.runner import Desk, Settings, evaluate
from evals.statistics.pools import Pool, pools_of
from search.evaluator import Outcome

Keep = Callable[[Record], None]


class BenchmarkEvaluator:
    """Runs architectures on one benchmark's problems; a :class:`search.evaluator.Evaluator`.

    Where there is a store, an architecture pays only for samples that no earlier one drew. It remembers the samples of
    each first layer, for predictions.

    Args:
        problem_set: The problems, with what grades them.
        pool: Where models come from.
        store: Where samples are kept.
        seed: Decides every draw.
        models: Models by reference that replace those of the architectures.
        sandbox: Where programs run.
        keep: Takes every record.
        done: Records of an earlier run, whose answers are not asked again.
        purse: What all evaluations together may really spend.
    """

    def __init__(
        self,
        problem_set: ProblemSet,
        *,
        pool: ModelPool | None = None,
        store: Store | None = None,
        seed: int = 0,
        models: Mapping[str, Model] | None = None,
        sandbox: Programs | None = None,
        keep: Keep = lambda record: None,
        done: Iterable[Record] = (),
        purse: Budget | None = None,
    ) -> None:
        self._set = problem_set
        self._pool = pool
        self._store = store
        self._settings = Settings(seed)
        self._models = models
        self._sandbox = sandbox
        self._keep = keep
        self._purse = purse
        self._done: dict[str, dict[str, Record]] = {}
        for record in done:
            self._done.setdefault(record.architecture, {})[record.problem] = record
        self._samples: dict[str, dict[str, Pool]] = {}

    @property
    def problems(self) -> int:
        """How many problems there are."""
        return len(self._set.problems)

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        """Ask, grade, and keep the records.

        Raises:
            BudgetExhausted: The purse did not bear it; what was answered in full is kept.
            ConfigError: An endpoint refused the key or does not know the model.
        """
        records = await self.records(Contender.of(architecture), positions)
        self._remember(architecture, records)
        return [outcome_of(record) for record in records]

    async def records(self, contender: Contender, positions: Sequence[int] | None = None) -> list[Record]:
        """The records of some problems in the order of ``positions``, or of all of them."""
        chosen = range(self.problems) if positions is None else positions
        problems = tuple(self._set.problems[position] for position in chosen)
        known = self._done.get(contender.name, {})
        records = await evaluate(
            [replace(contender, architecture=with_list_prices(contender.architecture))],
            [replace(self._set, problems=problems)],
            replace(self._settings, at_once=1) if _local(contender.architecture) else self._settings,
            pool=self._pool,
            models=self._models,
            store=self._store,
            sandbox=self._sandbox,
            done=[known[problem.id] for problem in problems if problem.id in known],
            purse=self._purse,
            desk=Desk(keep=self._keep),
        )
        if self._purse is not None and (cut := next(filter(_cut, records), None)) is not None:
            raise BudgetExhausted(
                next((why for _, kind, why in cut.failures if kind == "budget"), cut.error or "budget")
            )
        by_problem = {record.problem: record for record in records}
        return [by_problem[problem.id] for problem in problems]

    def recall(self, architecture: Architecture) -> None:
        """Remember the samples of an architecture that an earlier run evaluated."""
        self._remember(architecture, list(self._done.get(architecture.name, {}).values()))

    def drawn(self, architecture: Architecture, positions: Sequence[int]) -> list[Pool]:
        """The samples at hand that the first layer would draw; without rewards, which belong to later layers."""
        known = self._samples.get(_drawing(architecture), {})
        nothing = Pool.of([], [])
        return [known.get(self._set.problems[position].id, nothing) for position in positions]

    def _remember(self, architecture: Architecture, records: Sequence[Record]) -> None:
        first, *later = architecture.layers
        n = getattr(first[0], "n", 1)
        # The samples of a record are those of the layer that left the most, which must not be a later one.
        if len(first) != 1 or any(getattr(component, "n", 1) > n for layer in later for component in layer):
            return
        known = self._samples.setdefault(_drawing(architecture), {})
        for pools in pools_of(records).values():
            for problem, (pool, *_) in pools.items():
                if pool.n > known.get(problem, Pool.of([], [])).n:
                    known[problem] = Pool(pool.scores, pool.answers)


def _local(architecture: Architecture) -> bool:
    """Whether a model of this machine takes part: questions that share its cores lengthen each other's seconds."""
    return any(spec.provider == LOCAL for spec in architecture.specs().values())


def _cut(record: Record) -> bool:
    return record.status == "budget" or any(kind == "budget" for _, kind, _ in record.failures)


def outcome_of(record: Record) -> Outcome:
    """What a search needs of a record.

    The latency is that of an architecture by itself, whatever the store answered: of each layer the slowest call of the
    average, layers one after the other. Rounds within a layer are taken to run side by side.
    """
    totals = record.attributed
    layers: dict[str, float] = {}
    for part in record.spent:
        number = part.layer.partition(".")[0]
        layers[number] = max(layers.get(number, 0.0), part.totals.seconds / max(part.totals.calls, 1))
    return Outcome(
        score=record.score,
        usd=record.dollars,
        seconds=totals.seconds,
        tokens=totals.usage.total,
        calls=totals.calls,
        latency=sum(layers.values()),
        paid=record.paid.calls,
        paid_usd=record.paid.dollars,
    )


def _drawing(architecture: Architecture) -> str:
    """What decides the samples of the first layer: the technique but for how many it draws, and its models."""
    first: Technique = architecture.layers[0][0]
    settings = {name: value for name, value in first.model_dump(mode="json").items() if name != "n"}
    spec = architecture.models.get(str(settings.get("model")))
    return f"{first.kind} {settings} {spec and spec.model_dump(mode='json')}"
