"""Process rewards: the rewards that score answers, applied to beginnings of answers."""

from __future__ import annotations

from collections.abc import Sequence

from archon.errors import ConfigError
from archon.reward import Reward
from archon.state import Candidate, Failure, State
from archon.stepwise import Partial
from archon.technique import Context


class ProcessReward:
    """Scores complete answers with a reward as it is, and beginnings with the reward told that they break off.

    An :class:`archon.stepwise.Scorer`.

    Args:
        reward: The reward.
        state: The task, and the unit tests that some rewards judge by.
        context: Where to draw.
        delimiter: What ends a step.
        whole: Whether the reward sees a text as one step.

    Raises:
        ConfigError: The reward cannot score beginnings.
    """

    def __init__(self, reward: Reward, state: State, context: Context, *, delimiter: str, whole: bool = False) -> None:
        try:
            self._of_beginnings = reward.for_beginnings()
        except ValueError as error:
            raise ConfigError(f"{context.layer}: {error}.") from None
        self._of_answers = reward
        self._state = state
        self._context = context
        self._delimiter = delimiter
        self._whole = whole

    async def score(self, partials: Sequence[Partial]) -> list[float | Failure]:
        """Score all of them, each kind in one request of the reward."""
        scores: dict[int, float | Failure] = {}
        for reward, label, open_ in ((self._of_beginnings, "beginnings", True), (self._of_answers, "answers", False)):
            places = [place for place, partial in enumerate(partials) if partial.open is open_]
            candidates = [Candidate(self._shown(partials[place]), f"{self._context.layer}#{place}") for place in places]
            state = self._state.with_candidates(candidates)
            given = await reward.score(state, self._context.fork(label))
            scores.update(zip(places, given, strict=True))
        return [scores[place] for place in range(len(partials))]

    def _shown(self, partial: Partial) -> str:
        if not self._whole:
            return partial.text
        return " ".join(part for part in partial.text.split(self._delimiter) if part)
