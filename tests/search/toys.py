"""A small space, a small simulated world, and outcomes made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from archon.architecture import Architecture
from search.evaluator import Outcome
from search.laws import SimulatedModel
from search.parameters import Params
from search.simulated import World
from search.space import Space
from search.spec import StudySpec
from search.storage import create_study
from search.study import Study

TOY = """\
name: toy
models:
  weak: {use: openai/weak}
  strong: {use: openai/strong}
layers:
  - generate: {model: {choice: [weak, strong]}, n: {choice: [1, 2, 4]}, temperature: 0.8}
  - alternatives:
      - vote: {}
      - rank: {model: {choice: [weak, strong]}, keep: 1}
      - fuse: {model: strong}
rules: {}
"""
MODELS = {"openai/weak": SimulatedModel(-0.8, (0.1, 0.4)), "openai/strong": SimulatedModel(0.8, (1.0, 4.0))}


@cache
def toy() -> Space:
    return Space.parse(TOY, name="toy.yaml")


def world(problems: int = 40, seed: int = 1, *, share: bool = True) -> World:
    return World(seed, problems, MODELS, share)


def study(spec: StudySpec, evaluator: object = None, storage: object = None, **more: object) -> Study:
    evaluator = world() if evaluator is None else evaluator
    made = create_study(spec, storage=storage, resume=storage is not None)
    return Study(toy(), lambda architecture: None, evaluator, spec, made, **more)  # type: ignore[arg-type]


def outcome(score: float | None, usd: float | None = 1.0, latency: float = 1.0) -> Outcome:
    return Outcome(score, usd, 1.0, 10, 1, latency, 1)


def outcomes(scores: Sequence[float | None], usd: float | None = 1.0, latency: float = 1.0) -> list[Outcome]:
    return [outcome(score, usd, latency) for score in scores]


class Table:
    """An evaluator that looks outcomes up by the settings of the architecture, in the order of the space."""

    def __init__(self, space: Space, rows: Sequence[tuple[Params, Sequence[Outcome]]]) -> None:
        self._rows = {space.build(params).name: list(found) for params, found in rows}
        self.asked: list[str] = []

    @property
    def problems(self) -> int:
        return len(next(iter(self._rows.values())))

    async def evaluate(self, architecture: Architecture, positions: Sequence[int]) -> list[Outcome]:
        self.asked.append(architecture.name)
        return [self._rows[architecture.name][position] for position in positions]
