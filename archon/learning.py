"""What a run has shown about its models, set against what was planned and assumed for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from archon.architecture import Architecture
from archon.forecast import Part, Size, Target, Use, placed, targets, walk
from archon.observed import Heard, Key, Observed, Profile, Watch, timed
from archon.state import Task


def learn(architecture: Architecture, tasks: Sequence[Task], watch: Watch) -> dict[Key, Observed]:
    """What a run has shown about its models, to be kept for later estimates.

    Args:
        architecture: What ran.
        tasks: Those on which nothing failed and nothing was cut short.
        watch: What was seen of the run.
    """
    if not tasks:
        return {}
    models = targets(architecture)
    at = {
        (path, models[ref].spec.use): (models[ref], (models[ref].key, component.kind))
        for layer in placed(architecture)
        for path, component in layer
        for _, ref in component.model_refs()
    }
    rows: defaultdict[Key, Observed] = defaultdict(Observed)
    whole = {task.id for task in tasks}
    for heard in watch.calls:
        if heard.question in whole and not heard.failed and (heard.layer, heard.model) in at:
            _, key = at[heard.layer, heard.model]
            rows[key] += Observed(1, heard.samples, heard.prompt, heard.completion)
    # The lengths of this very run leave nothing but the prompts to be corrected.
    planned = _planned(walk(architecture, models, Size.of(tasks), Profile(rows)), len(tasks), rows)
    attempts: defaultdict[str, list[tuple[Target, Key, Heard]]] = defaultdict(list)
    for heard in watch.attempts:
        if (heard.layer, heard.model) in at:
            target, key = at[heard.layer, heard.model]
            attempts[target.endpoint].append((target, key, heard))
    times: defaultdict[Key, Observed] = defaultdict(Observed)
    for asked in attempts.values():
        if not _held_back(asked):
            for key, row in timed([(key, heard) for _, key, heard in asked], asked[0][0].slots).items():
                times[key] += row
    return {key: rows[key] + row + times[key] for key, row in planned.items() if rows[key].calls}


def _planned(layers: Sequence[Sequence[Part]], questions: int, rows: Mapping[Key, Observed]) -> dict[Key, Observed]:
    """What was planned and assumed for the requests that were observed."""
    uses: defaultdict[Key, list[Use]] = defaultdict(list)
    for parts in layers:
        for use in (use for part in parts for use in part.uses or ()):
            uses[use.target.key, use.kind].append(use)
    return {
        key: Observed(
            planned=questions * sum(use.samples for use in same),
            assumed=rows[key].calls * sum(u.calls * u.assumed for u in same) / sum(u.calls for u in same),
        )
        for key, same in uses.items()
    }


def _held_back(asked: Sequence[tuple[Target, Key, Heard]]) -> bool:
    """Whether requests waited for other reasons than that all slots were taken."""
    requests, tokens = asked[0][0].per_minute
    limited = tokens is not None or (requests is not None and len(asked) > requests)
    return limited or any(heard.failed for _, _, heard in asked)
