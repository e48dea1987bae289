"""Who is evaluated on what: architectures under the names that records use, and problems with what grades them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from archon.answers import AnswerFormat
from archon.architecture import Architecture
from archon.models.spec import ModelSpec
from archon.prices import with_list_price
from evals.benchmark import Benchmark
from evals.graders.base import Grader, Problem


@dataclass(frozen=True, slots=True)
class Contender:
    """An architecture that is evaluated.

    Attributes:
        architecture: What runs.
        name: What records call it.
        without: The layer that was taken out of it, such as ``1.rank``; empty for a whole architecture.
        whole: The name of the contender that it was taken out of.
    """

    architecture: Architecture
    name: str
    without: str = ""
    whole: str = ""

    @classmethod
    def of(cls, architecture: Architecture) -> Contender:
        """An architecture under its own name."""
        return cls(architecture, architecture.name)


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Problems of one benchmark, chosen and in order, with what grades them.

    Attributes:
        name: The benchmark's name.
        problems: What is asked, the same for every contender.
        grader: Decides whether an answer is right.
        answer: How answers are found and compared, in place of an architecture's own way; ``None`` leaves that.
        judge: The model that the grader asks, if it asks one.
        card: The benchmark's card as YAML.
        expert_dollars: What a human expert costs per problem, if that is known.
    """

    name: str
    problems: tuple[Problem, ...]
    grader: Grader
    answer: AnswerFormat | None = None
    judge: ModelSpec | None = None
    card: str = ""
    expert_dollars: float | None = None

    @classmethod
    def of(cls, benchmark: Benchmark, problems: Sequence[Problem], judge: str | None = None) -> ProblemSet:
        """Problems of a benchmark.

        Args:
            benchmark: Where they come from.
            problems: Some of its problems.
            judge: A model that takes the place of the benchmark's judge.

        Raises:
            ConfigError: The card's grader is wrong.
        """
        spec = benchmark.judge
        if judge is not None:
            # One reply is drawn where the card does not say otherwise, and that had better be the likeliest.
            spec = ModelSpec(use=judge, temperature=0) if spec is None else with_use(spec, judge)
        priced = None if spec is None else with_list_price(spec)
        card = benchmark.path.read_text(encoding="utf-8")
        given = (benchmark.grader(), benchmark.answer, priced, card, benchmark.expert_dollars)
        return cls(benchmark.name, tuple(problems), *given)

    @property
    def digest(self) -> str:
        """A short hash of the card: another digest is another benchmark, whatever its name."""
        return hashlib.blake2b(self.card.encode(), digest_size=8).hexdigest()

    def asked_of(self, contender: Contender) -> Architecture:
        """The architecture as it answers these problems: it looks for answers the way the benchmark does."""
        answer = self.answer
        return (
            contender.architecture if answer is None else contender.architecture.model_copy(update={"answer": answer})
        )


def with_use(spec: ModelSpec, use: str) -> ModelSpec:
    """The same settings for another model.

    A price is one model's own, and an address and a key are one provider's; what does not fit is left out.

    Raises:
        ValidationError: There is no such provider.
    """
    if use == spec.use:
        return spec
    kept = spec.model_dump(exclude_defaults=True, exclude={"price"})
    if use.partition("/")[0] != spec.provider:
        kept = {name: value for name, value in kept.items() if name not in ("base_url", "api_key", "extra")}
    return ModelSpec.model_validate({**kept, "use": use})
