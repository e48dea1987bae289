"""Studies in the simulated world: every sampler and objective, limits, going on, and what cannot be searched."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from archon.architecture import Architecture
from archon.errors import BudgetExhausted, ConfigError
from search.evaluator import Outcome
from search.history import History
from search.progress import CAME_TO
from search.simulated import World
from search.spec import Objective, Sampler, StudySpec
from search.storage import Watchdog, create_study, open_storage
from search.study import Study
from tests.search.toys import Table, outcomes, study, toy, world

ALONE = {"parallel": 1, "surrogate": False}


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "grid", "greedy", "factorial"])
@pytest.mark.parametrize("objective", ["accuracy", "cost_of_pass", "pareto"])
async def test_every_sampler_and_objective_finds_something(sampler: Sampler, objective: Objective) -> None:
    if objective == "pareto" and sampler in ("greedy", "factorial"):
        with pytest.raises(ValueError, match="needs one objective"):
            StudySpec(sampler=sampler, objective=objective)
        return
    made = study(StudySpec(sampler=sampler, objective=objective, trials=8))
    history = await made.run()
    assert history.best is not None
    assert history.best in history.pareto() or objective == "cost_of_pass"
    assert made.progress.trials <= 8
    assert made.progress.stopped
    assert len(history.entries) == made.progress.trials - made.progress.predicted - made.progress.failed


async def test_a_grid_without_racing_finds_the_very_best_and_pays_for_shared_samples_once() -> None:
    spec = StudySpec(sampler="grid", racing="off", surrogate=False, trials=1000)
    shared, alone = world(), world(share=False)
    found = [study(spec, evaluator) for evaluator in (shared, alone)]
    for made in found:
        await made.run()
        assert made.progress.stopped == "the plan is at its end"
        assert made.progress.trials == len({toy().build(params).name for params in toy().enumerate()})
    best, other = (made.history.best for made in found)
    assert best is not None
    assert other is not None
    assert best.accuracy == other.accuracy == max(e.accuracy for e in found[0].history.entries.values())
    assert found[0].progress.paid < found[1].progress.paid == found[1].progress.calls == found[0].progress.calls


async def test_a_race_asks_less_and_drops_nobody_who_is_best() -> None:
    spec = StudySpec(sampler="grid", surrogate=False, trials=1000)
    raced, whole = study(spec), study(spec.model_copy(update={"racing": "off"}))
    for made in (raced, whole):
        await made.run()
    assert raced.progress.evaluations < whole.progress.evaluations
    assert raced.progress.dropped > 0
    best, other = raced.history.best, whole.history.best
    assert best is not None
    assert other is not None
    assert best.accuracy >= other.accuracy - 0.05


async def test_asha_goes_on_with_the_best_third() -> None:
    made = study(StudySpec(sampler="random", racing="asha", trials=15, **ALONE))
    await made.run()
    assert 0 < made.progress.dropped < 15


async def test_a_study_that_is_cut_at_any_trial_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    spec = StudySpec(trials=12, **ALONE)
    whole = study(spec)
    await whole.run()
    expected = [(e.architecture.name, len(e.outcomes)) for e in whole.history.entries.values()]
    for cut in (1, 11):
        storage = open_storage(tmp_path / f"{cut}.log")
        dying = Dying(world(), cut)
        with pytest.raises(KeyboardInterrupt):
            await study(spec, dying, storage).run()
        again = study(spec, dying.world, open_storage(tmp_path / f"{cut}.log"))
        await again.run()
        assert [(e.architecture.name, len(e.outcomes)) for e in again.history.entries.values()] == expected
        assert again.progress.trials == 12
        assert again.progress.evaluations == whole.progress.evaluations


class Dying:
    """Stops the process, as far as a test can, in the middle of its n-th architecture."""

    def __init__(self, world: World, after: int) -> None:
        self.world = world
        self.problems = world.problems
        self._left = after
        self._names: set[str] = set()

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        self._names.add(architecture.name)
        if len(self._names) > self._left:
            raise KeyboardInterrupt
        return await self.world.evaluate(architecture, positions)


async def test_trials_begun_together_never_exceed_the_limit() -> None:
    made = study(StudySpec(sampler="random", trials=7, parallel=5, surrogate=False), Slow(world()))
    await made.run()
    assert made.progress.trials == 7
    assert len(made.history.entries) == 7


class Slow:
    """Answers after a moment, so that trials overlap."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.problems = world.problems

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        await asyncio.sleep(0.002)
        return await self.world.evaluate(architecture, positions)


