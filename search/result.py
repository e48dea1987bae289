"""What a study found: the winner, the Pareto set, and what each setting mattered."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from archon.architecture import Architecture
from archon.source import dump_architecture
from archon.technique import Technique
from search.choice import Verdict
from search.directory import RESULT, WINNER
from search.guard import Claim
from search.history import Entry, History, mean
from search.measures import measures
from search.progress import Progress
from search.proposing import main_effects

LEAST_TRIALS = 20
# What a line about an architecture has room for: so much of a text, and these settings of a technique.
TEXT = 48
TOLD = ("n", "temperature", "keep", "rounds")


def importance(study: optuna.Study) -> dict[str, float]:
    """How much of what separates the best tenth of trials from the others each setting explains; they add up to 1.

    Of settings that every trial has (those of branches that were not always taken cannot be compared), by PED-ANOVA
    (Watanabe et al. 2023, arXiv:2304.10255). Empty with fewer than :data:`LEAST_TRIALS` trials or several objectives.
    """
    finished = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
    if len(finished) < LEAST_TRIALS or len(study.directions) > 1:
        return {}
    try:
        found = optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):
        # No setting is in all trials, or all values are the same.
        return {}
    return {name: round(value, 6) for name, value in found.items() if math.isfinite(value)}


def effects(history: History) -> dict[str, dict[str, float | None]]:
    """The main effect of every setting on accuracy, over the architectures that were tried.

    Clean of each other only where the trials are a factorial design.
    """
    runs: dict[str, list[tuple[Any, float]]] = {}
    for entry in history.entries.values():
        for name, value in entry.params.items():
            runs.setdefault(name, []).append((value, entry.accuracy))
    return main_effects(runs)


def summarise(entry: Entry, history: History) -> dict[str, Any]:
    """The figures of one architecture as JSON values."""
    return {
        "name": entry.architecture.name,
        "layers": in_words(entry),
        "trial": entry.trial,
        "params": dict(entry.params),
        **measures(entry.outcomes, history.spec.cost),
        "latency_seconds": entry.latency,
        "saw_all_problems": entry.whole,
    }


def write_result(
    directory: Path,
    history: History,
    verdict: Verdict,
    sealed: Sequence[Mapping[str, Any]],
    progress: Progress,
    study: optuna.Study,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write ``winner.yaml``, ``pareto/*.yaml`` and ``search.json``, and return what is in the last."""
    pareto = history.pareto()
    (directory / WINNER).write_text(dump_architecture(verdict.winner.architecture), encoding="utf-8")
    _write_architectures(directory / "pareto", pareto)
    claim = verdict.claim
    found = {
        **more,
        "spec": history.spec.model_dump(),
        "progress": asdict(progress),
        "saved": saved(history, progress),
        "winner": summarise(verdict.winner, history),
        "best_on_search": verdict.winner.architecture.name if history.best is None else history.best.architecture.name,
        "guard": None if claim is None else _guarded(claim, history),
        "sealed": list(sealed),
        "pareto": [summarise(entry, history) for entry in pareto],
        "trials": [summarise(entry, history) for entry in history.entries.values()],
        "importance": importance(study),
        "effects": effects(history) if history.spec.sampler == "factorial" else {},
    }
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (directory / RESULT).write_text(text + "\n", encoding="utf-8")
    return found


def _guarded(claim: Claim, history: History) -> dict[str, Any]:
    """What the guard lets be said, and what the baseline costs, for whoever would rather have that."""
    # A guard that an earlier part of the search asked may know a baseline that this history does not.
    entry = history.entries.get(claim.baseline)
    cost = math.nan if entry is None else entry.cost(history.spec.cost)
    known = None if math.isnan(cost) else cost
    return {**asdict(claim), "better": claim.better, "says": str(claim), "baseline_cost": known}


def saved(history: History, progress: Progress) -> dict[str, Any]:
    """Calls paid, calls that the same answers take anew, and calls of all trials on all problems, about."""
    whole = [entry for entry in history.entries.values() if entry.whole]
    problems = len(whole[0].outcomes) if whole else 0
    without = sum(mean(o.calls for o in entry.outcomes) * problems for entry in history.entries.values())
    return {
        "paid_calls": progress.paid,
        "calls_anew": progress.calls,
        "calls_anew_without_racing": round(without),
    }


def in_words(entry: Entry) -> str:
    """The layers of an architecture in a line, such as ``generate(solver, n=4) > vote``, and the texts it was given."""
    architecture = entry.architecture
    layers = (" + ".join(_words(component, architecture) for component in layer) for layer in architecture.layers)
    texts = [
        f'{name.rpartition(".")[2]} "{textwrap.shorten(value, TEXT, placeholder="…")}"'
        for name, value in entry.params.items()
        if isinstance(value, str) and " " in value
    ]
    return ", ".join([" > ".join(layers), *texts])


def _words(component: Technique, architecture: Architecture) -> str:
    said = [
        (architecture.models[ref].use if ref in architecture.models else ref).rpartition("/")[2]
        for _, ref in component.model_refs()
    ]
    said += [f"{name}={getattr(component, name)}" for name in TOLD if _told(component, name)]
    return component.kind + (f"({', '.join(dict.fromkeys(said))})" if said else "")


def _told(component: Technique, name: str) -> bool:
    return isinstance(getattr(component, name, None), int | float) and not isinstance(getattr(component, name), bool)


def _write_architectures(directory: Path, entries: Sequence[Entry]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # What an earlier part of the same search wrote may have been beaten since.
    for old in directory.glob("*.yaml"):
        old.unlink()
    for entry in entries:
        file = directory / f"{entry.architecture.name}.yaml"
        file.write_text(dump_architecture(entry.architecture), encoding="utf-8")
