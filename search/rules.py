"""What an architecture must be like to be worth paying for: named rules that prune a space before anything is spent.

Most are the paper's (Saad-Falcon et al. 2024, arXiv:2409.15254, as far as secondary sources tell): generators first,
critiques before what reads them, one judge per layer, unit tests before their test, candidates that fit the fuser's
context, a ceiling on calls. A template changes them under ``rules``: ``fuse_fits_context: off`` drops one,
``calls: {most: 32}`` sets one.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Annotated, Any, ClassVar, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archon.architecture import Architecture
from archon.forecast import Size, targets, walk
from archon.models.local import CONTEXT
from archon.observed import Profile
from archon.suggest import unknown
from archon.technique import Plan
from search.canonical import stations

# A page of a question: rules are applied before any question is known.
QUESTION = Size(bytes=1000.0, messages=1.0)
ARCHITECTURE = "architecture"
"""The name under which what validation turns down is counted; it cannot be switched off."""


class Rule(BaseModel, ABC):
    """One condition on architectures.

    Class attributes:
        name: Its name in YAML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = ""

    def __init_subclass__(cls, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        RULES[name] = cls

    @property
    def doc(self) -> str:
        """What it asks for, in a sentence."""
        return " ".join((inspect.getdoc(type(self)) or "").split("\n\n")[0].split())

    @abstractmethod
    def check(self, architecture: Architecture) -> str | None:
        """Why the architecture is turned down, in a sentence; ``None`` if it is not."""


RULES: dict[str, type[Rule]] = {}
"""Every rule by name, in the order in which they are asked."""


class GeneratorsFirst(Rule, name="generators_first"):
    """What answers the question anew stands before everything that works on candidates, as it replaces them."""

    def check(self, architecture: Architecture) -> str | None:
        """Look for a generator where candidates already are."""
        made = False
        for layer in architecture.layers:
            anew = [c.kind for c in layer if not c.needs_candidates and "candidates" in c.makes]
            if anew and made:
                return f"{anew[0]} would throw away the candidates of the layers before it."
            made = made or bool(anew) or any(c.needs_candidates for c in layer)
        return None


class CritiqueBeforeUse(Rule, name="critique_before_use"):
    """Critiques are read by a later rank, fuse or other technique before their candidates are replaced."""

    critics: frozenset[str] = frozenset({"critique"})

    def check(self, architecture: Architecture) -> str | None:
        """Look for critiques that nobody reads."""
        unread: str | None = None
        for _, group in groupby(stations(architecture), key=lambda station: station.layer):
            layer = list(group)
            plans = [station.plan for station in layer if station.plan is not None]
            if len(plans) < len(layer):
                return None
            if any(_reads_remarks(plan) for plan in plans):
                unread = None
            elif unread and any(_writes_candidates(plan) for plan in plans):
                break
            unread = unread or next((s.technique.kind for s in layer if s.technique.kind in self.critics), None)
        return f"nothing reads what {unread} says of the candidates." if unread else None


class OneJudgePerLayer(Rule, name="one_judge_per_layer"):
    """A layer has at most one component that passes candidates on, such as a verifier or a test: two double them."""

    def check(self, architecture: Architecture) -> str | None:
        """Count the components of each layer that pass candidates on."""
        judges: dict[int, str] = {}
        for station in stations(architecture):
            if not station.technique.needs_candidates or station.plan is None or _writes_candidates(station.plan):
                continue
            if station.layer in judges:
                both = f"{judges[station.layer]} and {station.technique.kind}"
                return f"layer {station.layer} has {both} side by side, and both pass the same candidates on."
            judges[station.layer] = station.technique.kind
        return None


class TestsBeforeTheirTest(Rule, name="tests_before_their_test"):
    """Unit tests are written in a layer before the one that tests by them, and there is one that does or shows them."""

    __test__: ClassVar[bool] = False

    def check(self, architecture: Architecture) -> str | None:
        """Look for tests that nobody uses; that there are tests to use is for validation to say."""
        written = False
        for layer in architecture.layers:
            if any(part.needs_unit_tests for component in layer for part in component.everything()):
                written = False
            makers = [component for component in layer if "unit_tests" in component.makes]
            written = written or any(not getattr(component, "show", False) for component in makers)
        return "no layer after unit_tests tests by them." if written else None


class SeveralToChooseFrom(Rule, name="several_to_choose_from"):
    """A layer that only orders or chooses candidates has at least two of them to choose from."""

    choosers: frozenset[str] = frozenset({"rank", "tournament", "vote", "universal_self_consistency"})

    def check(self, architecture: Architecture) -> str | None:
        """Look for a chooser that one candidate reaches."""
        for station in stations(architecture):
            if station.technique.kind in self.choosers and station.most is not None and station.most < 2:
                return f"{station.technique.kind} has one candidate to choose from."
        return None


class ChoiceAtTheEnd(Rule, name="choice_at_the_end"):
    """The last layer leaves one new candidate, or chooses among those there are: the others were paid for nothing."""

    def check(self, architecture: Architecture) -> str | None:
        """Count the candidates that the last layer makes."""
        last = [station for station in stations(architecture) if station.layer == len(architecture.layers) - 1]
        plans = [station.plan for station in last if station.plan is not None]
        left = sum(plan.candidates for plan in plans)
        if len(plans) < len(last) or left < 2 or not all(map(_writes_candidates, plans)):
            return None
        return f"{left} candidates are left at the end and nothing chooses among them."


class Calls(Rule, name="calls"):
    """A question is expected to take at most ``most`` completions (64 unless said otherwise)."""

    most: Annotated[int, Field(ge=1)] = 64

    def check(self, architecture: Architecture) -> str | None:
        """Add up the techniques' plans; those without one count nothing."""
        asked = sum(station.plan.samples for station in stations(architecture) if station.plan is not None)
        return f"{asked} completions a question are more than {self.most}." if asked > self.most else None


class FuseFitsContext(Rule, name="fuse_fits_context"):
    """What a fuser, or whoever else reads candidates, is expected to be shown and to write fits its model's context.

    The context of a local model is known; that of all others is taken to be ``tokens``.
    """

    tokens: Annotated[int, Field(ge=1)] = 32_768

    def check(self, architecture: Architecture) -> str | None:
        """Walk the architecture with a question of a page."""
        for layer in walk(architecture, targets(architecture), QUESTION, Profile({})):
            for part in layer:
                for use in part.uses or () if part.technique.needs_candidates else ():
                    context = CONTEXT if use.target.local else self.tokens
                    needed = use.prompt + use.completion
                    if needed > context:
                        return f"{part.path} needs {needed:,.0f} tokens of a context of {context:,}."
        return None


def _writes_candidates(plan: Plan) -> bool:
    return any(ask.makes == "candidates" and ask.bound for ask in plan.asks)


def _reads_remarks(plan: Plan) -> bool:
    return any(ask.reads and ask.remarks and ask.makes != "remarks" for ask in plan.asks)


def default_rules() -> tuple[Rule, ...]:
    """Every rule with its own settings."""
    return tuple(rule() for rule in RULES.values())


def rules_from(data: Mapping[str, Any], fail: Callable[[str, str], NoReturn]) -> tuple[Rule, ...]:
    """The rules that hold, where a template says something of some of them.

    Args:
        data: By name: ``off``, ``on`` or settings.
        fail: Raises the error about one of the names.
    """
    for name in data:
        if name not in RULES:
            fail(name, unknown("rule", name, RULES))
    rules = []
    for name, rule in RULES.items():
        settings = data.get(name)
        if settings is False or settings == "off":
            continue
        if settings is True or settings == "on" or settings is None:
            settings = {}
        try:
            rules.append(rule.model_validate(settings))
        except ValidationError as error:
            line = error.errors()[0]
            if line["type"] == "extra_forbidden":
                fail(name, unknown("setting", str(line["loc"][-1]), rule.model_fields))
            where = "".join(f"{part}: " for part in line["loc"])
            fail(name, f"{where}{line['msg'][:1].lower()}{line['msg'][1:]}. Write off, on or its settings.")
    return tuple(rules)


def turned_down(architecture: Architecture, rules: tuple[Rule, ...]) -> tuple[str, str] | None:
    """The first rule that turns an architecture down, and why; ``None`` if none does."""
    for rule in rules:
        if (why := rule.check(architecture)) is not None:
            return rule.name, why
    return None