async def test_patience_calls_and_time_end_a_study_and_only_the_last_two_are_cuts() -> None:
    patient = study(StudySpec(trials=1000, patience=5, sampler="random", **ALONE))
    await patient.run()
    assert (patient.progress.since_better, patient.progress.cut) == (5, False)
    counted = study(StudySpec(trials=1000, calls=500, sampler="random", **ALONE))
    await counted.run()
    assert counted.progress.paid >= 500
    assert (counted.progress.stopped, counted.progress.cut) == ("the limit of 500 calls", True)
    timed = study(StudySpec(trials=1000, seconds=0.001, sampler="random", **ALONE))
    await timed.run()
    assert timed.progress.cut


async def test_a_trial_that_a_budget_cuts_is_tried_again_by_whoever_goes_on(tmp_path: Path) -> None:
    class Poor(Slow):
        async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
            if self.world.paid > 300:
                raise BudgetExhausted("the budget of 300 calls does not allow another call")
            return await super().evaluate(architecture, positions)

    spec, rich = StudySpec(trials=6, sampler="random", **ALONE), world()
    made = study(spec, Poor(rich), open_storage(tmp_path / "j.log"))
    await made.run()
    assert made.progress.cut
    assert made.progress.trials < 6
    waiting = made.study.get_trials(states=(TrialState.WAITING,))
    assert len(waiting) == 1
    again = study(spec, rich, open_storage(tmp_path / "j.log"))
    await again.run()
    assert (again.progress.trials, again.progress.cut) == (6, False)


async def test_known_settings_come_first_and_repetitions_cost_nothing() -> None:
    known = [toy().complete({"layers.0.generate.n": 4}), toy().complete({"layers.0.generate.model": "strong"})]
    made = study(StudySpec(trials=5, **ALONE), known=known)
    await made.run()
    entries = sorted(made.history.entries.values(), key=lambda entry: entry.trial)
    assert [dict(entry.params) for entry in entries[:2]] == known
    names = [t.user_attrs["name"] for t in made.study.trials if t.user_attrs[CAME_TO] == "evaluated"]
    assert len(names) == len(set(names))


async def test_an_objective_that_is_not_a_number_is_said_in_a_sentence() -> None:
    unpriced = [(params, outcomes([1.0] * 10, usd=None)) for params in toy().enumerate()]
    for spec in (StudySpec(objective="cost_of_pass"), StudySpec(objective="pareto"), StudySpec(ceiling=1.0)):
        with pytest.raises(ConfigError, match="the objective is not a number, since its cost in usd is not known"):
            await study(spec, Table(toy(), unpriced)).run()
    made = study(StudySpec(trials=4), Table(toy(), unpriced))
    assert (await made.run()).best is not None, "accuracy alone needs no price"


async def test_rules_that_leave_nothing_are_said_in_a_sentence() -> None:
    spec = StudySpec(trials=4, sampler="random", **ALONE)
    made = Study(toy(), lambda architecture: "it is too small.", world(), spec, create_study(spec))
    with pytest.raises(ConfigError, match=r"No architecture of this space passes .* it is too small"):
        await made.run()
    assert made.progress.trials == 0


