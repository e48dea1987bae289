"""What a run has shown about its models, set against what was planned and assumed for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from archon.architecture import Architecture
from archon.forecast import Part, Size, Use, targets, walk
from archon.observed import Heard, Key, Observed, Profile, Watch, timed
from archon.placement import place
from archon.state import Task


def learn(architecture: Architecture, tasks: Sequence[Task], watch: Watch) -> dict[Key, Observed]:
    """What a run has shown about its models, to be kept for later estimates.

    Args:
        architecture: What ran.
        tasks: Those that were answered; where a call failed, a question teaches nothing of sizes.
        watch: What was seen of the run.
    """
    failed = {heard.question for heard in watch.calls if heard.failed}
    tasks = [task for task in tasks if task.id not in failed]
    if not tasks:
        return {}
    models = targets(architecture)
    at = {
        (component.path, models[ref].spec.use): (models[ref].endpoint, (models[ref].key, component.technique.kind))
        for layer in place(architecture, architecture.specs())
        for component in layer
        for _, ref in component.technique.model_refs()
    }
    rows: defaultdict[Key, Observed] = defaultdict(Observed)
    whole = {task.id for task in tasks}
    for heard in watch.calls:
        if heard.question in whole and (heard.layer, heard.model) in at:
            _, key = at[heard.layer, heard.model]
            rows[key] += Observed(1, heard.samples, heard.prompt, heard.completion)
    # The lengths of this very run leave nothing but the prompts to be corrected.
    planned = _planned(walk(architecture, models, Size.of(tasks), Profile(rows)), len(tasks), rows)
    attempts: defaultdict[str, list[tuple[Key, Heard]]] = defaultdict(list)
    for heard in watch.attempts:
        if (heard.layer, heard.model) in at:
            endpoint, key = at[heard.layer, heard.model]
            attempts[endpoint].append((key, heard))
    times: defaultdict[Key, Observed] = defaultdict(Observed)
    for sent in attempts.values():
        for key, row in timed(sent).items():
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
