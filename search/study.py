"""The search itself: propose, check the rules, race, tell the optimiser, until a limit is reached."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.trial import Trial, TrialState

from archon.architecture import Architecture
from archon.errors import ArchonError, ConfigError
from search.evaluator import Evaluator, Outcome
from search.history import Entry, History
from search.neighbours import Neighbours
from search.parameters import Params
from search.proposing import proposer_of, sampler_of
from search.racing import Race, rungs
from search.space import Space
from search.spec import Objective, StudySpec
from search.surrogate import Remembers, predict

# So many proposals in a row that rules turn down, or that were tried before, and the space counts as used up.
FUTILE = 300

RULES = "rules"
CEILING = "ceiling"

Check = Callable[[Architecture], str | None]
"""Says why the rules turn an architecture down, ``None`` if they do not."""


@dataclass
class Progress:
    """What a study has come to so far.

    Attributes:
        trials: Architectures evaluated, dropped ones included.
        dropped: Those that lost a race.
        predicted: Those that the surrogate turned down without a call.
        pruned: Proposals that rules turned down.
        repeated: Proposals that had been tried already.
        failed: Architectures that could not run.
        evaluations: Problems answered, by all architectures together.
        paid: Requests that were really sent.
        stopped: Why it ended.
    """

    trials: int = 0
    dropped: int = 0
    predicted: int = 0
    pruned: int = 0
    repeated: int = 0
    failed: int = 0
    evaluations: int = 0
    paid: int = 0
    usd: float = 0.0
    since_better: int = 0
    stopped: str = ""
    reasons: dict[str, int] = field(default_factory=dict)


class Study:
    """One architecture search.

    Args:
        space: What can be built.
        check: The rules.
        evaluator: Runs architectures on problems.
        spec: The settings.
        study: Where trials are kept; an Optuna study made by :func:`create`.
        worker: Which of several workers of the study this is.
        known: Settings to try first, such as those of a known architecture.
        show: Told the progress and the history after every trial.
    """

    def __init__(
        self,
        space: Space,
        check: Check,
        evaluator: Evaluator,
        spec: StudySpec,
        study: optuna.Study,
        *,
        worker: int = 0,
        known: Sequence[Params] = (),
        show: Callable[[Progress, History], None] = lambda progress, history: None,
    ) -> None:
        self.space = space
        self.spec = spec
        self.study = study
        self.history = History(spec)
        self.progress = Progress()
        self._check = check
        self._evaluator = evaluator
        self._race = Race(spec.alpha)
        self._propose = proposer_of(space, spec)
        self._near = Neighbours(space, spec.seed) if spec.sampler == "tpe" else None
        self._remembers = evaluator if spec.surrogate and isinstance(evaluator, Remembers) else None
        self._show = show
        self._worker = worker
        self._started = time.monotonic()
        self._futile = 0
        # A common order that is nobody's own, so that first rungs are a fair sample.
        self.order = list(range(evaluator.problems))
        random.Random(spec.seed).shuffle(self.order)
        self._rungs = [len(self.order)] if spec.racing == "off" else rungs(len(self.order), spec.first)
        self._at_rung: dict[int, list[float]] = {}
        for params in known:
            study.enqueue_trial(dict(params), skip_if_exists=True)
        self.recall()

    async def run(self) -> History:
        """Search until a limit is reached.

        Returns:
            Everything that was tried.

        Raises:
            ConfigError: No proposal passed the rules.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(self.spec.parallel):
                group.create_task(self._work())
        if not self.history.entries and self.progress.pruned and not self.progress.failed:
            worst = max(self.progress.reasons, key=lambda reason: self.progress.reasons[reason])
            raise ConfigError(
                f"No architecture of this space passes the rules; {self.progress.pruned} proposals were turned down, "
                f"most often because {worst}."
            )
        return self.history

    def recall(self) -> None:
        """Take up what the storage knows of finished trials, from an earlier run or from other workers."""
        seen = {entry.trial for entry in self.history.entries.values()}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.number in seen or "outcomes" not in trial.user_attrs:
                continue
            params = trial.user_attrs["params"]
            outcomes = [Outcome.from_data(data) for data in trial.user_attrs["outcomes"]]
            whole = len(outcomes) == len(self.order)
            self._keep(Entry(trial.number, params, self.space.build(params), outcomes, whole))

    def _keep(self, entry: Entry) -> None:
        before = self.history.best
        self.history.add(entry)
        self.progress.since_better = 0 if self.history.best is not before else self.progress.since_better + 1

    def _over(self) -> bool:
        spec, progress = self.spec, self.progress
        limits = {
            f"{spec.trials} trials": progress.trials >= spec.trials,
            f"no improvement in {spec.patience} trials": (
                spec.patience is not None and progress.since_better >= spec.patience and bool(self.history.best)
            ),
            f"{spec.seconds} seconds": spec.seconds is not None and time.monotonic() - self._started >= spec.seconds,
            f"{spec.calls} calls": spec.calls is not None and progress.paid >= spec.calls,
            f"{spec.usd} dollars": spec.usd is not None and progress.usd >= spec.usd,
            "nothing new is proposed any more": self._futile >= FUTILE,
        }
        reached = next((name for name, true in limits.items() if true), "")
        progress.stopped = progress.stopped or reached
        return bool(progress.stopped)

    async def _work(self) -> None:
        while not self._over():
            if self._propose is not None:
                params = self._propose(self.history)
                if params is None:
                    self.progress.stopped = self.progress.stopped or "the plan is at its end"
                    return
                self.study.enqueue_trial(dict(params))
            elif self._near is not None and (near := self._near(self.history)) is not None:
                self.study.enqueue_trial(dict(near))
            trial = self.study.ask()
            trial.set_user_attr("worker", self._worker)
            try:
                await self._try(trial)
            except BaseException:
                # Told as failed, so that no running trial is left behind for others to avoid.
                self.study.tell(trial, state=TrialState.FAIL)
                raise
            self._show(self.progress, self.history)
            # Without a pause a run of futile proposals would keep the other workers waiting.
            await asyncio.sleep(0)

    async def _try(self, trial: Trial) -> None:
        params = self.space.suggest(trial)
        try:
            architecture = self.space.build(params)
            reason = self._check(architecture)
        except ArchonError as error:
            architecture, reason = None, str(error)
        if architecture is None or reason is not None:
            self._turn_down(trial, reason or "")
            return
        tried = self.history.entries.get(architecture.name)
        if tried is not None:
            self.progress.repeated += 1
            self._futile += 1
            self._tell(trial, tried.outcomes)
            return
        self._futile = 0
        self.progress.trials += 1
        if (guess := self._foreseen(architecture)) is not None:
            self.progress.predicted += 1
            trial.set_constraint(RULES, -1.0)
            self.study.tell(trial, [guess])
            return
        try:
            outcomes = await self._evaluate(architecture)
        except ArchonError as error:
            self.progress.failed += 1
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            return
        whole = len(outcomes) == len(self.order)
        self.progress.dropped += not whole
        trial.set_user_attr("params", dict(params))
        trial.set_user_attr("name", architecture.name)
        trial.set_user_attr("outcomes", [outcome.to_data() for outcome in outcomes])
        entry = Entry(trial.number, dict(params), architecture, outcomes, whole)
        self._tell(trial, outcomes)
        self._keep(entry)

    def _turn_down(self, trial: Trial, reason: str) -> None:
        self.progress.pruned += 1
        self.progress.reasons[reason] = self.progress.reasons.get(reason, 0) + 1
        self._futile += 1
        trial.set_user_attr("turned_down", reason)
        trial.set_constraint(RULES, 1.0)
        self.study.tell(trial, state=TrialState.PRUNED)

    def _tell(self, trial: Trial, outcomes: Sequence[Outcome]) -> None:
        values = self.history.values(outcomes)
        trial.set_constraint(RULES, -1.0)
        if self.spec.ceiling is not None:
            cost = sum(outcome.cost(self.spec.cost) for outcome in outcomes) / len(outcomes)
            trial.set_constraint(CEILING, cost - self.spec.ceiling)
        self.study.tell(trial, values)

    async def _evaluate(self, architecture: Architecture) -> list[Outcome]:
        """Run it rung by rung, until it has seen everything or has lost."""
        outcomes: list[Outcome] = []
        for seen in self._rungs:
            fresh = await self._evaluator.evaluate(architecture, self.order[len(outcomes) : seen])
            outcomes += fresh
            self.progress.evaluations += len(fresh)
            self.progress.paid += sum(outcome.paid for outcome in fresh)
            self.progress.usd += sum(outcome.usd or 0.0 for outcome in fresh if outcome.paid)
            if seen < len(self.order) and self._lost(outcomes):
                break
        return outcomes

    def _lost(self, outcomes: Sequence[Outcome]) -> bool:
        if self.spec.ceiling is not None and self._race.too_dear(outcomes, self.spec.ceiling, self.spec.cost):
            return True
        if self.spec.racing == "asha":
            return self._below_the_best_third(outcomes)
        if self.spec.objective == "cost_of_pass":
            best = self.history.best
            return best is not None and self._race.cost_of_pass_lost(
                outcomes, best.cost_of_pass(self.spec.cost), self.spec.cost
            )
        if self.spec.objective == "accuracy":
            best = self.history.best
            return best is not None and self._race.accuracy_lost(outcomes, best.outcomes)
        cost = sum(outcome.cost(self.spec.cost) for outcome in outcomes) / len(outcomes)
        return any(
            entry.cost(self.spec.cost) <= cost and self._race.accuracy_lost(outcomes, entry.outcomes)
            for entry in self.history.pareto()
        )

    def _below_the_best_third(self, outcomes: Sequence[Outcome]) -> bool:
        """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934) with a reduction factor of 3."""
        value = self.history.values(outcomes)[0] * (-1 if self.spec.objective == "cost_of_pass" else 1)
        rung = self._at_rung.setdefault(len(outcomes), [])
        rung.append(value)
        better = sum(other > value for other in rung)
        return better >= max(1, len(rung) // 3)

    def _foreseen(self, architecture: Architecture) -> float | None:
        """The accuracy it would have, if samples at hand say that it is clearly below the best."""
        best = self.history.best
        if self._remembers is None or best is None or self.spec.objective != "accuracy":
            return None
        expected = predict(architecture, self._remembers.drawn(architecture, self.order))
        if expected is None or not self._race.mean_lost(expected, [outcome.score for outcome in best.outcomes]):
            return None
        return sum(expected) / len(expected)


def create(
    spec: StudySpec, *, name: str = "search", storage: Any = None, worker: int = 0, resume: bool = False
) -> optuna.Study:
    """The Optuna study of a search; the same name in the same storage is the same study."""
    directions: Mapping[Objective, list[Literal["minimize", "maximize"]]] = {
        "accuracy": ["maximize"],
        "cost_of_pass": ["minimize"],
        "pareto": ["maximize", "minimize", "minimize"],
    }
    return optuna.create_study(
        study_name=name,
        directions=directions[spec.objective],
        sampler=sampler_of(spec, worker),
        storage=storage,
        load_if_exists=resume,
    )
