"""What a study found: the winner, the Pareto set, and what each setting mattered."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from archon.source import dump_architecture
from search.history import Entry, History
from search.progress import Progress
from search.proposing import main_effects

LEAST_TRIALS = 20


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


def effects(history: History) -> dict[str, dict[str, float]]:
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
    scores = np.array([o.score for o in entry.outcomes if o.score is not None])
    n = len(scores)
    error = float(scores.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    unit = history.spec.cost
    cost, of_pass = entry.cost(unit), entry.cost_of_pass(unit)
    return {
        "name": entry.architecture.name,
        "trial": entry.trial,
        "params": dict(entry.params),
        "accuracy": {"mean": entry.accuracy, "standard_error": error, "n": n},
        "cost": {"mean": None if math.isnan(cost) else cost, "unit": unit},
        "cost_of_pass": of_pass if math.isfinite(of_pass) else None,
        "latency_seconds": entry.latency,
        "saw_all_problems": entry.whole,
    }


def write_result(
    directory: Path, history: History, progress: Progress, study: optuna.Study, more: dict[str, Any]
) -> dict[str, Any]:
    """Write ``winner.yaml``, ``pareto/*.yaml`` and ``search.json``, and return what is in the last."""
    best = history.best
    pareto = history.pareto()
    _write_architectures(directory, [best] if best else [], "winner")
    _write_architectures(directory / "pareto", pareto)
    found = {
        "spec": history.spec.model_dump(),
        "progress": asdict(progress),
        "winner": summarise(best, history) if best else None,
        "pareto": [summarise(entry, history) for entry in pareto],
        "importance": importance(study),
        "effects": effects(history) if history.spec.sampler == "factorial" else {},
        **more,
    }
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (directory / "search.json").write_text(text + "\n", encoding="utf-8")
    return found


def _write_architectures(directory: Path, entries: Sequence[Entry], name: str = "") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        file = directory / f"{name or entry.architecture.name}.yaml"
        file.write_text(dump_architecture(entry.architecture), encoding="utf-8")
