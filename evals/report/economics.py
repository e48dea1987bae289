"""The frontier of a benchmark with a human expert, and how essential each model, technique and layer is to it.

Source: Erol et al. 2025 (Cost-of-Pass, arXiv:2504.13359); the layers and the intervals are ours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from archon.errors import ConfigError
from evals.economics.cost_of_pass import DRAWS
from evals.economics.frontier import Frontier, Market
from evals.report import words
from evals.report.numbers import draws_for
from evals.report.settings import Settings
from evals.table import Table, Unit

EXPERT = "expert"


def economics(
    name: str, tables: Mapping[str, Table], unit: Unit, settings: Settings, expert: float | None
) -> dict[str, Any] | None:
    """The frontier and what it needs; ``None`` where no architecture can be compared.

    A model or a technique is taken away with all architectures that use it. A layer is taken away by having only the
    architecture without it, from ``archon eval --ablate``, in place of both.

    Args:
        name: Of the benchmark.
        tables: Of all architectures, on the problems they share.
        unit: Of the cost.
        settings: Say which models and layers they have, and which are without one.
        expert: What a human expert costs per problem, in US dollars; ``None`` to leave the expert out.

    Raises:
        ConfigError: There is an expert, and costs are not in dollars.
    """
    if expert is not None and unit.price_date is None:
        raise ConfigError(
            f"--expert-usd: costs on {name} are counted in {unit.name} because not every call has a price, and an "
            "expert in dollars does not compare: give the models a price, or the expert only to other benchmarks with "
            "--expert-usd NAME=USD."
        )
    whole = [a for a in tables if not settings.contender(a).without]
    if not whole:
        return None
    draws = min(DRAWS, draws_for(tables[whole[0]].n))
    market = Market(tables, unit, expert=expert, draws=draws)
    found = market.frontier(whole)
    rows = []
    for kind, what, members, among in _sets(whole, list(tables), settings):
        if set(members) == set(among) and expert is None:
            # Nothing would be left to compare with.
            continue
        lost = market.essentialness(what, members, among)
        # An infinite frontier does not get dearer: how essential anything is to it cannot be told.
        known = math.isfinite(market.mean(among)[0])
        rows.append(
            {
                "kind": kind,
                "name": what,
                "members": members,
                "value": lost.value if known else None,
                "low": lost.low,
                "high": lost.high,
                "n": lost.n,
            }
        )
    cheapest = Counter(problem.who for problem in found.problems)
    return {
        "expert_dollars": expert,
        "frontier": {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "unsolved": found.unsolved,
            "fewest_runs": found.fewest_runs,
            "cheapest": [{"name": who, "problems": cheapest[who]} for who in (*whole, EXPERT) if cheapest[who]],
        },
        "essentialness": rows,
        "sentence": _sentence(found, len(whole), expert, settings.experts.get(name)),
    }


def _sets(whole: list[str], tables: list[str], settings: Settings) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """What can be taken away: its kind, its name, the architectures with it, and those among which it is missed."""
    uses: dict[str, dict[str, None]] = {}
    kinds: dict[str, dict[str, None]] = {}
    for name in whole:
        contender = settings.contender(name)
        for use, _ in contender.models.values():
            uses.setdefault(use, {})[name] = None
        for kind in (kind for layer in contender.layers for kind in layer):
            kinds.setdefault(kind, {})[name] = None
    for what, found in (("model", uses), ("technique", kinds)):
        for key in sorted(found):
            yield what, key, list(found[key]), whole
    for name in tables:
        contender = settings.contender(name)
        if contender.without and contender.whole in whole:
            yield "layer", f"{contender.without} of {contender.whole}", [contender.whole], [contender.whole, name]


def _sentence(found: Frontier, architectures: int, expert: float | None, of_card: float | None) -> str:
    unit = {"name": found.unit.name, "price_date": found.unit.price_date}
    machines = "the architecture" if architectures == 1 else f"the cheapest of {architectures} architectures"
    human = "" if expert is None else f" or a human expert at {words.money(expert)}"
    runs = f"{words.count(found.fewest_runs, 'run')} or more of each architecture"
    low, high = words.amount(found.low, unit), words.amount(_finite(found.high), unit)
    if math.isinf(found.value):
        said = (
            f"With {machines} for each problem, what a right answer costs on average is at least {low} and has no "
            f"upper bound: {found.unsolved:,} of {words.count(found.n, 'problem')} were never solved, in {runs}."
        )
    else:
        said = (
            f"With {machines}{human} for each problem, a right answer costs {words.amount(found.value, unit)} on "
            f"average (95 % interval {low} to {high}, {words.count(found.n, 'problem')})."
        )
        if found.unsolved:
            said += (
                f" On {words.count(found.unsolved, 'problem')} no run was right, in {runs}, so that the expert is "
                "paid; that no model could solve them is not shown, hence the lower end."
            )
    if expert is None and of_card is not None and unit["name"] == "USD":
        said += (
            f" The benchmark's card puts an expert at {words.money(of_card)}: --expert-usd {of_card:g} counts one in."
        )
    return said


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
