"""How far a study is, counted from the trials that a storage holds, whoever ran them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from search.evaluator import Outcome

CAME_TO = "came_to"
"""The trial attribute that says what became of a trial; set before it is told."""

CameTo = Literal["evaluated", "dropped", "predicted", "failed", "turned_down", "repeated", "known"]


@dataclass
class Progress:
    """What a study has come to so far.

    Attributes:
        trials: Architectures evaluated, dropped and predicted ones included.
        dropped: Those that lost a race.
        predicted: Those that the surrogate turned down without a call.
        pruned: Proposals that rules turned down.
        repeated: Proposals that had been tried already.
        failed: Architectures that could not run.
        evaluations: Problems answered, by all architectures together.
        calls: Requests that those answers take by themselves.
        paid: Requests that were really sent.
        usd: Dollars really paid, as far as prices are known.
        since_better: Trials since the best one.
        stopped: Why it ended.
        cut: Whether a limit on calls, dollars or time ended it.
        reasons: Why rules turned proposals down, and how often.
        errors: Why architectures could not run, and how often.
    """

    trials: int = 0
    dropped: int = 0
    predicted: int = 0
    pruned: int = 0
    repeated: int = 0
    failed: int = 0
    evaluations: int = 0
    calls: int = 0
    paid: int = 0
    usd: float = 0.0
    since_better: int = 0
    stopped: str = ""
    cut: bool = False
    reasons: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def count(self, attributes: Mapping[str, Any]) -> None:
        """Count one finished trial by its attributes; what an earlier study found is not this one's."""
        came_to: CameTo | None = attributes.get(CAME_TO)
        if came_to is None or came_to == "known":
            return
        if came_to == "turned_down":
            self.pruned += 1
            _count(self.reasons, attributes["reason"])
            return
        if came_to == "repeated":
            self.repeated += 1
            return
        self.trials += 1
        self.dropped += came_to == "dropped"
        self.predicted += came_to == "predicted"
        if came_to == "failed":
            self.failed += 1
            _count(self.errors, attributes["reason"])
        for data in attributes.get("outcomes", ()):
            outcome = Outcome.from_data(data)
            self.evaluations += 1
            self.calls += outcome.calls
            self.paid += outcome.paid
            self.usd += outcome.bought


def _count(numbers: dict[str, int], name: str) -> None:
    numbers[name] = numbers.get(name, 0) + 1