async def test_an_architecture_that_cannot_run_is_counted_and_not_tried_again() -> None:
    class Broken(Slow):
        asked: list[str] = []  # noqa: RUF012 - one test's own

        async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
            if architecture.layers[0][0].model == "weak":  # type: ignore[attr-defined]
                self.asked.append(architecture.name)
                raise ConfigError("openai/weak is not known there.")
            return await super().evaluate(architecture, positions)

    made = study(StudySpec(trials=12, sampler="grid"), Broken(world()))
    await made.run()
    assert made.progress.failed == len(Broken.asked) == len(set(Broken.asked)) > 0
    assert made.progress.errors == {"openai/weak is not known there.": made.progress.failed}


async def test_the_surrogate_turns_down_what_samples_at_hand_speak_against() -> None:
    spec = StudySpec(sampler="grid", trials=1000, parallel=1)
    made = study(spec, world(200))
    history = await made.run()
    assert made.progress.predicted > 0
    whole = study(spec.model_copy(update={"surrogate": False}), world(200))
    other = await whole.run()
    assert made.progress.evaluations < whole.progress.evaluations
    assert history.best is not None
    assert other.best is not None
    assert history.best.accuracy == other.best.accuracy


async def test_two_workers_share_the_trials_and_count_each_once(tmp_path: Path) -> None:
    spec, path = StudySpec(sampler="random", trials=9, parallel=2, surrogate=False), tmp_path / "j.log"
    create_study(spec, storage=open_storage(path))
    workers = []
    for number in range(3):
        optuna_study = create_study(spec, storage=open_storage(path), resume=True)
        watchdog = Watchdog(optuna_study, f"w{number}")
        workers.append(
            Study(toy(), lambda a: None, Slow(world()), spec, optuna_study, watchdog=watchdog, leads=number == 0)
        )
    await asyncio.gather(*(worker.run() for worker in workers))
    workers[0].recall()
    counted = [t for t in workers[0].study.trials if t.user_attrs.get(CAME_TO) in ("evaluated", "dropped")]
    assert len(counted) == 9 == workers[0].progress.trials
    assert len({t.user_attrs["worker"] for t in counted}) == 3
    assert sum(len(t.user_attrs["outcomes"]) for t in counted) == workers[0].progress.evaluations
    assert not [t for t in workers[0].study.trials if t.state == TrialState.RUNNING]


async def test_the_trial_of_a_silent_worker_is_tried_again_and_a_late_answer_is_not_counted(tmp_path: Path) -> None:
    spec, path = StudySpec(sampler="random", trials=4, parallel=1, surrogate=False), tmp_path / "j.log"
    dead = create_study(spec, storage=open_storage(path))
    lost = dead.ask()
    toy().suggest(lost)
    lost.set_user_attr("worker", "dead")
    Watchdog(dead, "dead", clock=lambda: 0.0).beat()
    mine = create_study(spec, storage=open_storage(path), resume=True)
    made = Study(toy(), lambda a: None, world(), spec, mine, watchdog=Watchdog(mine, "me"))
    await made.run()
    trials = mine.get_trials()
    assert trials[lost.number].state == TrialState.FAIL
    (again,) = [t for t in trials if t.user_attrs.get("retry_of") == lost.number]
    assert again.params == trials[lost.number].params
    assert again.state == TrialState.COMPLETE
    assert made.progress.trials == 4
    with pytest.raises(ValueError, match="Cannot tell"):
        dead.tell(lost, [1.0])


def test_a_watchdog_gives_up_after_some_tries() -> None:
    now = [0.0]
    made = create_study(StudySpec())
    watchdog = Watchdog(made, "me", clock=lambda: now[0])
    made.enqueue_trial({})
    tries = 0
    while trial := next(iter(made.get_trials(states=(TrialState.WAITING,))), None):
        made.ask().set_user_attr("worker", "dead")
        now[0] += 100
        assert watchdog.revive() == [trial.number]
        tries += 1
    assert tries == 4
    assert watchdog.revive() == []


def test_values_are_finite_for_every_objective() -> None:
    for objective in ("accuracy", "cost_of_pass", "pareto"):
        values = History(StudySpec(objective=objective)).values(outcomes([0.0, 0.0]))
        assert all(math.isfinite(value) for value in values)
