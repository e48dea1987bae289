"""What a study is told: its objective, how it proposes, how it races, and when it stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archon.errors import ConfigError
from search.evaluator import CostUnit

Sampler = Literal["tpe", "nsga2", "random", "grid", "greedy", "factorial"]
Objective = Literal["accuracy", "cost_of_pass", "pareto"]
Racing = Literal["race", "asha", "off"]


class StudySpec(BaseModel):
    """The settings of a study.

    Attributes:
        objective: ``accuracy`` under the ``ceiling``; ``cost_of_pass``, the expected cost per right answer; or
            ``pareto``, the set of architectures that nothing beats in accuracy, cost and latency at once.
        cost: In what costs are counted; ``usd`` needs a price for every model.
        ceiling: The most an answer may cost on average, in that unit.
        sampler: ``tpe`` (multivariate, grouped), ``nsga2``, ``random``, ``grid`` (every architecture in random order),
            ``greedy`` (one setting at a time, as the paper's baseline) or ``factorial`` (a screening design of two
            levels per setting, for main effects).
        trials: The most architectures to evaluate; proposals that rules turn down and repetitions do not count.
        racing: ``race`` drops who is clearly worse than the best so far on common problems; ``asha`` goes on with the
            best third at every rung; ``off`` evaluates everybody on all problems.
        alpha: The level of one look of a race.
        first: How many problems the first rung has; every other doubles.
        parallel: How many architectures are evaluated at a time.
        patience: Stop after so many trials without improvement.
        seconds: Stop beginning trials after so much time.
        calls: Never send more requests, by all who work on the study together.
        usd: Never pay more dollars, at list price.
        surrogate: Predict from samples at hand, where that is possible, whether an architecture is worth its calls.
        seed: Decides what is proposed, and in which order problems are seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: Objective = "accuracy"
    cost: CostUnit = "usd"
    ceiling: Annotated[float | None, Field(gt=0)] = None
    sampler: Sampler = "tpe"
    trials: Annotated[int, Field(ge=1)] = 100
    racing: Racing = "race"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    first: Annotated[int, Field(ge=1)] = 8
    parallel: Annotated[int, Field(ge=1)] = 4
    patience: Annotated[int | None, Field(ge=1)] = None
    seconds: Annotated[float | None, Field(gt=0)] = None
    calls: Annotated[int | None, Field(gt=0)] = None
    usd: Annotated[float | None, Field(gt=0)] = None
    surrogate: bool = True
    seed: int = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sampler in ("greedy", "factorial") and self.objective == "pareto":
            raise ValueError(f"the sampler '{self.sampler}' needs one objective; take accuracy or cost_of_pass")
        if self.ceiling is not None and self.objective == "cost_of_pass":
            raise ValueError(
                "a ceiling belongs to the objectives accuracy and pareto; cost_of_pass weighs cost already"
            )
        return self


def parse_spec(given: Mapping[str, Any]) -> StudySpec:
    """The settings from what a command line gave.

    Raises:
        ConfigError: One is wrong, or two do not go together.
    """
    try:
        return StudySpec.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"--{part}: " for part in first["loc"])
        raise ConfigError(where + str(first["msg"]).removeprefix("Value error, ") + ".") from None
