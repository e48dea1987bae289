"""The search itself: propose, check the rules, race, tell the optimiser, until a limit is reached."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from archon.architecture import Architecture
from archon.concurrency import gather
from archon.errors import ArchonError, BudgetExhausted, ConfigError
from search.evaluator import Evaluator, Outcome
from search.history import Entry, History, mean_cost
from search.neighbours import Neighbours, Setting
from search.parameters import Params
from search.progress import CAME_TO, CameTo, Progress
from search.proposing import proposer_of, sampler_of
from search.racing import Race, rungs
from search.space import InvalidArchitectureError, Space
from search.spec import StudySpec
from search.storage import BEAT_SECONDS, Watchdog, give_up
from search.surrogate import Remembers, predict

# So many proposals in a row that rules turn down, or that were tried before, and the space counts as used up.
FUTILE = 300
RULES = "rules"
CEILING = "ceiling"
STOPPED = "stopped"
PAUSE_SECONDS = 0.5

Check = Callable[[Architecture], str | None]
"""Says why the rules turn an architecture down, ``None`` if they do not."""


class Study:
    """One architecture search.

    Args:
        space: What can be built.
        check: The rules.
        evaluator: Runs architectures on problems.
        spec: The settings.
        study: Where trials are kept; an Optuna study made by :func:`search.storage.create_study`.
        watchdog: Given where several workers share the study: trials are then counted over all of them.
        leads: Whether this one of several workers says when the study is over, and waits for the others.
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
        watchdog: Watchdog | None = None,
        leads: bool = True,
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
        self._watchdog = watchdog
        self._leads = leads
        self._ends = math.inf if spec.seconds is None else time.monotonic() + spec.seconds
        # A common order that is nobody's own, so that first rungs are a fair sample.
        self.order = list(range(evaluator.problems))
        random.Random(spec.seed).shuffle(self.order)
        self._rungs = [len(self.order)] if spec.racing == "off" else rungs(len(self.order), spec.first)
        self._at_rung: dict[int, list[float]] = {}
        self._futile = 0
        self._taken: set[int] = set()
        self._under_way: set[int] = set()
        self._proposed: set[Setting] = set()
        self._guesses: dict[str, float | None] = {}
        self._open: dict[str, asyncio.Event] = {}
        for params in known:
            study.enqueue_trial(dict(params), skip_if_exists=True)
        self.recall()
        self._turn = len(self._taken)

    async def run(self) -> History:
        """Search until a limit is reached, by all workers together.

        Returns:
            Everything that was tried.

        Raises:
            ConfigError: No proposal passed the rules, or the objective is not a number.
        """
        watching = asyncio.create_task(self._watch(self._watchdog)) if self._watchdog else None
        try:
            await gather(self._work() for _ in range(self.spec.parallel))
            if self._watchdog is not None and self._leads:
                self.study.set_user_attr(STOPPED, self.progress.stopped)
                await self._wait_for_others(self._watchdog)
        finally:
            if watching is not None:
                watching.cancel()
        progress = self.progress
        if not (self.history.entries or progress.failed or progress.cut) and progress.pruned:
            worst = max(progress.reasons, key=lambda reason: progress.reasons[reason])
            raise ConfigError(
                f"No architecture of this space passes the rules; {progress.pruned} proposals were turned down, most "
                f"often because {worst}"
            )
        return self.history

    def recall(self) -> None:
        """Take up what the storage knows of finished trials, from an earlier run or from other workers."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        for trial in self.study.get_trials(deepcopy=False, states=states):
            if trial.number not in self._taken:
                self._take(trial.number, trial.params, trial.user_attrs)

    def _take(self, number: int, proposed: Params, attributes: Mapping[str, Any]) -> None:
        """Count a finished trial, and learn what it found."""
        self._taken.add(number)
        self._proposed.add(frozenset(proposed.items()))
        self.progress.count(attributes)
        came_to: CameTo | None = attributes.get(CAME_TO)
        if came_to in ("predicted", "failed"):
            self._guesses[attributes["name"]] = attributes.get("guess")
        if came_to not in ("evaluated", "dropped", "known"):
            return
        outcomes = [Outcome.from_data(data) for data in attributes["outcomes"]]
        params, before = attributes["params"], self.history.best
        whole = len(outcomes) == len(self.order)
        self.history.add(Entry(number, params, self.space.build(params), outcomes, whole))
        for seen in self._rungs if self.spec.racing == "asha" else ():
            if seen <= len(outcomes) and seen < len(self.order):
                self._at_rung.setdefault(seen, []).append(self._asha_value(outcomes[:seen]))
        self.progress.since_better = 0 if self.history.best is not before else self.progress.since_better + 1

    def _over(self) -> bool:
        spec, progress = self.spec, self.progress
        if progress.trials >= spec.trials:
            self._stop(f"all {spec.trials} trials are done")
        if spec.patience is not None and progress.since_better >= spec.patience and self.history.best is not None:
            self._stop(f"{spec.patience} trials in a row brought nothing better")
        if self._futile >= FUTILE and self._propose is None:
            self._stop(f"{FUTILE} proposals in a row were nothing new")
        if time.monotonic() >= self._ends:
            self._stop(f"the limit of {spec.seconds:g} seconds", cut=True)
        if spec.calls is not None and progress.paid >= spec.calls:
            self._stop(f"the limit of {spec.calls:,} calls", cut=True)
        if spec.usd is not None and progress.usd >= spec.usd:
            self._stop(f"the limit of ${spec.usd:g}", cut=True)
        if self._watchdog is not None and (said := self.study.user_attrs.get(STOPPED)):
            self._stop(said)
        return bool(progress.stopped)

    def _stop(self, reason: str, *, cut: bool = False) -> None:
        if not self.progress.stopped:
            self.progress.stopped, self.progress.cut = reason, cut

    async def _work(self) -> None:
        while not self._over():
            if self._watchdog is not None:
                self.recall()
            if not self._room():
                # Those under way may still fail and make room.
                await asyncio.sleep(PAUSE_SECONDS if self._watchdog else 0.01)
                continue
            if (trial := self._next()) is None:
                return
            self._under_way.add(trial.number)
            try:
                await self._try(trial)
            except UpdateFinishedTrialError:
                # This worker was silent for so long that its trial has become somebody else's.
                pass
            except BudgetExhausted as error:
                give_up(self.study, trial)
                self._stop(str(error), cut=True)
            except BaseException:
                # No running trial may be left behind for others to avoid; whoever goes on tries it again.
                give_up(self.study, trial)
                raise
            finally:
                self._under_way.discard(trial.number)
            self._show(self.progress, self.history)
            # Without a pause a run of futile proposals would keep the others waiting.
            await asyncio.sleep(0)

    def _room(self, before: float = math.inf) -> bool:
        """Whether the limit on trials leaves room beside those under way that were begun before some number."""
        under_way: Iterable[int] = self._under_way
        if self._watchdog is not None:
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            under_way = [trial.number for trial in running]
            # Read last: what has finished meanwhile counts twice here and makes us wait, never go too far.
            self.recall()
        return self.progress.trials + sum(number < before for number in under_way) < self.spec.trials

    def _next(self) -> Trial | None:
        """The next trial; ``None`` at the end of a plan."""
        worker = self._watchdog.worker if self._watchdog else ""
        # What waits in the queue comes first, or plans and the queue would grow apart.
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if self._propose is not None and not waiting:
            params = self._propose(self.history)
            while params is not None and frozenset(params.items()) in self._proposed:
                params = self._propose(self.history)
            if params is None:
                self._stop("the plan is at its end")
                return None
            self._enqueue(params)
        elif self._near is not None and not waiting:
            near = self._near(self.history, self._turn, self._proposed, worker)
            if near is not None:
                self._enqueue(near)
        # Seeded anew for every trial, so that a study that goes on proposes what it would have without the pause.
        self.study.sampler = sampler_of(self.spec, self._turn, worker)
        self._turn += 1
        trial = self.study.ask()
        trial.set_user_attr("worker", worker)
        return trial

    def _enqueue(self, params: Params) -> None:
        self._proposed.add(frozenset(params.items()))
        self.study.enqueue_trial(dict(params))

    async def _try(self, trial: Trial) -> None:
        params = self.space.suggest(trial)
        try:
            architecture = self.space.build(params)
            reason = self._check(architecture)
        except InvalidArchitectureError as error:
            architecture, reason = None, str(error)
        if architecture is None or reason is not None:
            self._futile += 1
            self._settle(trial, "turned_down", None, reason=reason)
            return
        name = architecture.name
        while (other := self._open.get(name)) is not None:
            await other.wait()
        if self._repeated(trial, name):
            self._futile += 1
            return
        if not self._room(before=trial.number):
            # Nobody's fault, so that it is not one of the tries.
            give_up(self.study, trial, tried=False)
            return
        self._futile = 0
        if (guess := self._foreseen(architecture)) is not None:
            self._settle(trial, "predicted", [guess], name=name, guess=guess)
            return
        self._open[name] = asyncio.Event()
        try:
            await self._run(trial, architecture, params)
        finally:
            self._open.pop(name).set()

    async def _run(self, trial: Trial, architecture: Architecture, params: Params) -> None:
        try:
            outcomes = await self._evaluate(architecture)
        except BudgetExhausted:
            raise
        except ArchonError as error:
            self._settle(trial, "failed", None, name=architecture.name, reason=str(error))
            return
        came_to: CameTo = "evaluated" if len(outcomes) == len(self.order) else "dropped"
        data = [outcome.to_data() for outcome in outcomes]
        values = self._values(trial, architecture.name, outcomes)
        self._settle(trial, came_to, values, name=architecture.name, params=dict(params), outcomes=data)

    def _repeated(self, trial: Trial, name: str) -> bool:
        """Tell of an architecture that was tried before what is known of it."""
        if (tried := self.history.entries.get(name)) is not None:
            self._settle(trial, "repeated", self._values(trial, name, tried.outcomes), name=name)
        elif name in self._guesses:
            guess = self._guesses[name]
            self._settle(trial, "repeated", None if guess is None else [guess], name=name)
        else:
            return False
        return True

    def _settle(self, trial: Trial, came_to: CameTo, values: Sequence[float] | None, **more: Any) -> None:
        """End a trial: with values for the optimiser, or as one that the rules, or its failure, speak against."""
        attributes = {CAME_TO: came_to, **more}
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        trial.set_constraint(RULES, 1.0 if values is None else -1.0)
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        try:
            self.study.tell(trial, values, state=state)
        except ValueError as error:
            raise UpdateFinishedTrialError(str(error)) from None
        self._take(trial.number, trial.params, attributes)

    def _values(self, trial: Trial, name: str, outcomes: Sequence[Outcome]) -> list[float]:
        """What the optimiser is told, and how far the ceiling is.

        Raises:
            ConfigError: It is not a number.
        """
        values, excess = self.history.values(outcomes), 0.0
        if self.spec.ceiling is not None:
            excess = mean_cost(outcomes, self.spec.cost) - self.spec.ceiling
        if not all(math.isfinite(value) for value in (*values, excess)):
            raise ConfigError(
                f"{name}: the objective is not a number, since its cost in {self.spec.cost} is not known; give every "
                "model a price, or count costs in tokens, calls or seconds."
            )
        if self.spec.ceiling is not None:
            trial.set_constraint(CEILING, excess)
        return values

    async def _evaluate(self, architecture: Architecture) -> list[Outcome]:
        """Run it rung by rung, until it has seen everything or has lost."""
        outcomes: list[Outcome] = []
        for seen in self._rungs:
            outcomes += await self._evaluator.evaluate(architecture, self.order[len(outcomes) : seen])
            if seen < len(self.order) and self._lost(outcomes):
                break
        return outcomes

    def _lost(self, outcomes: Sequence[Outcome]) -> bool:
        if self.spec.ceiling is not None and self._race.too_dear(outcomes, self.spec.ceiling, self.spec.cost):
            return True
        if self.spec.racing == "asha":
            return self._below_the_best_third(outcomes)
        best = self.history.best
        if self.spec.objective == "cost_of_pass":
            return best is not None and self._race.cost_of_pass_lost(
                outcomes, best.cost_of_pass(self.spec.cost), self.spec.cost
            )
        if self.spec.objective == "accuracy":
            return best is not None and self._race.accuracy_lost(outcomes, best.outcomes)
        cost = mean_cost(outcomes, self.spec.cost)
        return any(
            entry.cost(self.spec.cost) <= cost and self._race.accuracy_lost(outcomes, entry.outcomes)
            for entry in self.history.pareto()
        )

    def _below_the_best_third(self, outcomes: Sequence[Outcome]) -> bool:
        """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934) with a reduction factor of 3."""
        value = self._asha_value(outcomes)
        rung = [*self._at_rung.get(len(outcomes), ()), value]
        return bool(sum(other > value for other in rung) >= max(1, len(rung) // 3))

    def _asha_value(self, outcomes: Sequence[Outcome]) -> float:
        return self.history.values(outcomes)[0] * (-1 if self.spec.objective == "cost_of_pass" else 1)

    def _foreseen(self, architecture: Architecture) -> float | None:
        """The accuracy it would have, if samples at hand say that it is clearly below the best."""
        best = self.history.best
        if self._remembers is None or best is None or self.spec.objective != "accuracy":
            return None
        expected = predict(architecture, self._remembers.drawn(architecture, self.order))
        if expected is None or not self._race.mean_lost(expected, [outcome.score for outcome in best.outcomes]):
            return None
        return sum(expected) / len(expected)

    async def _watch(self, watchdog: Watchdog) -> None:
        while True:
            watchdog.beat()
            watchdog.revive()
            await asyncio.sleep(min(BEAT_SECONDS, watchdog.grace / 3))

    async def _wait_for_others(self, watchdog: Watchdog) -> None:
        """Wait until no other worker has a trial under way; the watch gives up those of the dead."""
        while self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            watchdog.revive()
            await asyncio.sleep(PAUSE_SECONDS)
        self.recall()
